"""What is true of a recording, as far as it is known: of rendered music from its score, of others from their labels.

Names are those of captions (`linernotes.modeling.music_words`): "electric guitar", "C# minor", "slow". From these facts
captions are written (`caption_writer`), the heads' labels made (`task_labels`), and captions judged
(`linernotes.training.fact_scores`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pretty_midi

from linernotes.corpora.affect import TEMPO_BOUNDS_BPM, arousal, tempo_class, valence, vibe
from linernotes.corpora.score.score import VOICE_PROGRAMS, Facts
from linernotes.corpora.writing import Writing
from linernotes.modeling.caption_facts import TONICS
from linernotes.modeling.music_words import KINDS, squashed

TEMPO_WORDS = {"slow": "slow", "moderate": "medium", "fast": "fast"}
UNSURE = 0.04  # of a bound between two tempo words: nearer to it nobody could say which
LIKE_VOICES = (*VOICE_PROGRAMS, 85, 91)  # and the synthetic voice and choir among leads and pads
STYLES = {  # of the composer and of scores; what is not here has no name that a caption would use
    **{style: style for style in ("jazz", "blues", "rock", "pop", "classical", "folk", "latin", "funk", "soul")},
    **{style: style for style in ("reggae", "afrobeat", "country", "disco", "metal")},
    "math rock": "rock",
    "hiphop": "hip hop",
}
DRUMS, UNKNOWN = "drums", float("nan")
# General MIDI, program by program (https://midi.org/general-midi), by the names that a listener would use
PROGRAMS: dict[str, Sequence[int]] = {
    "piano": (0, 1, 2, 3), "electric piano": (4, 5), "harpsichord": (6,), "keyboard": (7,), "bell": (8, 9, 10, 14, 112),
    "vibraphone": (11,), "marimba": (12,), "xylophone": (13,), "organ": (16, 17, 18, 20), "pipe organ": (19,),
    "accordion": (21, 23), "harmonica": (22,), "classical guitar": (24,), "acoustic guitar": (25,),
    "electric guitar": range(26, 32), "double bass": (32, 43), "bass": range(33, 40), "violin": (40, 110),
    "viola": (41,), "cello": (42,), "strings": (44, 45, *range(48, 52)), "harp": (46,),
    "percussion": (47, *range(113, 119)), "trumpet": (56, 59), "trombone": (57,), "tuba": (58,), "horn": (60,),
    "brass": (61, 62, 63), "saxophone": range(64, 68), "oboe": (68, 69), "bassoon": (70,), "clarinet": (71,),
    "flute": range(72, 80), "synthesizer": (*range(80, 85), 86, 87, *range(96, 104)),
    "pad": (*range(88, 91), *range(92, 96)), "sitar": (104,), "banjo": (105,),
}  # fmt: skip
NAME_OF_PROGRAM = {program: name for name, programs in PROGRAMS.items() for program in programs}


@dataclass(frozen=True)
class MusicFacts:
    """What is true of a recording; None: nobody knows.

    Args:
        key: "A minor", with the tonics C# Eb F# Ab Bb for the black keys.
        tempo: "slow", "medium" or "fast". meter: "3/4".
        vocals: "instrumental", "female", "male", or "voice" where nobody says whose.
        instruments, styles, moods: what is there. absent: the instruments of which it is said that they are not there.
        complete: whether these are all; else others may be there that nobody told of.
    """

    key: str | None = None
    tempo: str | None = None
    meter: str | None = None
    vocals: str | None = None
    instruments: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()
    styles: tuple[str, ...] | None = None
    moods: tuple[str, ...] | None = None
    complete: bool = True

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "MusicFacts":
        told = json.loads(text)
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})


def rendered_facts(facts: Facts, writing: Writing | None) -> MusicFacts:
    """Of a rendered clip. Nobody sings in one; where something sounds like a voice, nothing is said of voices."""
    programs = [pretty_midi.instrument_name_to_program(name) for name in facts.instruments if name not in APART]
    names = {NAME_OF_PROGRAM[program] for program in programs if program in NAME_OF_PROGRAM}
    sings = facts.has_voice or any(program in LIKE_VOICES for program in programs)
    style = STYLES.get(facts.style)
    return MusicFacts(
        key=facts.key and key_name(facts.key),
        tempo=tempo_word(facts.tempo_bpm),
        meter=meter_name(facts),
        vocals=None if sings else "instrumental",
        instruments=tuple(sorted(names | ({DRUMS} if facts.has_drums else set()))),
        styles=style and (style,),
        moods=None if writing is None else moods_of(writing),
    )


APART = ("drums", "voice")


def key_name(text: str) -> str:
    """A key by its canonical name: "Db major", "A# major" -> "C# major", "Bb major".

    Raises ValueError for what is no key.
    """
    tonic, _, mode = text.strip().replace("-", "b").partition(" ")
    if tonic.upper() not in TONICS or mode.lower() not in ("major", "minor"):
        raise ValueError(f"{text!r} is no key; allowed are a tonic and major or minor, such as 'F# minor'")
    return f"{TONICS[tonic.upper()]} {mode.lower()}"


def tempo_word(tempo_bpm: float) -> str | None:
    """ "slow", "medium" or "fast"; None so near to a bound between two that it might be either."""
    if any(abs(tempo_bpm / bound - 1.0) < UNSURE for bound in TEMPO_BOUNDS_BPM):
        return None
    return TEMPO_WORDS[tempo_class(tempo_bpm)]


def meter_name(facts: Facts) -> str | None:
    """Such as "7/8"; None where meters change or lie over each other."""
    if facts.polyrhythm is not None or len({span.label for span in facts.meters}) > 1:
        return None
    return f"{facts.meter}/{round(4 / facts.pulse)}"


def moods_of(writing: Writing) -> tuple[str, ...]:
    """Moods by the rules of `linernotes.corpora.affect`, in the words of MTG-Jamendo; the bounds are ours."""
    pleasant, active = valence(writing), arousal(writing)
    signs = {
        "calm": active <= -0.35 and pleasant > -0.35,
        "dark": pleasant <= -0.3 and active > -0.2,
        "energetic": active >= 0.3,
        "happy": pleasant >= 0.35 and active >= -0.1,
        "heavy": writing.distorted >= 0.3,
        "melancholic": vibe(writing) == "melancholic",
        "sad": pleasant <= -0.3 and active <= -0.2,
    }
    return tuple(mood for mood, holds in signs.items() if holds)


# As labels of the heads


def task_labels(facts: MusicFacts, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, list[float]]:
    """For each task of a SonicVerseConfig a number for each of its classes: 1 it holds, 0 it does not, NaN unknown.

    Of recordings that somebody described, what is not named counts as not there. Of a name that holds others
    (strings, of a violin) nothing is known where one of those is there and it is not itself.
    """
    found = {
        "instrument_detection": lambda classes: instrument_labels(facts, classes),
        "mood_detection": lambda classes: named(facts.moods, classes),
        "genre_detection": lambda classes: named(facts.styles, classes),
        "key_detection": lambda classes: one_of(facts.key, classes),
        "vocals_detection": lambda classes: vocals_labels(facts.vocals, classes),
    }
    return {name: found[name](task["classes"]) for name, task in tasks.items()}


def named(names: Sequence[str] | None, classes: Sequence[str]) -> list[float]:
    if names is None:
        return [UNKNOWN] * len(classes)
    there = {squashed(name) for name in names}
    return [float(squashed(each) in there) for each in classes]


def one_of(name: str | None, classes: Sequence[str]) -> list[float]:
    return [UNKNOWN if name is None else float(each == name) for each in classes]


def vocals_labels(vocals: str | None, classes: Sequence[str]) -> list[float]:
    if vocals == "voice":  # somebody sings, nobody knows who
        return [0.0 if each == "instrumental" else UNKNOWN for each in classes]
    return one_of(vocals, classes)


def instrument_labels(facts: MusicFacts, classes: Sequence[str]) -> list[float]:
    sung = UNKNOWN if facts.vocals is None else float(facts.vocals != "instrumental")
    if facts.instruments is None:
        return [sung if each == "voice" else UNKNOWN for each in classes]
    there = {squashed(name) for name in facts.instruments}
    holders = {squashed(name) for name, held in KINDS.items() if there & {squashed(each) for each in held}}

    def label(name: str) -> float:
        if name == "voice":
            return sung
        return 1.0 if squashed(name) in there else UNKNOWN if squashed(name) in holders else 0.0

    return [label(each) for each in classes]
