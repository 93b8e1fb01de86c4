"""What makes a style, measured on the notes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from linernotes.corpora.score import draw_plan
from linernotes.corpora.score.harmony import NAMES, QUALITIES
from linernotes.corpora.score.programs import FAMILIES, RANGES
from linernotes.corpora.score.styles import STYLES

KICK, SNARES, CLAP, RIDE, CLOSED_HAT = 36, (38, 40), 39, 51, 42
MAJOR_KEY = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)  # Krumhansl and Kessler 1982
MINOR_KEY = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def tones_of(label):
    """Pitch classes of a chord's name, root first."""
    name = label[:2] if label[1:2] in ("#", "b") else label[:1]
    root = NAMES.index(name)
    return [(root + step) % 12 for step in QUALITIES[label[len(name) :]]]


def chord_at(score, seconds):
    return next(span.label for span in reversed(score.facts.chords) if span.start_seconds <= seconds + 0.015)


def heard_key(score):
    """The key whose profile the pitch classes, by how long they sound, correlate with most (Krumhansl)."""
    sounding = np.zeros(12)
    for instrument in score.midi.instruments:
        for note in [] if instrument.is_drum else instrument.notes:
            sounding[note.pitch % 12] += note.end - note.start
    profiles = {
        f"{NAMES[t]} {m}": np.roll(p, t) for t in range(12) for m, p in (("major", MAJOR_KEY), ("minor", MINOR_KEY))
    }
    return max(profiles, key=lambda key: np.corrcoef(profiles[key], sounding)[0, 1])


def tonic_of(score):
    return NAMES.index(score.facts.key.split()[0])


def downbeat_roots(score, notes):
    """For each whole bar the pitch class of the lowest note on its downbeat, in semitones above the tonic."""
    roots = []
    for downbeat in score.facts.downbeats:
        struck = [note.pitch for note in notes if abs(note.start - downbeat) < 0.03]
        roots.append((min(struck) - tonic_of(score)) % 12 if struck else None)
    return roots


# --- all styles: their number, their keys, their tempo, their singers


@pytest.mark.parametrize("style", STYLES)
def test_two_hundred_plans_are_two_hundred_pieces(style, clip):
    scores = [clip(style, seed, 10.0) for seed in range(200)]
    assert len({score.facts.identity for score in scores}) == 200
    plans = [draw_plan(style, np.random.default_rng(seed), seconds=10.0) for seed in range(200)]
    coarse = Counter(
        (
            plan.key.name,
            round(np.log2(plan.quarter_bpm) * 4),
            plan.sections[0].changes,
            plan.meters,
            tuple((seat.part, seat.program // 8, seat.player) for seat in plan.seats),
        )
        for plan in plans
    )
    assert len(coarse) > 190
    assert len({plan.key for plan in plans}) == 24
    assert len({tuple(seat.program for seat in plan.seats) for plan in plans}) > 60


@pytest.mark.parametrize(
    ("style", "share"),
    [("jazz", 0.55), ("blues", 0.75), ("rock", 0.75), ("pop", 0.75), ("classical", 0.75), ("math rock", 0.7),
     ("neutral", 0.55), ("solo", 0.8)],
)  # fmt: skip
def test_keys_are_heard(style, share, clip):
    scores = [score for score in (clip(style, seed) for seed in range(60)) if score.facts.key]
    heard = [heard_key(score) == score.facts.key for score in scores]
    assert np.mean(heard) >= share


@pytest.mark.parametrize(("style", "drum"), [("pop", KICK), ("rock", CLOSED_HAT), ("jazz", RIDE)])
def test_tempo_is_that_of_the_strokes(style, drum, clip, strokes):
    measured = 0
    for seed in range(20):
        score = clip(style, seed, meter=4)
        gaps = np.diff(strokes(score, drum))
        if len(gaps) < 8:
            continue
        measured += 1
        beat = 60.0 / score.facts.tempo_bpm
        whole = gaps[gaps > 0.7 * beat] if style == "jazz" else gaps
        per_beat = max(round(beat / np.median(whole)), 1)
        assert np.median(whole) * per_beat == pytest.approx(beat, rel=0.03)
    assert measured > 8


@pytest.mark.parametrize("style", [style for style in STYLES if style != "solo"])
def test_singers_sing_one_note_at_a_time_within_their_voice(style, clip, part):
    registers = ((60, 79), (55, 74), (48, 67), (45, 62))
    for seed in range(12):
        notes = part(clip(style, seed, voice=True), "voice")
        assert all(one.end <= other.start for one, other in pairwise(notes))
        low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
        assert any(bottom <= low and high <= top for bottom, top in registers)
        leaps = [abs(one.pitch - other.pitch) for one, other in pairwise(notes)]
        assert np.mean(leaps) < 4.5
        assert max(leaps, default=0) <= 12


# --- jazz


def jazz_clips(clip, count=24, **asked):
    return [clip("jazz", seed, 25.0, drums=True, **asked) for seed in range(count)]


def test_swing_is_the_ratio_of_the_eighths_on_the_ride(clip, strokes):
    for score in jazz_clips(clip, meter=4):
        beat = 60.0 / score.facts.tempo_bpm
        places = ((strokes(score, RIDE) - score.facts.beats[0]) / beat) % 1.0
        off = places[(places > 0.3) & (places < 0.85)]
        ratio = np.mean(off) / (1.0 - np.mean(off))
        assert len(off) > 5
        assert ratio == pytest.approx(score.facts.swing_ratio, rel=0.06)


def test_swing_straightens_with_the_tempo(clip):
    facts = [score.facts for score in jazz_clips(clip, 60)]
    slow = [f.swing_ratio for f in facts if f.tempo_bpm < 130 and f.pulse == 1.0]
    fast = [f.swing_ratio for f in facts if f.tempo_bpm > 200 and f.pulse == 1.0]
    assert min(slow) > 1.8 > 1.7 > max(fast) >= 1.1


@pytest.mark.parametrize("meter", [3, 4, 5])
def test_a_walking_bass_has_a_note_a_beat_and_chord_tones_on_the_strong_ones(meter, clip, part, pulse_of):
    walked = 0
    for score in jazz_clips(clip, meter=meter):
        notes = part(score, "bass")
        if len(notes) < 0.95 * len(score.facts.beats) or score.facts.pulse == 0.5:
            continue  # half-time bass, or eighths
        walked += 1
        assert len(notes) == pytest.approx(len(score.facts.beats), abs=2)
        starts = np.cumsum((0, *score.facts.grouping[:-1]))
        strong = [note for note in notes if pulse_of(score, note.start)[1] in starts]
        on_chord = [note.pitch % 12 in tones_of(chord_at(score, note.start)) for note in strong]
        assert np.mean(on_chord) > 0.99
        assert np.mean([abs(a.pitch - b.pitch) <= 7 for a, b in pairwise(notes)]) > 0.8
    assert walked > (3 if meter == 5 else 12)


def test_two_five_one_is_in_the_roots_of_the_bass(clip, part):
    found = 0
    for score in jazz_clips(clip, from_the_top=True):
        entries = [span.start_seconds for span in score.facts.chords]
        notes = part(score, "bass")
        roots = [next((n.pitch % 12 for n in notes if abs(n.start - t) < 0.03), None) for t in entries]
        named = [tones_of(span.label)[0] for span in score.facts.chords]
        assert np.mean([heard == root for heard, root in zip(roots, named, strict=True)]) > 0.9
        degrees = [None if root is None else (root - tonic_of(score)) % 12 for root in roots]
        found += any(degrees[i : i + 3] == [2, 7, 0] for i in range(len(degrees)))
    assert found >= 18


def test_jazz_chords_have_sevenths_and_ninths(clip, part):
    sizes = []
    for score in jazz_clips(clip):
        starts = Counter(round(note.start * 20) for note in part(score, "chords"))
        sizes.append(np.median(list(starts.values())))
        assert all(any(c.isdigit() for c in span.label) for span in score.facts.chords)
    assert np.mean(np.array(sizes) >= 3) > 0.9


def test_the_ride_keeps_the_beat_and_the_pedal_two_and_four(clip, strokes, pulse_of):
    for score in jazz_clips(clip, meter=4):
        beats = np.array(score.facts.beats)
        ridden = np.abs(strokes(score, RIDE)[:, None] - beats).min(axis=0) < 0.02
        assert ridden[1:-1].all()
        assert {pulse_of(score, time)[1] for time in strokes(score, 44)} == {1, 3}


# --- blues


BLUES_ROOTS = {
    (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7), (0, 5, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7), (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 0),
    (0, 5, 0, 0, 5, 5, 0, 0, 7, 5, 0, 0), (0, 5, 0, 0, 5, 5, 0, 0, 8, 7, 0, 7),
}  # fmt: skip


def test_twelve_bars_change_where_they_should(clip, part):
    forms = set()
    for seed in range(30):
        score = clip("blues", seed, 60.0, meter=4, from_the_top=True)
        roots = downbeat_roots(score, part(score, "bass"))
        assert tuple(roots[:12]) in BLUES_ROOTS
        assert roots[12] == 0
        forms.add(tuple(roots[:12]))
    assert len(forms) >= 4


def test_the_shuffle_is_as_stated(clip, strokes):
    measured = 0
    for seed in range(30):
        score = clip("blues", seed, drums=True, meter=4)
        beat = 60.0 / score.facts.tempo_bpm
        places = ((strokes(score, CLOSED_HAT, RIDE) - score.facts.beats[0]) / beat) % 1.0
        off = places[(places > 0.3) & (places < 0.85)]
        assert 1.5 < score.facts.swing_ratio < 2.4
        if len(off) > 8:
            measured += 1
            assert np.mean(off) / (1.0 - np.mean(off)) == pytest.approx(score.facts.swing_ratio, rel=0.06)
    assert measured > 20


def test_bends_rise_to_the_note_and_end_on_it(clip):
    bent = 0
    for seed in range(20):
        score = clip("blues", seed, voice=False)
        for instrument in score.midi.instruments:
            bends = instrument.pitch_bends
            bent += len(bends) > 0
            assert instrument.name == "lead" or not bends
            starts = [bend.time for bend in bends[::7]]
            assert {bend.pitch for bend in bends[::7]} <= {-4096, -8192}
            assert starts == [note.start for note in instrument.notes if note.start in starts]
            assert all(one.pitch < other.pitch for one, other in pairwise(bends) if one.pitch)
            assert all(bend.pitch == 0 for bend in bends[6::7])
            assert all(bend.time <= 20.0 for bend in bends)
    assert bent > 14


def test_blue_notes_are_played(clip, part):
    for mode in ("major", "minor"):
        played = Counter()
        for seed in range(20):
            score = clip("blues", seed, key=f"C {mode}", voice=False)
            played.update(note.pitch % 12 for note in part(score, "lead"))
        total = sum(played.values())
        assert played[3] / total > 0.08  # the minor third, also over major chords
        assert played[10] / total > 0.08
        assert played[6] / total > 0.02


# --- rock


def rock_clips(clip, count=24, **asked):
    return [clip("rock", seed, meter=4, drums=True, **asked) for seed in range(count)]


def test_the_backbeat_is_on_two_and_four(clip, strokes, pulse_of):
    for score in rock_clips(clip):
        hits = [pulse_of(score, time) for time in strokes(score, *SNARES)]
        on_beats = Counter(pulse for _, pulse, late in hits if abs(late) < 0.03)
        assert on_beats[1] + on_beats[3] > 0.8 * sum(on_beats.values())
        kicks = Counter(pulse_of(score, time)[1] for time in strokes(score, KICK))
        bars = len(score.facts.downbeats)
        assert kicks[0] >= bars - 2
        assert on_beats[1] >= bars - 3


def test_rock_guitars_are_distorted_and_play_power_chords(clip, part):
    for score in rock_clips(clip):
        (guitar,) = [i for i in score.midi.instruments if i.name == "guitar"]
        assert guitar.program in (29, 30)
        struck = {}
        for note in guitar.notes:
            struck.setdefault(round(note.start * 12), []).append(note.pitch)
        shapes = Counter(tuple(np.diff(sorted(pitches))) for pitches in struck.values() if len(pitches) == 3)
        assert shapes.most_common(1)[0][0] == (7, 5)


def test_most_rock_basses_run_in_eighths(clip, part):
    eighths = []
    for score in rock_clips(clip):
        gaps = np.diff([note.start for note in part(score, "bass")]) * score.facts.tempo_bpm / 60.0
        eighths.append(np.median(gaps) == pytest.approx(0.5, abs=0.1))
    assert np.mean(eighths) > 0.4


# --- pop


def test_the_kick_is_on_every_beat(clip, strokes):
    for seed in range(24):
        score = clip("pop", seed, meter=4, drums=True)
        beats, kicks = np.array(score.facts.beats), strokes(score, KICK)
        struck = np.abs(kicks[:, None] - beats).min(axis=0) < 0.01
        assert struck[:-1].all()
        assert np.abs(kicks[:, None] - beats).min(axis=1).max() < 0.01


def test_pop_loops_four_chords(clip, part):
    for seed in range(20):
        score = clip("pop", seed, 40.0, meter=4, from_the_top=True)
        labels = [span.label for span in score.facts.chords]
        period = next(p for p in (3, 4) if labels[:p] == labels[p : 2 * p])
        assert len(set(labels[:period])) >= 3


def test_pop_choruses_are_fuller_than_verses(clip):
    fuller = []
    for seed in range(20):
        score = clip("pop", seed, 60.0, meter=4, tempo_bpm=120.0, from_the_top=True, drums=True)
        notes = [note.start for i in score.midi.instruments for note in i.notes]
        rate = {}
        for span in score.facts.sections[:3]:
            inside = [start for start in notes if span.start_seconds <= start < span.end_seconds]
            rate[span.label] = len(inside) / (span.end_seconds - span.start_seconds)
        fuller.append(rate["chorus"] / rate["verse"])
    assert np.mean(fuller) > 1.2
    assert np.mean(np.array(fuller) > 1.05) > 0.8


def test_pop_is_played_on_synthesisers(clip):
    for seed in range(20):
        programs = {i.program for i in clip("pop", seed).midi.instruments if not i.is_drum}
        assert programs & {38, 39, *range(80, 96)}


# --- classical


def test_classical_has_neither_drums_nor_amplifiers(clip):
    for seed in range(60):
        score = clip("classical", seed)
        assert not score.facts.has_drums
        assert not {i.program for i in score.midi.instruments} & {*range(26, 40), *range(80, 104)}


def test_chorales_are_led_in_four_voices(clip, part):
    found = 0
    for seed in range(60):
        score = clip("classical", seed, voice=False)
        voices = [part(score, name) for name in ("soprano", "alto", "tenor", "bass")]
        if not all(voices):
            continue
        found += 1
        means = [np.mean([note.pitch for note in voice]) for voice in voices]
        assert means == sorted(means, reverse=True)
        inner = [abs(a.pitch - b.pitch) for voice in voices[1:3] for a, b in pairwise(voice)]
        assert np.mean(inner) < 3.0
        on_chord = [n.pitch % 12 in tones_of(chord_at(score, n.start)) for voice in voices[1:] for n in voice]
        assert np.mean(on_chord) > 0.95
    assert found >= 6


def test_alberti_basses_break_the_chord(clip, part):
    found = 0
    for seed in range(60):
        score = clip("classical", seed, voice=False)
        hand = part(score, "left hand")
        if hand:
            found += 1
            assert np.mean([n.pitch % 12 in tones_of(chord_at(score, n.start)) for n in hand]) > 0.97
            assert len(hand) > 1.2 * len(part(score, "lead")) or len(hand) > 20
            assert np.mean([n.pitch for n in hand]) < np.mean([n.pitch for n in part(score, "lead")]) - 7
    assert found >= 6


# --- math rock


def test_math_rock_is_odd_and_changes_meters(clip):
    facts = [clip("math rock", seed).facts for seed in range(80)]
    assert np.mean([f.meter in (5, 7, 9, 11) for f in facts]) > 0.6
    changing = [f for f in facts if len(f.meters) > 1]
    assert 0.15 < len(changing) / len(facts) < 0.6
    for f in changing:
        written = {int(span.label.split("/")[0]) for span in f.meters}
        gaps = np.diff([0.0, *f.downbeats])[1:]
        pulse = np.diff(f.beats).min()
        assert {round(gap / pulse) for gap in gaps} <= written
        assert len(written) == 2


def test_tapping_is_on_clean_guitars_and_leaps(clip):
    leaps = []
    for seed in range(30):
        score = clip("math rock", seed)
        (tapping,) = [i for i in score.midi.instruments if i.name == "tapping"]
        assert tapping.program in (26, 27, 28)
        leaps.append(np.mean([abs(a.pitch - b.pitch) for a, b in pairwise(tapping.notes)]))
    assert np.mean(leaps) > 5.0


def test_in_unisons_everybody_stops_and_starts_together(clip):
    found = 0
    for seed in range(60):
        score = clip("math rock", seed, 40.0, voice=False)
        for span in [span for span in score.facts.sections if span.label == "unison"]:
            inside = [
                {
                    round(n.start / 0.05)
                    for n in i.notes
                    if span.start_seconds + 0.05 < n.start < span.end_seconds - 0.05
                }
                for i in score.midi.instruments
            ]
            everybody = set.union(*inside)
            if not everybody:
                continue
            found += 1
            near = [len({t + d for t in one for d in (-1, 0, 1)} & everybody) / len(everybody) for one in inside]
            assert min(near) == 1.0
            whole_pulses = (span.end_seconds - span.start_seconds) / np.diff(score.facts.beats).min()
            assert len(everybody) < 1.2 * whole_pulses
    assert found > 10


# --- solo


def test_solos_are_of_one_instrument_of_any_family(clip):
    scores = [clip("solo", seed, 10.0) for seed in range(200)]
    assert all(len(score.midi.instruments) == 1 for score in scores)
    families = Counter(score.midi.instruments[0].program // 8 for score in scores)
    assert set(families) == set(range(len(FAMILIES)))
    assert not any(score.facts.has_voice or score.facts.has_drums for score in scores)
    reach = [np.ptp([n.pitch for n in s.midi.instruments[0].notes]) for s in scores if s.facts.key is None]
    assert np.median(reach) > 12


@pytest.mark.parametrize("program", [0, 40, 53, 73, 105])
def test_a_solo_is_of_the_program_asked_for(program, clip):
    score = clip("solo", 1, program=program)
    (instrument,) = score.midi.instruments
    low, high = RANGES[program]
    assert instrument.program == program
    assert all(low <= note.pitch <= high for note in instrument.notes)
    assert score.facts.has_voice == (program == 53)


def test_single_notes_stand_apart_and_runs_go_by_step(clip):
    for seed in range(60):
        score = clip("solo", seed)
        notes = score.midi.instruments[0].notes
        moves = {abs(one.pitch - other.pitch) for one, other in pairwise(notes)}
        if score.facts.key is None:
            assert all(one.end < other.start + 0.005 for one, other in pairwise(notes))
        else:
            assert max(moves) <= 5
            assert 0 not in moves
