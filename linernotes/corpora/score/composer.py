"""Plays a plan: every seat's notes, put into time, and the facts of it."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import pretty_midi

from linernotes.corpora.score.band import Seat
from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.plans import Plan
from linernotes.corpora.score.players import PLAYERS
from linernotes.corpora.score.programs import fold
from linernotes.corpora.score.score import VOICE_PROGRAMS, Facts, Score, Span, identity_of
from linernotes.corpora.score.take import Note, Take

TICKS_A_QUARTER = 480
SHORTEST_SECONDS = 0.04
HELD_SECONDS, HELD_LEGATO = 0.5, 0.85  # what began before the clip is heard if it is held, and for that much longer
STROKE_SECONDS = 0.12  # drums ring by themselves
FLAT = 0.5  # the accent of whoever plays none
ALONE_PARTS = ("bass", "lead", "voice")  # one note at a time
BEND_STEPS, BEND_SECONDS, SEMITONE = 6, 0.12, 4096  # General MIDI bends by two semitones at most
BEND_ODDS, BENT_SECONDS = 0.4, 0.25  # notes shorter than that are left alone

Sounding = tuple[float, float, int, int]  # start and end in seconds, pitch, velocity


def compose(plan: Plan) -> Score:
    """The score of a plan: a pure function of it. The clip lasts `plan.seconds` exactly, and may end within a bar."""
    take = Take(plan)
    midi = _empty_midi(take)
    heard: dict[str, list[Sounding]] = {}
    for number, seat in enumerate(plan.seats):
        heard.setdefault(seat.part, []).extend(_perform(take, seat, Dice(plan.seed, f"seat {number}")))
    seats = {seat.part: seat for seat in reversed(plan.seats)}
    for part, notes in heard.items():
        notes = _apart(notes, alone=part in ALONE_PARTS)
        if notes:
            midi.instruments.append(_instrument(seats[part], notes, take.dice.of(f"bends of {part}")))
    midi.instruments.sort(key=lambda instrument: instrument.notes[0].start)
    return Score(midi, _facts(take, midi))


def _empty_midi(take: Take) -> pretty_midi.PrettyMIDI:
    plan = take.plan
    midi = pretty_midi.PrettyMIDI(resolution=TICKS_A_QUARTER, initial_tempo=plan.quarter_bpm)
    signed = None
    for i, bar in enumerate(take.bars):
        signature = bar.meter.numerator, bar.meter.denominator
        if signature != signed or i == 1:  # the first bar may be broken
            time = max(_seconds(plan, bar.start), 0.0)
            midi.time_signature_changes.append(pretty_midi.TimeSignature(*signature, time))
        signed = signature
    midi.text_events.append(pretty_midi.Text("end", plan.seconds))
    return midi


def _seconds(plan: Plan, quarters: float) -> float:
    """From the start of the clip."""
    return (quarters - plan.start_quarters) * 60.0 / plan.quarter_bpm


def _perform(take: Take, seat: Seat, dice: Dice) -> Iterator[Sounding]:
    """A seat's notes as they sound in the clip: swung, not quite in time, as loud as everything asks for."""
    plan = take.plan
    swing = 1.0 if seat.player == "layer" else plan.swing
    for start, length, pitch, loudness, weight in _written(take, seat, dice):
        begin, end = (_seconds(plan, _swung(at, swing)) for at in (start, start + length))
        end = begin + (STROKE_SECONDS if seat.is_drum else max((end - begin) * seat.legato, SHORTEST_SECONDS))
        lost = begin < 0.0 and (end < HELD_SECONDS or seat.legato < HELD_LEGATO or seat.is_drum)
        if lost or begin > plan.seconds - 2 * SHORTEST_SECONDS:
            continue
        late = (dice.random() + dice.random() - 1.0) * plan.looseness_seconds
        accent = 1.0 - plan.accent * (1.0 - (weight if seat.accented else FLAT))
        swell = 1.0 + plan.swell * (begin / plan.seconds - 0.5)
        velocity = 127.0 * seat.loudness * loudness * accent * swell * dice.between(0.95, 1.05)
        if not seat.is_drum:
            pitch = fold(pitch, seat.low, seat.high)
        yield max(begin + late, 0.0), min(end, plan.seconds), pitch, min(max(round(velocity), 1), 127)


def _swung(quarters: float, swing: float) -> float:
    """Where a straight position falls in swing: the off-beat eighth comes late, the beats stay."""
    if swing == 1.0:
        return quarters
    beat, fraction = divmod(quarters, 1.0)
    late = swing / (1.0 + swing)
    return beat + (2.0 * late * fraction if fraction < 0.5 else late + (2.0 * fraction - 1.0) * (1.0 - late))


def _written(take: Take, seat: Seat, dice: Dice) -> Iterator[Note]:
    """What the seat's player reads, and the hits of the sections in which everybody plays together."""
    bars = [bar for bar in take.bars if bar.section.name not in seat.rests]
    for feel, player in (("band", seat.player), ("hits", "hits")):
        if chosen := [bar for bar in bars if bar.section.feel == feel]:
            yield from PLAYERS[player](take, seat, dice, chosen)


def _apart(notes: list[Sounding], alone: bool) -> list[Sounding]:
    """In order, and none begun while the same pitch (or, `alone`, any) still sounds: what came before ends there."""
    kept: list[Sounding] = []
    latest: dict[int, int] = {}
    for note in sorted(notes):
        string = 0 if alone else note[2]
        if string in latest:
            before = kept[latest[string]]
            if note[0] - before[0] < SHORTEST_SECONDS:
                continue
            kept[latest[string]] = (before[0], min(before[1], note[0]), *before[2:])
        latest[string] = len(kept)
        kept.append(note)
    return kept


def _instrument(seat: Seat, notes: list[Sounding], dice: Dice) -> pretty_midi.Instrument:
    instrument = pretty_midi.Instrument(seat.program, seat.is_drum, seat.part)
    instrument.notes = [pretty_midi.Note(velocity, pitch, start, end) for start, end, pitch, velocity in notes]
    for start, end, _, _ in notes if seat.bends else ():
        if end - start > BENT_SECONDS and dice.chance(BEND_ODDS):
            depth = dice.pick((1, 2)) * SEMITONE
            for i in range(BEND_STEPS + 1):
                value = round(-depth * (1.0 - i / BEND_STEPS))
                instrument.pitch_bends.append(pretty_midi.PitchBend(value, start + i * BEND_SECONDS / BEND_STEPS))
    return instrument


def _facts(take: Take, midi: pretty_midi.PrettyMIDI) -> Facts:
    plan, bars, meter = take.plan, take.bars, take.plan.meters[0]
    beats = [_seconds(plan, bar.start + i * bar.meter.pulse) for bar in bars for i in range(bar.meter.numerator)]
    chords = [
        (_seconds(plan, bar.start + pulse * bar.meter.pulse), chord.name) for bar in bars for pulse, chord in bar.chords
    ]
    return Facts(
        style=plan.style,
        meter=meter.numerator,
        grouping=meter.grouping,
        pulse=meter.pulse,
        tempo_bpm=plan.tempo_bpm,
        swing_ratio=plan.swing,
        key=None if plan.keyless else plan.key.name,
        polyrhythm=plan.polyrhythm.ratio if plan.polyrhythm else None,
        beats=within(beats, plan.seconds),
        downbeats=within((_seconds(plan, bar.start) for bar in bars), plan.seconds),
        meters=spans(((_seconds(plan, bar.start), bar.meter.label) for bar in bars), plan.seconds),
        chords=[] if plan.keyless else spans(chords, plan.seconds),
        sections=spans(((_seconds(plan, bar.start), bar.section.name) for bar in bars), plan.seconds),
        instruments=list(dict.fromkeys(instrument_name(instrument) for instrument in midi.instruments)),
        has_drums=any(instrument.is_drum for instrument in midi.instruments),
        has_voice=any(instrument_name(instrument) == "voice" for instrument in midi.instruments),
        identity=identity_of(midi),
    )


def within(times: Iterable[float], seconds: float) -> list[float]:
    return [max(time, 0.0) for time in times if -1e-9 < time < seconds]


def spans(starts: Iterable[tuple[float, str]], seconds: float) -> list[Span]:
    """Stretches of the same label, each until the next begins; the first is cut to begin at 0."""
    firsts = [next(run) for _, run in groupby(starts, key=lambda start: start[1])]
    ends = [time for time, _ in firsts[1:]] + [seconds]
    cut = ((max(begin, 0.0), min(end, seconds), label) for (begin, label), end in zip(firsts, ends, strict=True))
    return [Span(*span) for span in cut if span[0] < span[1]]


def instrument_name(instrument: pretty_midi.Instrument) -> str:
    if instrument.is_drum:
        return "drums"
    if instrument.program in VOICE_PROGRAMS:
        return "voice"
    return pretty_midi.program_to_instrument_name(instrument.program)
