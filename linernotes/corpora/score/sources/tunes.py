"""Plays a tune in ABC notation as a clip: the melody, what its chord symbols ask for, and sometimes a hand drum."""

import re
from collections import Counter

import numpy as np

from linernotes.corpora.score.score import Score
from linernotes.corpora.score.sources.abcnotation import AbcError, Tune, read_tune
from linernotes.corpora.score.sources.chords import ROOT, parse_chord
from linernotes.corpora.score.sources.excerpt import ExcerptError, Sheet, excerpt
from linernotes.corpora.score.sources.notation import bars_of
from linernotes.corpora.score.sources.playing import accompany, drum, sing
from linernotes.corpora.splits import group_name

STYLE = "folk"
# Quarters a minute at which dances are danced, where the tune gives no tempo.
TEMPI = {
    (2, 4): (90.0, 130.0), (4, 4): (130.0, 200.0), (2, 2): (140.0, 210.0), (3, 4): (110.0, 180.0),
    (6, 8): (140.0, 190.0), (9, 8): (140.0, 190.0), (12, 8): (130.0, 180.0),
}  # fmt: skip
OTHER_TEMPI = (100.0, 150.0)
QUALITIES = {"": "", "m": "m", "7": "7", "m7": "m7", "6": "6", "m6": "m6", "7b9": "7b9", "d": "dim", "a": "aug"}
ALONE_ODDS, DRUM_ODDS = 0.15, 0.3
UNTOLD = re.compile(r"\([^)]*\)|['`\u2019]")  # in titles: remarks and apostrophes
ARTICLES = ("the", "a", "an")


def tune_group(title: str, name: str) -> str:
    """The same for a tune in whatever book: "The Soldier's Joy" and "Soldiers Joy, The". `name`: if it has no title."""
    words = [word for word in group_name(UNTOLD.sub("", title), name).split() if word not in ARTICLES]
    return f"tune {' '.join(words) or name}"


def play_tune(name: str, text: str, rng: np.random.Generator, seconds: float) -> Score:
    """A clip of the tune. Raises ExcerptError where it is too short, or cannot be read."""
    try:
        tune = read_tune(text)
    except AbcError as error:
        raise ExcerptError(f"{name}: {error}; choose another tune") from error
    quarter_bpm = tune.quarter_bpm or float(rng.uniform(*_tempi(tune)))
    second = 60.0 / quarter_bpm
    bars, end = bars_of(tune.measures, quarter_bpm)
    events = [(float(start) * second, float(start + length) * second, pitch) for start, length, pitch in tune.notes]
    if not events:
        raise ExcerptError(f"{name} has no notes: choose another tune")
    chords = _chords(tune, second) if rng.uniform() >= ALONE_ODDS else ()
    parts = [sing(rng, events, bars), *accompany(rng, bars, end, chords)]
    if rng.uniform() < DRUM_ODDS:
        parts.append(drum(rng, bars))
    keys = tuple((float(start) * second, key) for start, key in tune.keys)
    return excerpt(Sheet(STYLE, tuple(parts), bars, end, keys, chords, quarter_bpm), rng, seconds)


def _tempi(tune: Tune) -> tuple[float, float]:
    main = Counter(measure.signature for measure in tune.measures).most_common(1)[0][0]
    return TEMPI.get(main, OTHER_TEMPI)


def _chords(tune: Tune, second: float) -> tuple[tuple[float, str | None], ...]:
    """The symbols, None for chords that are not known here; fingerings and remarks are passed over."""
    texts = [(float(start) * second, text.strip("() ")) for start, text in tune.chords]
    return tuple((start, parse_chord(text, QUALITIES)) for start, text in texts if ROOT.fullmatch(text))
