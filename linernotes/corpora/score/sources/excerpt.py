"""Cuts a clip out of a whole piece, and says what is true of it.

A `Sheet` is a piece in seconds, whether people played it or a score says so. A clip begins anywhere within a bar, so
that nobody learns that music begins on the first beat, and lies within whole bars of a known meter.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pretty_midi

from linernotes.corpora.score.composer import (
    HELD_SECONDS,
    SHORTEST_SECONDS,
    TICKS_A_QUARTER,
    instrument_name,
    spans,
    within,
)
from linernotes.corpora.score.plans import BARS_HEARD
from linernotes.corpora.score.score import Facts, Score, Span, identity_of


class ExcerptError(ValueError):
    """A piece without a place of the wanted length; choose another piece, or a shorter clip."""


@dataclass(frozen=True)
class Bar:
    """A bar: when its pulses come (seconds; the first is its start), pulses a group, and quarter notes a pulse.

    whole: it has the pulses that its signature says, and there is no doubt of them. Clips have whole bars only.
    """

    pulses: tuple[float, ...]
    grouping: tuple[int, ...]
    pulse: float
    whole: bool = True

    @property
    def start(self) -> float:
        return self.pulses[0]

    @property
    def signature(self) -> tuple[int, int]:
        return sum(self.grouping), int(4 / self.pulse)

    @property
    def label(self) -> str:
        """Such as "7/8 2+2+3"."""
        return f"{'/'.join(map(str, self.signature))} {'+'.join(map(str, self.grouping))}"

    @property
    def felt_quarters(self) -> float:
        """Length of the beat that a tempo counts: three pulses where they are short and go in threes only."""
        return 3.0 * self.pulse if self.pulse < 1.0 and set(self.grouping) == {3} else 1.0

    @cached_property
    def accents(self) -> tuple[float, ...]:
        """Of each pulse, 0 to 1: the downbeat, where groups start, the others."""
        firsts = {sum(self.grouping[:i]) for i in range(len(self.grouping))}
        return tuple(1.0 if i == 0 else 0.75 if i in firsts else 0.4 for i in range(len(self.pulses)))


def plain_grouping(numerator: int, denominator: int) -> tuple[int, ...]:
    """How a signature goes if nothing else is said: in threes if it can (6/8, 6/4, 9/8), else in twos."""
    threes = numerator % 3 == 0 and denominator >= 4
    return (3,) * (numerator // 3) if threes or numerator == 3 else in_twos(numerator)


def in_twos(numerator: int) -> tuple[int, ...]:
    """What is left over lengthens the last group: 7 is 2+2+3."""
    if numerator == 1:
        return (1,)
    return (2,) * (numerator // 2 - numerator % 2) + (3,) * (numerator % 2)


@dataclass(frozen=True)
class Sheet:
    """A whole piece in seconds.

    bars: in order and without gaps; the last ends at `end`. keys, chords: from when, and None from where nothing is
    said. quarter_bpm: as the set states it; None: measured. swing_ratio: None where nobody knows, as with people.
    """

    style: str
    parts: tuple[pretty_midi.Instrument, ...]
    bars: tuple[Bar, ...]
    end: float
    keys: tuple[tuple[float, str | None], ...] = ()
    chords: tuple[tuple[float, str | None], ...] = ()
    quarter_bpm: float | None = None
    swing_ratio: float | None = 1.0


def excerpt(sheet: Sheet, rng: np.random.Generator, seconds: float) -> Score:
    """A clip of exactly that length from a random place. Raises ExcerptError where there is none, or only silence."""
    begin = _place(sheet, rng, seconds)
    parts = [cut for part in sheet.parts if (cut := _cut(part, begin, seconds)).notes]
    if not parts:
        raise ExcerptError(f"nothing is played for {seconds:g} s from {begin:.1f} s: draw another place or piece")
    parts.sort(key=lambda part: part.notes[0].start)
    starts = [bar.start for bar in sheet.bars]
    bars = sheet.bars[bisect_right(starts, begin) - 1 : bisect_left(starts, begin + seconds)]
    main = _main(bars, begin, seconds)
    quarter_bpm = sheet.quarter_bpm or _quarter_bpm(bars)
    midi = _empty_midi(bars, begin, seconds, quarter_bpm)
    midi.instruments = parts
    facts = Facts(
        style=sheet.style,
        meter=sum(main.grouping),
        grouping=main.grouping,
        pulse=main.pulse,
        tempo_bpm=quarter_bpm / main.felt_quarters,
        swing_ratio=sheet.swing_ratio,
        key=_key(sheet.keys, begin, seconds),
        polyrhythm=None,
        beats=within((time - begin for bar in bars for time in bar.pulses), seconds),
        downbeats=within((bar.start - begin for bar in bars), seconds),
        meters=spans(((bar.start - begin, bar.label) for bar in bars), seconds),
        chords=_chords(sheet.chords, begin, seconds),
        sections=[],
        instruments=list(dict.fromkeys(map(instrument_name, parts))),
        has_drums=any(part.is_drum for part in parts),
        has_voice=any(instrument_name(part) == "voice" for part in parts),
        identity=identity_of(midi),
    )
    return Score(midi, facts)


def _place(sheet: Sheet, rng: np.random.Generator, seconds: float) -> float:
    """Anywhere within a bar from which whole bars go on for long enough, and so short that the meter is heard."""
    edges = [bar.start for bar in sheet.bars] + [sheet.end]
    ends = list(edges[1:])  # of the run of whole bars that each bar is in
    for i in reversed(range(len(sheet.bars) - 1)):
        if sheet.bars[i].whole and sheet.bars[i + 1].whole:
            ends[i] = ends[i + 1]
    fitting = [
        i
        for i, bar in enumerate(sheet.bars)
        if bar.whole and ends[i] - edges[i] >= seconds >= BARS_HEARD * (edges[i + 1] - edges[i])
    ]
    if not fitting:
        raise ExcerptError(
            f"no place has {seconds:g} s of whole bars, {BARS_HEARD:g} of them at least: "
            f"choose another piece, or another length ({len(sheet.bars)} bars in {sheet.end:.1f} s)"
        )
    chosen = fitting[rng.integers(len(fitting))]
    latest = min(edges[chosen + 1], ends[chosen] - seconds)
    return float(rng.uniform(edges[chosen], max(latest, edges[chosen])))


def _cut(part: pretty_midi.Instrument, begin: float, seconds: float) -> pretty_midi.Instrument:
    """What is heard of a part. What began before is heard if it is held for long, and so are pedal and pitch wheel."""
    cut = pretty_midi.Instrument(part.program, part.is_drum, part.name)
    for note in part.notes:
        start, end = note.start - begin, min(note.end - begin, seconds)
        lost = start < 0.0 and (end < HELD_SECONDS or part.is_drum)
        if not lost and start <= seconds - 2 * SHORTEST_SECONDS:
            cut.notes.append(pretty_midi.Note(note.velocity, note.pitch, max(start, 0.0), end))
    cut.notes.sort(key=lambda note: (note.start, note.pitch))
    cut.pitch_bends = [
        pretty_midi.PitchBend(bend.pitch, time) for bend, time in _moves(part.pitch_bends, begin, seconds)
    ]
    for number in sorted({change.number for change in part.control_changes}):
        changes = [change for change in part.control_changes if change.number == number]
        cut.control_changes += [
            pretty_midi.ControlChange(number, change.value, time) for change, time in _moves(changes, begin, seconds)
        ]
    return cut


def _moves(events: Iterable, begin: float, seconds: float) -> list[tuple]:
    """The events of the clip and their times; the last one before it stands at its start."""
    events = sorted(events, key=lambda event: event.time)
    first = max(bisect_right([event.time for event in events], begin) - 1, 0)
    return [(event, max(event.time - begin, 0.0)) for event in events[first:] if event.time < begin + seconds]


def _main(bars: Sequence[Bar], begin: float, seconds: float) -> Bar:
    """The bar whose meter is there for the longest time."""
    edges = [max(bar.start - begin, 0.0) for bar in bars] + [seconds]
    heard: Counter[str] = Counter()
    for bar, start, end in zip(bars, edges, edges[1:], strict=False):
        heard[bar.label] += end - start
    label = heard.most_common(1)[0][0]
    return next(bar for bar in bars if bar.label == label)


def _quarter_bpm(bars: Sequence[Bar]) -> float:
    """By the median pulse: a fermata is none of the tempo."""
    quarters = [(b - a) / bar.pulse for bar in bars for a, b in pairwise(bar.pulses)]
    quarters += [(after.start - bar.pulses[-1]) / bar.pulse for bar, after in pairwise(bars)]
    return 60.0 / float(np.median(quarters))


def _empty_midi(bars: Sequence[Bar], begin: float, seconds: float, quarter_bpm: float) -> pretty_midi.PrettyMIDI:
    midi = pretty_midi.PrettyMIDI(resolution=TICKS_A_QUARTER, initial_tempo=quarter_bpm)
    signed = None
    for i, bar in enumerate(bars):
        if bar.signature != signed or i == 1:  # the first bar may be broken
            time = max(bar.start - begin, 0.0)
            midi.time_signature_changes.append(pretty_midi.TimeSignature(*bar.signature, time))
        signed = bar.signature
    midi.text_events.append(pretty_midi.Text("end", seconds))
    return midi


def _key(keys: Sequence[tuple[float, str | None]], begin: float, seconds: float) -> str | None:
    """The key, if it stays the same for the clip."""
    starts = [start for start, _ in keys]
    heard = keys[max(bisect_right(starts, begin) - 1, 0) : bisect_left(starts, begin + seconds)]
    names = {name for _, name in heard}
    return names.pop() if len(names) == 1 and heard[0][0] <= begin else None


def _chords(chords: Sequence[tuple[float, str | None]], begin: float, seconds: float) -> list[Span]:
    """The chords, if the set says them from beginning to end: facts have no gaps."""
    starts = [start for start, _ in chords]
    first = bisect_right(starts, begin) - 1
    heard = chords[max(first, 0) : bisect_left(starts, begin + seconds)]
    if first < 0 or any(label is None for _, label in heard):
        return []
    return spans(((start - begin, label) for start, label in heard), seconds)
