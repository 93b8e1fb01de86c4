"""Tempo class, intensity, vibe and emotions of a clip, by rule from what is written of it (`read_writing`).

No listener was asked. The directions of the rules are those that the literature agrees on: Gabrielsson and Lindström
2010, Juslin and Laukka 2004 (doi 10.1080/0929821042000317813), Eerola and Vuoskoski 2011 (doi
10.1177/0305735610362821); the plane is Russell's circumplex (1980, doi 10.1037/h0077714), the 28 words are those of
GoEmotions (Demszky et al. 2020, arXiv 2005.00547). The numbers are ours, all of them: weights, bounds and places on the
plane were chosen by us, so that every class of a corpus is common enough to learn. docs/mathrock.md has them in words.
"""

from collections.abc import Mapping, Sequence
from math import exp, hypot, log2
from typing import Any

from linernotes.corpora.writing import Writing
from linernotes.modeling.affect import INTENSITIES, TEMPOS

TEMPO_BOUNDS_BPM = (90.0, 130.0)  # slow is below the first, fast above the second
INTENSITY_BOUNDS = (0.33, 0.5)
# Valence and arousal, -1 to 1, of each word: opposites are opposite, and words that Russell placed are in his quarters.
PLACES: dict[str, tuple[float, float]] = {
    "admiration": (0.60, 0.20), "amusement": (0.70, 0.45), "anger": (-0.60, 0.75), "annoyance": (-0.50, 0.45),
    "approval": (0.50, -0.05), "caring": (0.55, -0.40), "confusion": (-0.25, 0.20), "curiosity": (0.20, 0.35),
    "desire": (0.45, 0.55), "disappointment": (-0.50, -0.30), "disapproval": (-0.50, 0.15), "disgust": (-0.75, 0.35),
    "embarrassment": (-0.40, 0.00), "excitement": (0.55, 0.85), "fear": (-0.40, 0.80), "gratitude": (0.65, -0.20),
    "grief": (-0.75, -0.50), "joy": (0.80, 0.60), "love": (0.75, 0.00), "nervousness": (-0.25, 0.55),
    "optimism": (0.55, 0.35), "pride": (0.40, 0.75), "realization": (0.15, 0.10), "relief": (0.35, -0.65),
    "remorse": (-0.50, -0.55), "sadness": (-0.55, -0.75), "surprise": (0.10, 0.80), "neutral": (0.00, -0.10),
}  # fmt: skip
REACH = 0.3  # on the plane, at which an emotion's share has fallen to exp(-1/2)
TRUE_FROM = 0.5  # of an emotion's share, from which it is called true
SURPRISING_DB = (6.0, 12.0)  # a jump that begins to surprise, and one that surely does (Juslin and Västfjäll 2008)
# Tags of the Million Song Dataset on the plane. "happy" and "sad" are left for measuring what was learned without them.
TAGS: dict[str, tuple[float, float]] = {
    "Mellow": (0.30, -0.60), "chill": (0.35, -0.55), "chillout": (0.35, -0.60), "ambient": (0.05, -0.75),
    "easy listening": (0.45, -0.40), "acoustic": (0.15, -0.45), "beautiful": (0.50, -0.30), "party": (0.65, 0.80),
    "dance": (0.60, 0.65), "catchy": (0.60, 0.45), "punk": (-0.10, 0.80), "hard rock": (-0.20, 0.70),
    "metal": (-0.45, 0.75), "heavy metal": (-0.40, 0.80),
}  # fmt: skip
TAGS_KEPT_APART = ("happy", "sad")
LEAST_TAGS = 0.15  # sum of the probabilities of TAGS under which a tagger has said nothing of the mood


def tempo_class(tempo_bpm: float, bounds_bpm: Sequence[float] = TEMPO_BOUNDS_BPM) -> str:
    """ "slow" below the first bound, "fast" above the second, "moderate" from one to the other.

    Raises ValueError for bounds that do not rise.
    """
    slowest, fastest = bounds_bpm
    if not 0.0 < slowest < fastest:
        raise ValueError(f"the bounds of the tempo classes are {bounds_bpm}; give two that rise, such as 90 and 130")
    return TEMPOS[0 if tempo_bpm < slowest else 2 if tempo_bpm > fastest else 1]


def energy(clip: Writing) -> float:
    """How much is going on, 0 to 1: strokes, onsets, distortion, voices, and how hard it is played.

    A recording is brought to any loudness, so the larger part is what can still be heard then.
    """
    return (
        0.25 * ramp(clip.strokes_per_second, 0.0, 9.0)
        + 0.25 * ramp(clip.onsets_per_second, 0.5, 7.0)
        + 0.25 * ramp(clip.distorted, 0.0, 0.8)
        + 0.15 * ramp(clip.voices, 0.5, 6.0)
        + 0.10 * ramp(clip.velocity, 0.35, 0.65)
    )


def intensity(clip: Writing) -> str:
    """ "low", "medium" or "high": the energy between which bounds it lies."""
    return INTENSITIES[sum(energy(clip) >= bound for bound in INTENSITY_BOUNDS)]


def vibe(clip: Writing) -> str:
    """The vibe with the most of its signs, each of them 0 to 1 and weighted by us."""
    minor = {"minor": 1.0, "major": 0.0, None: 0.25}[clip.mode]
    held, undrummed = ramp(clip.note_seconds, 0.25, 0.9), float(clip.strokes_per_second == 0.0)
    sings = float(clip.onsets_per_second > 0.0)  # drums alone lament nothing
    still = 1.0 - ramp(max(clip.onsets_per_second, clip.strokes_per_second / 2.0), 1.5, 5.5)
    signs = {
        "aggressive": 1.1 * ramp(clip.distorted, 0.0, 0.6) + 0.8 * ramp(clip.strokes_per_second, 2.0, 8.0),
        "atmospheric": 0.9 * held + 0.5 * still + 0.4 * undrummed + 0.1 * (1.0 - minor),
        "melancholic": sings * (0.6 * minor + 0.6 * (1.0 - pace(clip)) + 0.4 * still + 0.3 * (1.0 - energy(clip))),
        "technical": 1.0 * ramp(clip.onsets_per_second, 2.5, 7.0) + 0.4 * clip.uneven + 0.5 * (1.0 - held),
    }
    return max(signs, key=signs.__getitem__)


def valence(clip: Writing) -> float:
    """How pleasant, -1 to 1: mode first; then tempo, register, short notes for it, distortion and noise against it."""
    mode = {"major": 1.0, "minor": -1.0, None: 0.0}[clip.mode]
    short = 1.0 - ramp(clip.note_seconds, 0.15, 0.9)
    found = (
        0.50 * mode
        + 0.25 * (2.0 * pace(clip) - 1.0)
        + 0.15 * (2.0 * ramp(clip.pitch, 48.0, 68.0) - 1.0)
        + 0.10 * (2.0 * short - 1.0)
        - 0.25 * ramp(clip.distorted, 0.0, 0.8)
    )
    return min(max(found, -1.0), 1.0)


def arousal(clip: Writing) -> float:
    """How active, -1 to 1: energy and tempo, and sudden changes."""
    stirred = ramp(clip.jump_db, *SURPRISING_DB)
    return min(2.0 * (0.75 * ramp(energy(clip), 0.05, 0.75) + 0.25 * pace(clip)) - 1.0 + 0.15 * stirred, 1.0)


def emotions(clip: Writing) -> dict[str, float]:
    """The share of each emotion, 0 to 1, by its distance on the plane; a sudden change is a surprise wherever it is."""
    shares = placed(valence(clip), arousal(clip))
    return shares | {"surprise": max(shares["surprise"], ramp(clip.jump_db, *SURPRISING_DB))}


def emotions_of_tags(tags: Mapping[str, float]) -> dict[str, float] | None:
    """The emotions at the centre of what a tagger says, by its probabilities; None where it says nothing of TAGS.

    Raises KeyError for tags without one of TAGS.
    """
    total = sum(tags[tag] for tag in TAGS)
    if total < LEAST_TAGS:
        return None
    return placed(*(sum(tags[tag] * place[axis] for tag, place in TAGS.items()) / total for axis in (0, 1)))


def placed(pleasant: float, active: float) -> dict[str, float]:
    """The share of each emotion at a point of the plane, which is a disc: what lies beyond is taken for its edge."""
    beyond = max(hypot(pleasant, active), 1.0)
    pleasant, active = pleasant / beyond, active / beyond
    return {word: exp(-((pleasant - x) ** 2 + (active - y) ** 2) / (2.0 * REACH**2)) for word, (x, y) in PLACES.items()}


def true_of(shares: Mapping[str, float]) -> list[str]:
    """The emotions that are called true, in order."""
    return [word for word, share in shares.items() if share >= TRUE_FROM]


def labels_of(clip: Writing, tempo_bounds_bpm: Sequence[float] = TEMPO_BOUNDS_BPM) -> dict[str, Any]:
    """All labels of a clip: emotions {word: share}, vibe, intensity, tempo."""
    return {
        "emotions": emotions(clip),
        "vibe": vibe(clip),
        "intensity": intensity(clip),
        "tempo": tempo_class(clip.tempo_bpm, tempo_bounds_bpm),
    }


def pace(clip: Writing) -> float:
    """The tempo on a logarithmic scale, 0 at 60 and 1 at 180 beats a minute."""
    return ramp(log2(clip.tempo_bpm), log2(60.0), log2(180.0))


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, straight between them."""
    return min(max((value - low) / (high - low), 0.0), 1.0)
