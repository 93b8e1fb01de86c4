"""GTZAN Music/Speech: 64 files in `music_wav`, 64 in `speech_wav`, named after who or what is heard.

Names with a number (corea1, news2, nj105a) are parts of one recording or by one voice, so the name without it is the
group. The collection has no split: groups are dealt out by hash.
"""

import re
from pathlib import Path

from linernotes.corpora.readers.records import Rows, needs, recordings
from linernotes.corpora.splits import register_split, split_of

NAME = "gtzan-music-speech"
KINDS = ("music", "speech")
register_split(NAME, {"train": 0.6, "validation": 0.15, "test": 0.25})


def read(folder: Path | str) -> Rows:
    """Rows of all recordings: labels are music or speech, `recording` is the file's name.

    Raises FileNotFoundError where one of the two folders is missing or has no sound.
    """
    rows = Rows(NAME)
    for kind in KINDS:
        found = recordings(Path(folder) / f"{kind}_wav")
        if not found:
            raise FileNotFoundError(f"{folder} has no sound in {kind}_wav: it needs {needs(NAME)}")
        for name, path in found.items():
            group = f"{kind}:{_stem(name)}"
            rows.add(path, [kind], group, split_of(NAME, group), recording=name)
    return rows.checked(folder)


def _stem(name: str) -> str:
    return re.sub(r"\d+[a-z]?$", "", name) or name  # a name that is a number is itself
