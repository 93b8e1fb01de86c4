"""A plan of a clip: everything that is decided before a note is written. `draw_plan` draws one in a style."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from linernotes.corpora.score.band import Call, Seat, Section, Style
from linernotes.corpora.score.contrast import DRIVES, GUITAR_STYLES, contrasted, driven
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import Key, parse_key
from linernotes.corpora.score.meters import (
    POLYRHYTHMS,
    Meter,
    Polyrhythm,
    check_meter,
    check_pulse,
    draw_changes,
    draw_meter,
    draw_polyrhythm,
)
from linernotes.corpora.score.programs import PLUCKED, RANGES, SOLOISTS, draw_other, playable
from linernotes.corpora.score.score import VOICE_PROGRAMS
from linernotes.corpora.score.styles import STYLES

SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 120.0
TEMPI_BPM = (30.0, 400.0)
BARS_HEARD = 2.5  # a meter shows by being repeated
FASTEST_PULSES, EIGHTHS_BPM = 230.0, (75.0, 200.0)  # quarters a minute where pulses are quarters, and eighths
SINGERS = ((60, 79), (55, 74), (48, 67), (45, 62))  # soprano, alto, tenor, baritone
LAYER_PROGRAMS, LOW_LAYER, HIGH_LAYER = (*PLUCKED, *SOLOISTS, 0, 4, 9, 10, 32, 38, 80, 112), (36, 53), (67, 91)
HARD_ODDS, HARD_ACCENT, PLAIN_ACCENT = 0.25, (0.12, 0.22), (0.3, 0.65)


@dataclass(frozen=True)
class Plan:
    """What is composed from. Equal plans give equal scores.

    seed: of what the plan leaves open. meters: the meters of the bars, in turn. tempo_bpm: felt beats a minute.
    scale: what tunes are made of. accent: how much softer than a downbeat a place of no weight is, 0 to 1. density,
    syncopation, fills: 0 to 1. swell: how much louder the clip ends than it begins, -1 to 1. looseness_seconds: how
    early or late a note may be. start_quarters: where in the form the clip begins.
    """

    style: str
    seed: int
    seconds: float
    key: Key
    scale: str
    meters: tuple[Meter, ...]
    tempo_bpm: float
    swing: float
    sections: tuple[Section, ...]
    seats: tuple[Seat, ...]
    polyrhythm: Polyrhythm | None
    accent: float
    density: float
    syncopation: float
    fills: float
    swell: float
    looseness_seconds: float
    start_quarters: float

    @property
    def keyless(self) -> bool:
        """Whether the notes show no key: a polyrhythm by itself, single notes of any pitch."""
        alone = self.polyrhythm is not None and self.polyrhythm.alone
        return alone or any(seat.player == "long_notes" for seat in self.seats)

    @cached_property
    def quarter_bpm(self) -> float:
        return self.tempo_bpm * self.meters[0].felt_quarters

    @cached_property
    def home(self) -> frozenset[int]:
        """Pitch classes of the tonic's triad."""
        third = 4 if self.key.mode == "major" else 3
        return frozenset((self.key.tonic + step) % 12 for step in (0, third, 7))

    @property
    def quarters(self) -> float:
        """Length of the clip."""
        return self.seconds * self.quarter_bpm / 60.0


def draw_plan(
    style: str,
    rng: np.random.Generator,
    *,
    seconds: float,
    meter: int | None = None,
    grouping: tuple[int, ...] | None = None,
    pulse: float | None = None,
    polyrhythm: str | None = None,
    drums: bool | None = None,
    voice: bool | None = None,
    tempo_bpm: float | None = None,
    key: str | None = None,
    program: int | None = None,
    from_the_top: bool = False,
    drive: str | None = None,
    contrast: bool = False,
) -> Plan:
    """Draw what is not given: None leaves the choice to the style, but for the polyrhythm: None is none.

    meter: pulses a bar (a key of GROUPINGS); meters change only where it is None. grouping: pulses a group. pulse: 1.0
    (quarters) or 0.5 (eighths). program: a General MIDI program for the style "solo". from_the_top: begin with the
    first bar of the form, not anywhere. drive: "clean" or "distorted" guitars, of the styles that always have some.
    contrast: quiet and loud by turns of a few seconds.
    Takes one number from `rng`. Raises ValueError for what is not known and what a style does not do.
    """
    check_wishes(style, seconds, meter, grouping, polyrhythm, drums, voice, program)
    check_directions(style, polyrhythm, tempo_bpm, pulse, drive, contrast)
    way, dice = STYLES[style], Dice(int(rng.integers(2**62)), "plan")
    meters = _draw_meters(dice, way, seconds, meter, grouping, pulse, polyrhythm)
    tempo = _draw_tempo(dice, way, meters, seconds) if tempo_bpm is None else tempo_bpm
    chosen_key = Key(dice.whole(0, 11), dice.weigh(way.modes)) if key is None else parse_key(key)
    call = Call(meters[0], chosen_key.mode, tempo * meters[0].felt_quarters, program)
    layers = _draw_layers(dice, call, polyrhythm, joined=bool(drums or voice))
    sections, seats, accent = _draw_band(dice, way, call, layers, drums, voice, drive, contrast)
    swings = all(m.pulse == 1.0 for m in meters) and not (layers and layers.alone)
    return Plan(
        style=style,
        seed=dice.whole(0, 2**48),
        seconds=float(seconds),
        key=chosen_key,
        scale=way.scales[chosen_key.mode],
        meters=meters,
        tempo_bpm=tempo,
        sections=sections,
        seats=seats,
        polyrhythm=layers,
        accent=accent,
        **_draw_playing(dice, way, call, sections, swings, from_the_top),
    )


def _draw_band(
    dice: Dice,
    way: Style,
    call: Call,
    layers: Polyrhythm | None,
    drums: bool | None,
    voice: bool | None,
    drive: str | None,
    contrast: bool,
) -> tuple[tuple[Section, ...], tuple[Seat, ...], float]:
    """The sections, who plays in them as is told, and how strongly the meter is accented."""
    sections = _draw_form(dice, way, call, layers)
    seats = _seat(dice, way, call, layers, drums, voice)
    if drive is not None:
        seats = driven(dice.of("drive"), seats, drive)
    if contrast:
        bar_seconds = call.meter.quarters * 60.0 / call.quarter_bpm
        sections, seats = contrasted(dice.of("contrast"), sections, seats, bar_seconds)
    accent, seats = _draw_accents(dice, seats)
    return sections, seats, accent


def _draw_form(dice: Dice, way: Style, call: Call, layers: Polyrhythm | None) -> tuple[Section, ...]:
    """The sections; under a polyrhythm all of the band plays through."""
    sections = way.form(dice, call)
    return tuple(replace(section, feel="band") for section in sections) if layers else sections


def _draw_layers(dice: Dice, call: Call, ratio: str | None, joined: bool) -> Polyrhythm | None:
    if ratio is None:
        return None
    layers = draw_polyrhythm(dice, ratio, call.meter.quarters * 60.0 / call.quarter_bpm)
    return replace(layers, alone=layers.alone and not joined)


def _draw_playing(
    dice: Dice, way: Style, call: Call, sections: tuple[Section, ...], swings: bool, from_the_top: bool
) -> dict[str, float]:
    """How all of it is played, and where in the form the clip begins."""
    form_quarters = sum(section.bars for section in sections) * call.meter.quarters
    return {
        "swing": round(way.swing(dice, call.quarter_bpm), 3) if swings else 1.0,
        "start_quarters": 0.0 if from_the_top else dice.between(0.0, form_quarters),
        "density": dice.between(0.0, 1.0),
        "syncopation": max(dice.between(-0.4, 0.9), 0.0),
        "fills": dice.between(0.0, 1.0),
        "swell": dice.pick((0.0, 0.0, 0.0, 0.25, -0.25)),
        "looseness_seconds": dice.between(*way.looseness_seconds),
    }


def check_wishes(
    style: str,
    seconds: float,
    meter: int | None = None,
    grouping: tuple[int, ...] | None = None,
    polyrhythm: str | None = None,
    drums: bool | None = None,
    voice: bool | None = None,
    program: int | None = None,
) -> None:
    """Raises ValueError for what `draw_plan` cannot be asked for."""
    if style not in STYLES:
        raise ValueError(f"style={style!r} is not known: choose from {', '.join(STYLES)}")
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"seconds={seconds} is no clip: give {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g}")
    if polyrhythm is not None and polyrhythm not in POLYRHYTHMS:
        raise ValueError(f"polyrhythm={polyrhythm!r} is not known: choose from {', '.join(POLYRHYTHMS)}, or None")
    if grouping is not None:
        Meter(grouping)
    if meter is not None or grouping is not None:
        check_meter(sum(grouping) if meter is None else meter, grouping)
    if drums and not STYLES[style].drums_odds:
        raise ValueError(f"{style} has no drums: leave drums out, or choose another style")
    if style == "solo" and (voice or polyrhythm):
        raise ValueError("solo is one instrument: it has neither voice nor polyrhythm; choose another style")
    if program is not None and (style != "solo" or not 0 <= program < 120):
        raise ValueError(f"program={program} with style={style!r}: give 0 to 119, and to the style solo only")


def check_directions(
    style: str,
    polyrhythm: str | None = None,
    tempo_bpm: float | None = None,
    pulse: float | None = None,
    drive: str | None = None,
    contrast: bool | None = None,
) -> None:
    """Raises ValueError for what a band cannot be told besides its style."""
    if tempo_bpm is not None and not TEMPI_BPM[0] <= tempo_bpm <= TEMPI_BPM[1]:
        raise ValueError(f"tempo_bpm={tempo_bpm} is none: give {TEMPI_BPM[0]:g} to {TEMPI_BPM[1]:g}")
    if pulse is not None:
        check_pulse(pulse)
    if drive is not None and drive not in DRIVES:
        raise ValueError(f"drive={drive!r} is not known: choose from {', '.join(DRIVES)}, or None")
    if drive is not None and (style not in GUITAR_STYLES or polyrhythm is not None):
        raise ValueError(f"drive={drive!r} needs guitars: give it to {' or '.join(GUITAR_STYLES)}, without polyrhythm")
    if contrast and (style == "solo" or polyrhythm is not None):
        raise ValueError("contrast needs a band that takes turns: leave out polyrhythm, or choose another style")


def _draw_meters(
    dice: Dice,
    way: Style,
    seconds: float,
    numerator: int | None,
    grouping: tuple | None,
    pulse: float | None,
    ratio: str | None,
) -> tuple[Meter, ...]:
    asked = numerator if numerator is not None else None if grouping is None else sum(grouping)
    if asked is None:
        asked = dice.weigh(way.meters) if ratio is None else dice.pick(POLYRHYTHMS[ratio])
    longest = seconds / BARS_HEARD * min(way.tempo_bpm[1], FASTEST_PULSES) / 60.0
    meter = draw_meter(dice, asked, grouping, longest, way.free_groupings, pulse)
    changing = numerator is None and grouping is None and ratio is None and dice.chance(way.changing_odds)
    return draw_changes(dice, meter) if changing else (meter,)


def _draw_tempo(dice: Dice, way: Style, meters: tuple[Meter, ...], seconds: float) -> float:
    """Within the style's range, but fast enough that some bars are heard, and slow enough that eighths are pulses."""
    low, high = way.tempo_bpm
    if meters[0].pulse == 0.5:
        slowest, fastest = EIGHTHS_BPM
        low, high = max(low, slowest), min(high, fastest)
    cycle = sum(m.quarters for m in meters) / len(meters)
    needed = BARS_HEARD * cycle * 60.0 / seconds
    low = min(max(low, needed), high)
    return round(dice.between(low, max(high, low + 1.0)) / meters[0].felt_quarters, 2)


def _seat(
    dice: Dice, way: Style, call: Call, layers: Polyrhythm | None, drums: bool | None, voice: bool | None
) -> tuple[Seat, ...]:
    """The style's band, less the drums if there are none, with a singer or the layers of a polyrhythm in its front."""
    drums = dice.chance(way.drums_odds) if drums is None else drums
    voice = dice.chance(way.voice_odds) and layers is None if voice is None else voice
    seats = [seat for seat in way.band(dice, call) if drums or not seat.is_drum]
    if layers:
        seats = [seat for seat in seats if seat.part in ("drums", "bass", "marker")]
        if layers.alone:
            seats = []
        seats += _layer_seats(dice, layers)
    if voice:
        # the singer has the tune: who else would play it keeps quiet
        seats = [seat for seat in seats if seat.part != "lead"] + [_singer(dice)]
    return tuple(seats)


def _singer(dice: Dice) -> Seat:
    low, high = dice.pick(SINGERS)
    cells = ("x---", "x-x-", "x-xx", "x-----", "x---x-", "x-x-x-", "x-x---")
    settings = {"manner": "sung", "loudness": dice.between(0.75, 0.95), "legato": 0.97}
    return Seat("voice", dice.pick(VOICE_PROGRAMS), "tune", cells, low, high, **settings)


def _layer_seats(dice: Dice, layers: Polyrhythm) -> list[Seat]:
    """Two timbres of different families, more than an octave apart; either may be the faster."""
    counts = dice.some((layers.many, layers.few), 2)
    high = dice.pick([p for p in LAYER_PROGRAMS if RANGES[p][1] >= HIGH_LAYER[0] + 12])
    low = draw_other(dice, tuple(p for p in LAYER_PROGRAMS if RANGES[p][0] <= LOW_LAYER[1] - 12), high)
    more = {"loudness": dice.between(0.6, 0.9), "legato": 0.6}
    return [
        Seat(f"layer {count}", program, "layer", (), *playable(program, *register), manner=str(count), **more)
        for count, program, register in zip(counts, (low, high), (LOW_LAYER, HIGH_LAYER), strict=True)
    ]


def _draw_accents(dice: Dice, seats: tuple[Seat, ...]) -> tuple[float, tuple[Seat, ...]]:
    """How strongly the meter is accented and by whom; in the hard clips faintly, and by one seat."""
    hard = dice.chance(HARD_ODDS)
    telling = dice.whole(0, len(seats) - 1)
    accented = [i == telling or (not hard and dice.chance(0.75)) for i in range(len(seats))]
    marked = tuple(
        replace(seat, accented=tells or seat.part.startswith("layer"))
        for seat, tells in zip(seats, accented, strict=True)
    )
    return dice.between(*(HARD_ACCENT if hard else PLAIN_ACCENT)), marked
