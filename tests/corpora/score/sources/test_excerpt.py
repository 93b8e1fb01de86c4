"""Clips out of whole pieces: where they may lie, what is heard of the notes, and what is true of them."""

import json
from dataclasses import asdict, replace

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.corpora.score.jitter import jitter
from linernotes.corpora.score.score import Span
from linernotes.corpora.score.sources.excerpt import Bar, ExcerptError, Sheet, excerpt, in_twos, plain_grouping


def bars_of(count, grouping=(2, 2), pulse=1.0, pulse_seconds=0.5, start=0.0):
    size = sum(grouping)
    return tuple(
        Bar(tuple(start + (k * size + i) * pulse_seconds for i in range(size)), grouping, pulse) for k in range(count)
    )


def instrument(notes, program=0, is_drum=False, name="lead"):
    part = pretty_midi.Instrument(program, is_drum, name)
    part.notes = [pretty_midi.Note(80, pitch, start, end) for start, end, pitch in notes]
    return part


def sheet(bars, notes=None, end=None, **more):
    end = bars[-1].start + (bars[1].start - bars[0].start) if end is None else end
    notes = [(t, t + 0.4, 60) for bar in bars for t in bar.pulses] if notes is None else notes
    return Sheet("folk", (instrument(notes),), bars, end, **more)


class Always:
    """Instead of a generator: always the first bar that fits, and that share of the bar."""

    def __init__(self, share=0.0):
        self.share = share

    def integers(self, count):
        return 0

    def uniform(self, low, high):
        return low + self.share * (high - low)


@pytest.mark.parametrize(
    ("signature", "grouping"),
    [
        ((2, 4), (2,)), ((3, 4), (3,)), ((4, 4), (2, 2)), ((5, 4), (2, 3)), ((6, 8), (3, 3)), ((6, 4), (3, 3)),
        ((7, 8), (2, 2, 3)), ((8, 8), (2, 2, 2, 2)), ((9, 8), (3, 3, 3)), ((10, 8), (2,) * 5),
        ((11, 8), (2, 2, 2, 2, 3)),
        ((12, 8), (3,) * 4), ((2, 2), (2,)), ((3, 2), (3,)), ((6, 2), (2, 2, 2)), ((1, 4), (1,)),
    ],
)  # fmt: skip
def test_plain_groupings(signature, grouping):
    assert plain_grouping(*signature) == grouping


@given(st.integers(1, 200), st.sampled_from((1, 2, 4, 8, 16)))
def test_groupings_sum_to_the_numerator(numerator, denominator):
    assert sum(plain_grouping(numerator, denominator)) == sum(in_twos(numerator)) == numerator


def test_a_clip_in_seven():
    bars = bars_of(8, (3, 2, 2), 0.5, 0.25)  # a bar lasts 1.75 s, a quarter half a second
    score = excerpt(sheet(bars, quarter_bpm=120.0), Always(0.5), 6.0)
    facts = score.facts
    assert (facts.meter, facts.grouping, facts.pulse, facts.tempo_bpm) == (7, (3, 2, 2), 0.5, 120.0)
    assert facts.downbeats == pytest.approx([0.875, 2.625, 4.375])  # from the middle of the first bar
    assert np.diff(facts.beats) == pytest.approx(np.full(len(facts.beats) - 1, 0.25))
    assert facts.meters == [Span(0.0, 6.0, "7/8 3+2+2")]
    assert (facts.key, facts.chords, facts.sections, facts.polyrhythm) == (None, [], [], None)
    assert (facts.instruments, facts.has_drums, facts.has_voice) == (["Acoustic Grand Piano"], False, False)
    assert score.duration_seconds == score.midi.get_end_time() == 6.0
    assert [(s.numerator, s.denominator, s.time) for s in score.midi.time_signature_changes] == [
        (7, 8, 0.0),
        (7, 8, pytest.approx(0.875)),
    ]
    assert json.loads(json.dumps(asdict(facts)))["meter"] == 7


@pytest.mark.parametrize(
    ("grouping", "pulse", "felt"),
    [((3, 3), 0.5, 1.5), ((3, 3, 3), 0.5, 1.5), ((3, 3), 0.25, 0.75), ((2, 2, 3), 0.5, 1.0), ((3,), 1.0, 1.0)],
)
def test_the_felt_beat_is_dotted_where_short_pulses_go_in_threes(grouping, pulse, felt):
    bars = bars_of(12, grouping, pulse, 0.2)
    assert excerpt(sheet(bars), Always(), 5.0).facts.tempo_bpm == pytest.approx(60.0 * pulse / 0.2 / felt)


def test_of_rubato_beats_are_as_played_and_the_tempo_is_the_median():
    times = np.cumsum([0.5, 0.45, 0.5, 0.55, 0.5, 0.5, 0.5, 3.0, 0.5, 0.4, 0.5, 0.5, 0.5])  # with a fermata
    bars = tuple(Bar(tuple(times[i : i + 4].tolist()), (2, 2), 1.0) for i in range(0, 12, 4))
    facts = excerpt(sheet(bars, end=float(times[12]), swing_ratio=None), Always(), 8.0).facts
    assert facts.beats == pytest.approx((times[:12] - 0.5)[: len(facts.beats)])
    assert facts.tempo_bpm == pytest.approx(120.0)
    assert facts.swing_ratio is None


def test_of_what_began_before_held_notes_are_heard_and_strokes_are_not():
    bars = bars_of(6)
    notes = [(0.0, 1.2, 60), (0.0, 2.0, 62), (1.1, 1.4, 64), (5.5, 9.0, 65), (5.97, 7.0, 67), (6.5, 7.0, 69)]
    part = instrument(notes)
    drums = instrument([(0.9, 3.0, 36), (1.5, 1.6, 38)], is_drum=True, name="drums")
    score = excerpt(replace(sheet(bars), parts=(part, drums)), Always(0.5), 5.0)  # from 1 s to 6 s
    lead, beaten = score.midi.instruments
    assert [(n.start, n.end, n.pitch) for n in lead.notes] == [
        (0.0, 1.0, 62),
        (pytest.approx(0.1), pytest.approx(0.4), 64),
        (4.5, 5.0, 65),
    ]
    assert [(n.start, n.pitch) for n in beaten.notes] == [(0.5, 38)]
    assert score.facts.instruments == ["Acoustic Grand Piano", "drums"]


def test_pedal_and_wheel_stand_as_they_were_left():
    part = instrument([(t, t + 0.4, 60) for t in np.arange(0.0, 12.0, 0.5)])
    part.control_changes = [pretty_midi.ControlChange(64, value, t) for value, t in ((127, 0.2), (0, 2.5), (127, 9.0))]
    part.pitch_bends = [pretty_midi.PitchBend(value, t) for value, t in ((100, 0.3), (300, 0.9), (500, 3.0))]
    score = excerpt(replace(sheet(bars_of(6)), parts=(part,)), Always(0.5), 5.0)
    cut = score.midi.instruments[0]
    assert [(c.number, c.value, c.time) for c in cut.control_changes] == [(64, 127, 0.0), (64, 0, 1.5)]
    assert [(b.pitch, b.time) for b in cut.pitch_bends] == [(300, 0.0), (500, 2.0)]


def test_meters_that_change_are_spans_and_the_longer_one_is_the_main():
    bars = (*bars_of(2), *bars_of(4, (3,), start=4.0))  # 4 s in 4/4, 6 s in 3/4
    facts = excerpt(sheet(bars, end=10.0), Always(0.25), 8.0).facts
    assert facts.meters == [Span(0.0, 3.5, "4/4 2+2"), Span(3.5, 8.0, "3/4 3")]
    assert (facts.meter, facts.grouping) == (3, (3,))
    assert facts.downbeats == [1.5, 3.5, 5.0, 6.5]


def test_a_key_that_changes_is_none():
    whole = sheet(bars_of(8), keys=((0.0, "C major"), (9.0, "G major")))
    assert excerpt(whole, Always(), 8.0).facts.key == "C major"
    assert excerpt(whole, Always(), 12.0).facts.key is None
    assert excerpt(replace(whole, keys=((0.0, "C major"), (9.0, "C major"))), Always(), 12.0).facts.key == "C major"
    assert excerpt(replace(whole, keys=((1.0, "C major"),)), Always(), 8.0).facts.key is None


def test_chords_have_no_gaps_or_are_not_told():
    whole = sheet(bars_of(8), chords=((0.0, "C"), (2.0, "C"), (3.0, "G7"), (10.0, None)))
    assert excerpt(whole, Always(0.5), 8.0).facts.chords == [Span(0.0, 2.0, "C"), Span(2.0, 8.0, "G7")]
    assert excerpt(whole, Always(0.5), 11.0).facts.chords == []
    assert excerpt(replace(whole, chords=((1.5, "C"),)), Always(0.5), 8.0).facts.chords == []


@given(st.integers(0, 10_000), st.sets(st.integers(0, 19), max_size=3))
def test_clips_lie_within_whole_bars(seed, broken):
    bars = tuple(replace(bar, whole=i not in broken) for i, bar in enumerate(bars_of(20)))
    rng = np.random.default_rng(seed)
    notes = [(bar.start, bar.start + 0.4, 30 + i) for i, bar in enumerate(bars)]  # a pitch for each bar
    try:
        score = excerpt(sheet(bars, notes), rng, 7.0)
    except ExcerptError:
        assert all(broken & set(range(i, i + 4)) for i in range(17))  # even a clip from a downbeat on needs four
        return
    assert not {note.pitch - 30 for note in score.midi.instruments[0].notes} & broken
    assert set(score.facts.downbeats) <= set(score.facts.beats)
    assert 0.0 <= score.facts.downbeats[0] < 2.0


def test_the_first_downbeat_is_anywhere_in_the_first_bar():
    whole = sheet(bars_of(40))
    firsts = [excerpt(whole, np.random.default_rng(seed), 8.0).facts.downbeats[0] for seed in range(200)]
    assert np.histogram(firsts, 4, (0.0, 2.0))[0].min() > 30


def test_the_same_state_gives_the_same_clip():
    whole = sheet(bars_of(40), [(t / 2, t / 2 + 0.3, 40 + t % 40) for t in range(160)])
    one, same, other = (excerpt(whole, np.random.default_rng(seed), 8.0).facts for seed in (1, 1, 2))
    assert one == same
    assert one.identity != other.identity


def test_a_clip_can_be_moved():
    whole = sheet(bars_of(10), keys=((0.0, "C major"),), chords=((0.0, "Caug"),))
    moved = jitter(excerpt(whole, Always(), 8.0), np.random.default_rng(3))
    up = (moved.midi.instruments[0].notes[0].pitch - 60) % 12
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    assert (moved.facts.key, moved.facts.chords[0].label) == (f"{names[up]} major", f"{names[up]}aug")


@pytest.mark.parametrize(("seconds", "bars"), [(30.0, bars_of(8)), (4.0, bars_of(8, (2, 2), 1.0, 0.6))])
def test_too_short_a_piece_and_too_long_a_bar_are_refused(seconds, bars):
    with pytest.raises(ExcerptError, match=rf"no place has {seconds:g} s of whole bars, 2\.5 of them at least.*8 bars"):
        excerpt(sheet(bars), Always(), seconds)


def test_silence_is_refused():
    with pytest.raises(ExcerptError, match=r"nothing is played for 6 s from 0\.0 s"):
        excerpt(sheet(bars_of(8), [(15.0, 15.5, 60)]), Always(), 6.0)
