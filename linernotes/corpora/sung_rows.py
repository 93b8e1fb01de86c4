"""Rendered music with a real voice over it.

Rendered clips are all instrumental, and the recordings at hand with known voices are all karaoke. Learned from as they
are, a singer would mean karaoke. A singer over a rendered jazz trio is none.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from linernotes.corpora.caption_rows import SINGING, CaptionRows, row_of, voice_of
from linernotes.corpora.music_facts import MusicFacts

VOICE_DB = (-5.0, 5.0)  # of the voice over what accompanies it, as root mean squares
SEED = 7


def sung_rows(rendered: Sequence[dict[str, Any]], voices: Sequence[dict[str, Any]], share: float) -> CaptionRows:
    """A share of the instrumental clips to learn from and to validate on, each once more with a singer of its split.

    The voice has a key, a tempo and a meter of its own, so none of these is claimed any more.

    Args:
        rendered: rows of `caption_rows.rendered_rows`. voices: of `caption_rows.voice_rows`.
        share: of the clips of each split, 0 to 1.
    """
    rows, rng = [], np.random.default_rng(SEED)
    for split in ("train", "validation"):
        singing = [row for row in voices if row["split"] == split and row["channel"] == SINGING]
        played = [row for row in rendered if row["split"] == split and _facts(row).vocals == "instrumental"]
        chosen = rng.permutation(len(played))[: round(share * len(played))] if singing else ()
        for number in sorted(chosen):
            row, voice = played[number], singing[rng.integers(len(singing))]
            over = {"path": voice["audio"]["path"], "channel": SINGING, "level_db": round(rng.uniform(*VOICE_DB), 1)}
            singer = voice["group"].removeprefix("singer ")
            facts = replace(_facts(row), key=None, tempo=None, meter=None, vocals=voice_of(singer))
            named = {"clip": f"{row['clip']} under {voice['clip']}", "source": f"{row['source']}, sung"}
            licence = f"{row['licence']}; voice: {voice['licence']}"
            rows.append(row_of(row | {"licence": licence}, facts, **named, origin="sung", over=over))
    return CaptionRows(rows, Counter())


def _facts(row: dict[str, Any]) -> MusicFacts:
    return MusicFacts.of_json(row["facts"])
