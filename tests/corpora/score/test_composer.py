from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora.score import compose, draw_plan
from linernotes.corpora.score.harmony import NAMES
from linernotes.corpora.score.meters import GROUPINGS
from linernotes.corpora.score.programs import RANGES
from linernotes.corpora.score.score import identity_of
from linernotes.corpora.score.styles import STYLES
from linernotes.corpora.score.take import read

SEEDS = st.integers(0, 2**32)
STYLE_NAMES = st.sampled_from(sorted(STYLES))
METERS = st.sampled_from([None, *GROUPINGS])
HARD = settings(max_examples=120)


def plan_of(style, seed, seconds=10.0, **asked):
    return draw_plan(style, np.random.default_rng(seed), seconds=seconds, **asked)


def midi_bytes(score):
    file = BytesIO()
    score.midi.write(file)
    return file.getvalue()


# --- same seed, same clip


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_bytes(style):
    one, other = (compose(plan_of(style, 7)) for _ in range(2))
    assert plan_of(style, 7) == plan_of(style, 7)
    assert midi_bytes(one) == midi_bytes(other)
    assert one.facts == other.facts
    assert one.facts != compose(plan_of(style, 8)).facts


def test_a_plan_takes_one_number_from_the_generator():
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    draw_plan("pop", rng, seconds=10.0)
    draw_plan("jazz", other, seconds=30.0, meter=5)
    assert rng.integers(2**32) == other.integers(2**32)


@pytest.mark.parametrize("style", ["jazz", "rock", "pop", "math rock"])
def test_nobody_plays_otherwise_for_who_else_plays(style, part):
    plan = plan_of(style, 2)
    kept, leaving = plan.seats[:-1], plan.seats[-1].part
    with_all, without = compose(plan), compose(replace(plan, seats=kept))
    for name in {seat.part for seat in kept} - {leaving}:
        assert str(part(with_all, name)) == str(part(without, name))


# --- what is true of every score


@HARD
@given(STYLE_NAMES, SEEDS, st.floats(5.0, 60.0), METERS)
def test_every_note_can_be_played_and_heard(style, seed, seconds, meter):
    score = compose(plan_of(style, seed, seconds, meter=meter))
    assert score.midi.instruments
    for instrument in score.midi.instruments:
        assert instrument.notes
        low, high = (27, 87) if instrument.is_drum else RANGES[instrument.program]
        for note in instrument.notes:
            assert 0.0 <= note.start < note.end <= seconds
            assert note.end - note.start > 0.02
            assert 1 <= note.velocity <= 127
            assert low <= note.pitch <= high
        for pitch in {note.pitch for note in instrument.notes}:  # a string is not plucked while it sounds
            same = [note for note in instrument.notes if note.pitch == pitch]
            assert all(one.end <= other.start for one, other in pairwise(same))


@HARD
@given(STYLE_NAMES, SEEDS, st.floats(5.0, 60.0), METERS)
def test_the_bars_fill_the_clip(style, seed, seconds, meter):
    plan = plan_of(style, seed, seconds, meter=meter)
    score = compose(plan)
    facts, quarter = score.facts, 60.0 / plan.quarter_bpm
    assert score.midi.get_end_time() == score.duration_seconds == seconds
    for spans in (facts.meters, facts.sections, facts.chords):
        if spans:
            assert (spans[0].start_seconds, spans[-1].end_seconds) == (0.0, seconds)
        assert all(one.end_seconds == pytest.approx(other.start_seconds) for one, other in pairwise(spans))
        assert all(one.label != other.label for one, other in pairwise(spans))
    edges = [0.0, *facts.downbeats, seconds]
    lengths = {round(bar.quarters * quarter, 6) for bar in plan.meters}
    assert {round(after - before, 6) for before, after in pairwise(facts.downbeats)} <= lengths
    assert all(after - before <= max(lengths) + 1e-6 for before, after in pairwise(edges))
    assert set(facts.downbeats) <= set(facts.beats)
    assert np.ptp(np.diff(facts.beats)) < 1e-9 or len(plan.meters) > 1
    assert sum(facts.grouping) == facts.meter
    assert meter is None or (facts.meter == meter and len(facts.meters) == 1)


@HARD
@given(STYLE_NAMES, SEEDS)
def test_facts_say_who_plays(style, seed):
    score = compose(plan_of(style, seed))
    facts, instruments = score.facts, score.midi.instruments
    assert facts.has_drums == any(i.is_drum for i in instruments) == ("drums" in facts.instruments)
    assert facts.has_voice == any(i.program in (52, 53, 54) and not i.is_drum for i in instruments)
    assert facts.has_voice == ("voice" in facts.instruments)
    firsts = [min(note.start for note in i.notes) for i in instruments]
    assert firsts == sorted(firsts)
    named = [i for i in instruments if not i.is_drum and i.name != "voice"]
    assert {pretty_midi.program_to_instrument_name(i.program) for i in named} == set(facts.instruments) - {
        "drums",
        "voice",
    }
    assert facts.identity == identity_of(score.midi)


@HARD
@given(STYLE_NAMES, SEEDS, METERS)
def test_beats_are_those_of_the_midi(style, seed, meter):
    score = compose(plan_of(style, seed, 15.0, meter=meter))
    facts, midi = score.facts, score.midi
    quarters = midi.get_tempo_changes()[1]
    assert quarters.tolist() == pytest.approx(
        [facts.tempo_bpm * (1.5 if set(facts.grouping) == {3} and facts.pulse == 0.5 else 1.0)]
    )
    numerators = {signature.numerator for signature in midi.time_signature_changes}
    if not facts.downbeats or any(n % 3 == 0 and n > 3 for n in numerators):
        return  # pretty_midi counts 6 and 9 in threes
    assert midi.get_beats(facts.beats[0]) == pytest.approx(facts.beats)
    assert midi.get_downbeats(facts.downbeats[0]) == pytest.approx(facts.downbeats)


@given(st.sampled_from(["6", "9"]), SEEDS)
@settings(max_examples=25)
def test_groups_of_three_are_the_beats_of_the_midi(numerator, seed):
    grouping = (3,) * (int(numerator) // 3)
    score = compose(plan_of("neutral", seed, meter=int(numerator), grouping=grouping))
    if not score.facts.downbeats:
        return
    start = score.facts.beats.index(score.facts.downbeats[0])
    assert score.midi.get_beats(score.facts.downbeats[0]) == pytest.approx(score.facts.beats[start::3])


@given(STYLE_NAMES, SEEDS)
@settings(max_examples=25)
def test_a_written_file_is_the_same_music(style, seed):
    score = compose(plan_of(style, seed))
    again = pretty_midi.PrettyMIDI(BytesIO(midi_bytes(score)))
    for one, other in zip(score.midi.instruments, again.instruments, strict=True):
        assert (one.program, one.is_drum, one.name) == (other.program, other.is_drum, other.name)
        assert sorted(n.pitch for n in one.notes) == sorted(n.pitch for n in other.notes)
    written = sorted(note.start for i in again.instruments for note in i.notes)
    assert written == pytest.approx(sorted(n.start for i in score.midi.instruments for n in i.notes), abs=2e-3)


# --- loosely played, exactly labelled


@pytest.mark.parametrize("style", ["rock", "pop", "math rock"])
def test_players_are_late_or_early_by_twelve_milliseconds_at_most(style):
    off = []
    for seed in range(12):
        plan = plan_of(style, seed)
        step = 30.0 / plan.quarter_bpm * plan.meters[0].pulse
        score = compose(plan)
        starts = np.array([n.start for i in score.midi.instruments for n in i.notes]) - score.facts.beats[0]
        starts = starts[starts > -score.facts.beats[0] + 0.02]
        late = starts - np.round(starts / step) * step
        off.append(np.abs(late).max())
        assert off[-1] <= 0.012
    assert len({round(o, 5) for o in off}) > 8


@pytest.mark.parametrize("style", STYLES)
def test_loose_playing_moves_no_facts(style):
    plan = plan_of(style, 4)
    loose, strict = (compose(replace(plan, looseness_seconds=s)).facts for s in (0.012, 0.0))
    assert loose.identity != strict.identity
    assert sorted(loose.instruments) == sorted(strict.instruments)
    assert replace(loose, identity="", instruments=[]) == replace(strict, identity="", instruments=[])


def test_strict_playing_is_on_the_beat(part):
    plan = replace(plan_of("pop", 1, from_the_top=True), looseness_seconds=0.0, fills=0.0)
    score = compose(plan)
    kicks = [note.start for note in part(score, "drums") if note.pitch == 36]
    assert np.abs(np.array(kicks)[:, None] - np.array(score.facts.beats)).min(axis=1).max() < 1e-9


# --- where a clip begins


def test_clips_begin_anywhere_in_the_bar():
    firsts = []
    for seed in range(200):
        facts = compose(plan_of("neutral", seed, meter=4)).facts
        firsts.append(facts.downbeats[0] * facts.tempo_bpm / 60.0 / 4.0)
    counts = np.histogram(firsts, bins=4, range=(0.0, 1.0))[0]
    assert counts.min() > 30
    assert np.mean(np.array(firsts) < 1e-6) < 0.02


@pytest.mark.parametrize("style", STYLES)
def test_a_clip_may_begin_at_the_top(style):
    plan = plan_of(style, 3, from_the_top=True)
    facts = compose(plan).facts
    assert facts.downbeats[0] == facts.beats[0] == 0.0
    assert facts.sections[0].label == plan.sections[0].name


# --- what is asked for


@pytest.mark.parametrize("style", ["jazz", "blues", "rock", "pop", "math rock", "neutral"])
@pytest.mark.parametrize("drums", [True, False])
@pytest.mark.parametrize("voice", [True, False])
def test_drums_and_voice_are_as_asked(style, drums, voice):
    for seed in range(10):
        facts = compose(plan_of(style, seed, drums=drums, voice=voice, from_the_top=True, seconds=30.0)).facts
        assert (facts.has_drums, facts.has_voice) == (drums, voice)


@given(STYLE_NAMES, SEEDS, st.floats(40, 300), st.sampled_from(NAMES), st.sampled_from(["major", "minor"]))
@settings(max_examples=40)
def test_tempo_and_key_are_as_asked(style, seed, tempo_bpm, tonic, mode):
    facts = compose(plan_of(style, seed, tempo_bpm=tempo_bpm, key=f"{tonic} {mode}")).facts
    assert facts.tempo_bpm == tempo_bpm
    assert facts.key == f"{tonic} {mode}" or (style == "solo" and facts.key is None)


@given(
    st.sampled_from([s for s in STYLES if s != "solo"]),
    SEEDS,
    st.sampled_from([g for s in GROUPINGS.values() for g in s]),
)
@settings(max_examples=60)
def test_a_grouping_is_as_asked(style, seed, grouping):
    facts = compose(plan_of(style, seed, grouping=grouping)).facts
    assert facts.grouping == grouping
    assert len(facts.meters) == 1
    assert facts.meters[0].label.endswith("+".join(map(str, grouping)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"style": "polka"}, r"style='polka' is not known: choose from jazz, blues"),
        ({"seconds": 0.5}, r"seconds=0.5 is no clip: give 3 to 120"),
        ({"tempo_bpm": 1000.0}, r"tempo_bpm=1000.0 is none: give 30 to 400"),
        ({"meter": 13}, r"meter=13 is not known: choose from 3, 4, 5"),
        ({"meter": 7, "grouping": (2, 2)}, r"grouping=\(2, 2\) sums to 4, not to meter=7"),
        ({"polyrhythm": "8:7"}, r"polyrhythm='8:7' is not known: choose from 3:2"),
        ({"key": "H dur"}, r"key='H dur' is none"),
        ({"style": "classical", "drums": True}, r"classical has no drums: leave drums out, or choose another style"),
        ({"style": "solo", "voice": True}, r"solo is one instrument: it has neither voice nor polyrhythm"),
        ({"style": "solo", "program": 125}, r"program=125 .* give 0 to 119"),
        ({"style": "rock", "program": 5}, r"program=5 .* to the style solo only"),
    ],
)
def test_what_cannot_be_drawn_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        plan_of(**{"style": "pop", "seed": 0, **asked})


# --- lines of cells


def test_a_line_is_read_with_its_holds_and_rests():
    assert list(read("x-.xX--.")) == [(0, 2, "x"), (3, 1, "x"), (4, 3, "X")]
    assert list(read("....")) == []
