from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linernotes.corpora.score.dice import Dice
from linernotes.corpora.score.harmony import (
    CHOIR,
    NAMES,
    QUALITIES,
    Chord,
    Key,
    chords_of,
    ladder,
    lead_voices,
    parallels,
    parse_key,
    parse_progression,
    power_chord,
    scale_over,
    voicing,
)
from linernotes.corpora.score.programs import FAMILIES, RANGES, draw_other, fold, playable
from linernotes.corpora.score.styles import blues, classical, jazz, mathrock, pop, rock

CHORDS = st.builds(Chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)))
WRITTEN = [
    changes
    for style in (blues, classical, jazz, mathrock, pop, rock)
    for several in style.CHANGES.values()
    for changes in several
]


def pitch_classes(*names):
    return {NAMES.index(name) for name in names}


# --- keys, chords, progressions


@pytest.mark.parametrize(
    ("name", "key"), [("C major", Key(0, "major")), ("F# minor", Key(6, "minor")), ("Db major", Key(1, "major"))]
)
def test_keys_are_read(name, key):
    assert parse_key(name) == key
    assert parse_key(key.name) == key


@pytest.mark.parametrize("name", ["H major", "C", "C dorian", "", "major C"])
def test_what_is_no_key_is_refused(name):
    with pytest.raises(ValueError, match=r'give a tonic and "major" or "minor", such as "F# minor"'):
        parse_key(name)


def test_two_five_one_in_b_flat():
    bars = chords_of("IIm9 V13 | Imaj9", parse_key("Bb major"))
    assert [[chord.name for chord in bar] for bar in bars] == [["Cm9", "F13"], ["Bbmaj9"]]
    assert set(bars[0][0].tones) == pitch_classes("C", "Eb", "G", "Bb", "D")


def test_degrees_are_of_the_major_scale():
    assert parse_progression("Im | bVI | bIII7 #IVm7b5") == (((0, "m"),), ((8, ""),), ((3, "7"), (6, "m7b5")))


@pytest.mark.parametrize("text", ["VIII", "Ifoo", "i", "I || V", "H7"])
def test_what_is_no_chord_is_refused(text):
    if text == "I || V":
        assert parse_progression(text)[1] == ()
        return
    with pytest.raises(ValueError, match=r"is no chord: give a degree \(I, bVI, #IV\)"):
        parse_progression(text)


@pytest.mark.parametrize("text", WRITTEN)
def test_what_the_styles_write_can_be_read(text):
    assert all(1 <= len(bar) <= 2 for bar in parse_progression(text))


# --- scales


def test_a_dominant_in_a_minor_key_has_its_leading_tone():
    key = parse_key("A minor")
    assert scale_over(key, "minor", Chord(4, "7")) == pitch_classes("A", "B", "C", "D", "E", "F", "Ab")
    assert scale_over(key, "minor", Chord(9, "m")) == pitch_classes("A", "B", "C", "D", "E", "F", "G")


def test_the_blues_scale_rubs():
    notes = scale_over(parse_key("A major"), "blues", Chord(9, "7"))
    assert notes == pitch_classes("A", "C", "D", "Eb", "E", "G")


@given(CHORDS, st.integers(0, 11), st.sampled_from(["major", "minor"]))
def test_a_scale_has_the_chord_in_it(chord, tonic, mode):
    notes = scale_over(Key(tonic, mode), mode, chord)
    assert notes >= set(chord.tones)
    assert 4 <= len(notes) <= 9


def test_a_ladder_rises():
    assert ladder(frozenset({0, 7}), 48, 67) == (48, 55, 60, 67)


# --- voicings


@given(CHORDS, st.integers(45, 80))
def test_a_voicing_is_the_chord_around_its_centre(chord, centre):
    notes = voicing(chord, centre)
    assert {note % 12 for note in notes} == set(chord.tones)
    assert all(abs(note - centre) <= 6 for note in notes)


@given(CHORDS, st.integers(45, 80))
def test_a_rootless_voicing_leaves_the_root_out(chord, centre):
    notes = voicing(chord, centre, rootless=True)
    assert (chord.root in {note % 12 for note in notes}) == (len(chord.tones) <= 3)


def test_a_power_chord():
    assert power_chord(Chord(4, "m"), 40) == (40, 47, 52)
    assert power_chord(Chord(2, "5"), 40) == (50, 57, 62)


TRIADS = st.builds(Chord, st.integers(0, 11), st.sampled_from(["", "m", "7"]))


@given(st.lists(TRIADS, min_size=2, max_size=12))
def test_four_voices_keep_their_places(chords):
    for chord, voices in zip(chords, lead_voices(chords), strict=True):
        assert list(voices) == sorted(voices, reverse=True)
        assert all(low <= pitch <= high for pitch, (low, high) in zip(voices, CHOIR, strict=True))
        assert {pitch % 12 for pitch in voices} <= set(chord.tones)
        assert voices[3] % 12 in chord.tones[:2]


@pytest.mark.parametrize("text", [text for several in classical.CHANGES.values() for text in several])
@pytest.mark.parametrize("tonic", [0, 5, 9])
def test_four_voices_move_little_and_not_in_parallel(text, tonic):
    chords = [chord for bar in chords_of(text, Key(tonic, "major")) * 3 for chord in bar]
    led = lead_voices(chords)
    assert sum(parallels(before, after) for before, after in pairwise(led)) == 0
    moves = [abs(a - b) for before, after in pairwise(led) for a, b in zip(before[:3], after[:3], strict=True)]
    assert sum(moves) / len(moves) < 2.6
    assert max(moves) <= 7


def test_parallels_are_counted():
    assert parallels((72, 67, 64, 60), (74, 69, 65, 62)) == 2  # an octave and a fifth go up a tone
    assert parallels((72, 67, 64, 60), (72, 67, 64, 60)) == 0
    assert parallels((71, 67, 62, 55), (72, 67, 64, 48)) == 0


# --- instruments


@given(st.integers(0, 2**32), st.integers(0, 119))
def test_another_instrument_is_of_another_family(seed, taken):
    assert draw_other(Dice(seed), (0, 1, 24, 40, 56), taken) // 8 != taken // 8


def test_every_program_but_effects_has_a_range():
    assert len(RANGES) == 8 * len(FAMILIES) == 120
    assert all(high - low >= 12 for low, high in RANGES)


@given(st.integers(0, 119), st.integers(20, 100), st.integers(0, 40))
def test_a_register_is_one_the_program_can_play(program, low, width):
    bottom, top = playable(program, low, low + width)
    assert RANGES[program][0] <= bottom <= top - 12
    assert top <= RANGES[program][1]


@given(st.integers(0, 127), st.integers(20, 90), st.integers(12, 30))
def test_folding_keeps_the_pitch_class(pitch, low, width):
    folded = fold(pitch, low, low + width)
    assert low <= folded <= low + width
    assert (folded - pitch) % 12 == 0
    assert folded == pitch or not low <= pitch <= low + width
