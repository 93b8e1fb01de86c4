"""The words in which a style gives its instructions: sections, seats and the style itself.

A *cell* is the rhythm of one group of pulses, two characters a pulse: "x..x" is a group of two with a note on the
first pulse and one after the second. `.` is a rest, `-` holds the note before; the other characters are what the player
of the seat makes of them. A seat lists cells for groups of two and three, and may list whole bars: those go first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.meters import Meter
from linernotes.corpora.score.programs import playable


@dataclass(frozen=True)
class Section:
    """A part of the form: `changes` is its progression, repeated; in "hits" everybody plays one rhythm together."""

    name: str
    bars: int
    changes: str
    loudness: float = 1.0
    feel: str = "band"


@dataclass(frozen=True)
class Seat:
    """A player of the band.

    part: his name in the MIDI; seats of one part share its instrument. player: who reads the cells (PLAYERS).
    low, high: the lowest and highest pitch he uses. manner: a word to the player. loudness: 0 to 1.
    legato: how much of a note's length sounds. rests: names of the sections in which he is silent.
    accented: whether he plays the meter's accents, or all pulses alike. bends: whether he bends into long notes.
    """

    part: str
    program: int
    player: str
    cells: tuple[str, ...] = ()
    low: int = 0
    high: int = 127
    manner: str = ""
    loudness: float = 0.7
    legato: float = 0.9
    rests: tuple[str, ...] = ()
    accented: bool = True
    bends: bool = False

    @property
    def is_drum(self) -> bool:
        return self.part == "drums"


def sit(
    dice: Dice, part: str, programs: Sequence[int], player: str, cells: tuple[str, ...], low: int, high: int, **more
) -> Seat:
    """Seat a player with one of these instruments; the register shrinks to what it can play."""
    program = dice.pick(programs)
    low, high = playable(program, low, high)
    more.setdefault("loudness", dice.between(0.5, 0.8))
    return Seat(part, program, player, cells, low, high, **more)


def kit(*cells: str, program: int = 0, **settings) -> Seat:
    """A drummer's hand or foot: see `players.drums` for the letters."""
    return Seat("drums", program, "kit", cells, **settings)


@dataclass(frozen=True)
class Call:
    """What the band is called for: meter, mode of the key, quarters a minute, and the program if one is asked for."""

    meter: Meter
    mode: str
    quarter_bpm: float
    program: int | None = None

    def cells(self, quarters: tuple[str, ...], eighths: tuple[str, ...]) -> tuple[str, ...]:
        """Where eighths are counted, a group of them is one beat, for which other cells are in place."""
        return quarters if self.meter.pulse == 1.0 else eighths


@dataclass(frozen=True)
class Style:
    """A kind of music: odds of meters (pulses a bar) and modes, tempo range in quarters a minute, form and band.

    swing: swing ratio at a tempo. drums_odds, voice_odds: shares of the clips that have them. scales: by mode, what
    tunes are made of. changing_odds: share of the clips whose meter changes. free_groupings: whether 3 and 4 may be
    accented in unusual ways.
    """

    name: str
    tempo_bpm: tuple[float, float]
    meters: dict[int, float]
    modes: dict[str, float]
    form: Callable[[Dice, Call], tuple[Section, ...]]
    band: Callable[[Dice, Call], list[Seat]]
    scales: dict[str, str]
    swing: Callable[[Dice, float], float] = lambda dice, quarter_bpm: 1.0
    drums_odds: float = 1.0
    voice_odds: float = 0.3
    changing_odds: float = 0.0
    free_groupings: bool = False
    looseness_seconds: tuple[float, float] = (0.002, 0.01)
