"""Known answers for the player: pitches in Hz, onsets in samples, levels in dB; and what it refuses.

All is played with the soundfont that pretty_midi carries.
"""

import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from linernotes.corpora.score.render import MissingSoundError, Renderer, load, render
from linernotes.corpora.score.score import Facts, Score, Span

FONT = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")
RATE = 24_000
PIANO, ORGAN, GUITAR, VIOLIN, FLUTE, WHISTLE, SQUARE = 0, 16, 24, 40, 73, 78, 80
WOODBLOCK = 76


@pytest.fixture(scope="module")
def renderer():
    return Renderer(FONT, RATE)


def part(*notes, program=PIANO, name="lead", is_drum=False):
    """An instrument of (pitch, start, end) or (pitch, start, end, velocity)."""
    instrument = pretty_midi.Instrument(program, is_drum, name)
    for pitch, start, end, *velocity in notes:
        instrument.notes.append(pretty_midi.Note(*(velocity or [100]), pitch, start, end))
    return instrument


def score_of(*parts, seconds=1.0):
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.extend(parts)
    facts = Facts(
        style="neutral",
        meter=4,
        grouping=(2, 2),
        pulse=1.0,
        tempo_bpm=120.0,
        swing_ratio=1.0,
        key=None,
        polyrhythm=None,
        beats=[],
        downbeats=[],
        meters=[Span(0.0, seconds, "4/4 2+2")],
        chords=[],
        sections=[],
        instruments=[instrument.name for instrument in parts],
        has_drums=any(instrument.is_drum for instrument in parts),
        has_voice=False,
        identity="",
    )
    return Score(midi, facts)


def level_at(sound, hz):
    """Amplitude of the strongest partial within 3 % of a frequency."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 2**18))
    per_bin = RATE / 2**18
    return spectrum[int(0.97 * hz / per_bin) : int(1.03 * hz / per_bin)].max()


def cents_from(sound, hz):
    """How far the partial near a frequency is from it."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 2**20))
    per_bin = RATE / 2**20
    first = int(0.95 * hz / per_bin)
    return 1200 * np.log2((first + spectrum[first : int(1.05 * hz / per_bin)].argmax()) * per_bin / hz)


def onsets_seconds(sound, quiet_seconds=0.1):
    """Where it rises over a twentieth of its peak after so long a silence."""
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    return loud[np.diff(loud, prepend=-RATE) > quiet_seconds * RATE] / RATE


@pytest.mark.parametrize("program", [PIANO, ORGAN, GUITAR, VIOLIN, SQUARE])
def test_a4_is_440_hz_within_five_cents(renderer, program):
    sound = renderer.render(score_of(part((69, 0.0, 2.0), program=program), seconds=2.0))
    assert abs(cents_from(sound[RATE // 2 :], 440.0)) < 5


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_the_pitch_is_the_same_at_any_rate(rate):
    sound = Renderer(FONT, rate).note(SQUARE, 69, seconds=1.0, tail_seconds=0.0)
    frequency_hz = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 2**20)).argmax() * rate / 2**20
    assert frequency_hz == pytest.approx(440.0, abs=1.0)


def test_both_instruments_are_heard(renderer):
    low, high = part((45, 0.0, 1.0), program=ORGAN, name="bass"), part((93, 0.0, 1.0), program=FLUTE, name="lead")
    both, bass, lead = (renderer.render(score_of(*parts)) for parts in ((low, high), (low,), (high,)))
    np.testing.assert_allclose(both, bass + lead, atol=1e-6)
    assert level_at(both, 1760.0) > 20 * level_at(bass, 1760.0)
    assert level_at(both, 110.0) > 20 * level_at(lead, 110.0)


def test_drums_sound_at_their_times(renderer):
    times = [0.1, 0.35, 0.6, 1.0234, 1.5]
    strokes = part(*((WOODBLOCK, time, time + 0.05) for time in times), name="drums", is_drum=True)
    found = onsets_seconds(renderer.render(score_of(strokes, seconds=2.0)))
    np.testing.assert_allclose(found, times, atol=0.005)


@pytest.mark.parametrize("start", [1 / RATE, 0.0371, 0.5, 0.777_77])
def test_a_note_starts_on_its_sample(renderer, start):
    early = renderer.render(score_of(part((60, 0.0, 2.0)), seconds=2.0))
    late = renderer.render(score_of(part((60, start, 2.0 + start)), seconds=2.0))
    shift = round(start * RATE)
    assert not late[:shift].any()
    np.testing.assert_array_equal(late[shift:], early[: len(early) - shift])


def test_many_parts_do_not_move_each_other(renderer):
    rng = np.random.default_rng(0)
    busy = part(*((int(p), t, t + 0.1) for p, t in zip(rng.integers(50, 70, 40), rng.uniform(0, 1.9, 40), strict=True)))
    block = part((WOODBLOCK, 1.25, 1.3), name="drums", is_drum=True)
    together = renderer.render(score_of(busy, block, seconds=2.0), gain_db={"drums": 20.0, "lead": -20.0})
    assert (np.abs(together).argmax() / RATE - 1.25) == pytest.approx(0.0, abs=0.005)


def test_a_repeated_note_is_struck_again(renderer):
    sound = renderer.render(score_of(part((60, 0.0, 0.5), (60, 0.5, 1.0))))
    before, after = (np.abs(sound[int(a * RATE) : int(b * RATE)]).max() for a, b in ((0.4, 0.5), (0.5, 0.6)))
    assert after > 1.5 * before


def test_harder_is_louder(renderer):
    soft, hard = (np.abs(renderer.note(PIANO, 60, velocity)).max() for velocity in (30, 120))
    assert hard > 2.0 * soft


def test_the_wheel_bends(renderer):
    bent = part((69, 0.0, 1.0), program=SQUARE)
    bent.pitch_bends.append(pretty_midi.PitchBend(4096, 0.0))
    assert cents_from(renderer.render(score_of(bent)), 466.16) == pytest.approx(0.0, abs=5)


def test_pan_goes_to_a_side(renderer):
    left = part((60, 0.0, 1.0), program=SQUARE)
    left.control_changes.append(pretty_midi.ControlChange(10, 0, 0.0))
    sides = np.abs(renderer.render(score_of(left), mono=False)).max(axis=0)
    assert sides[1] < 0.05 * sides[0]


@pytest.mark.parametrize("number", [7, 11])
def test_volume_and_expression_turn_down(renderer, number):
    quiet = part((60, 0.0, 1.0))
    quiet.control_changes.append(pretty_midi.ControlChange(number, 64, 0.0))
    loud, soft = (np.abs(renderer.render(score_of(p))).max() for p in (part((60, 0.0, 1.0)), quiet))
    assert soft < 0.5 * loud


def test_the_pedal_holds_until_it_comes_up_or_the_key_is_struck_again(renderer):
    def level(pedal):
        held = part((69, 0.0, 0.2), (69, 1.0, 1.2), program=SQUARE)
        held.control_changes = [pretty_midi.ControlChange(64, value, time) for time, value in pedal]
        sound = renderer.render(score_of(held, seconds=2.0))
        return [np.abs(sound[int(t * RATE) : int((t + 0.1) * RATE)]).max() > 0.01 for t in (0.1, 0.5, 1.1, 1.5, 1.8)]

    assert level([]) == [True, False, True, False, False]
    assert level([(0.0, 127), (1.7, 0)]) == [True, True, True, True, False]
    assert level([(0.0, 127), (0.4, 0)]) == [True, False, True, False, False]
    assert level([(0.0, 127)]) == [True, True, True, True, True]


def test_gains_are_in_db_and_by_name(renderer):
    score = score_of(part((45, 0.0, 1.0), name="bass"), part((93, 0.0, 1.0), program=FLUTE, name="lead"))
    plain, mixed = renderer.render(score), renderer.render(score, gain_db={"bass": -12.0})
    assert level_at(mixed, 110.0) == pytest.approx(level_at(plain, 110.0) * 10 ** (-12 / 20), rel=0.02)
    assert level_at(mixed, 1760.0) == pytest.approx(level_at(plain, 1760.0), rel=0.02)


def test_a_quiet_mix_stays_quiet_and_a_loud_one_fits_full_scale(renderer):
    chord = part(*((pitch, 0.0, 1.0, 127) for pitch in range(48, 72)))
    assert np.abs(renderer.render(score_of(chord), gain_db={"lead": 30.0})).max() == pytest.approx(1.0)
    assert np.abs(renderer.render(score_of(chord), gain_db={"lead": -40.0})).max() < 0.1


def test_the_audio_lasts_as_long_as_the_score(renderer):
    score = score_of(part((60, 0.0, 1.2345)), seconds=1.2345)
    assert renderer.render(score).shape == (round(1.2345 * RATE),)
    assert renderer.render(score, mono=False).shape == (round(1.2345 * RATE), 2)
    assert renderer.render(score).dtype == np.float32


def test_a_tail_rings_out_and_no_longer_than_allowed(renderer):
    score = score_of(part((48, 0.0, 1.0)))
    short, long = (renderer.render(score, tail_seconds=tail) for tail in (0.1, 10.0))
    assert len(short) == round(1.1 * RATE)
    assert abs(short[-1]) < 1e-6
    assert RATE < len(long) < 11 * RATE
    assert np.abs(long[-100:]).max() < 2e-4
    np.testing.assert_array_equal(short[: RATE + 1000], long[: RATE + 1000])


def test_mono_is_the_mean_of_both_sides(renderer):
    score = score_of(part((60, 0.0, 1.0)))
    np.testing.assert_allclose(renderer.render(score), renderer.render(score, mono=False).mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("parts", [(), (part(),), (part((60, 5.0, 6.0)),)])
def test_nothing_to_play_is_silence(renderer, parts):
    sound = renderer.render(score_of(*parts), tail_seconds=1.0)
    assert sound.shape == (RATE,)
    assert not sound.any()


def test_what_was_played_before_leaves_no_trace(renderer):
    plain = score_of(part((60, 0.0, 1.0)), seconds=0.5)
    first = renderer.render(plain)
    wild = part(*((p, 0.0, 60.0) for p in range(30, 90)), program=48)
    wild.pitch_bends.append(pretty_midi.PitchBend(5000, 0.1))
    for number in (1, 7, 10, 11, 64, 101, 100, 6):  # the last three: a pitch bend range of 50 semitones, by RPN 0
        wild.control_changes.append(pretty_midi.ControlChange(number, 0 if number > 99 else 50, 0.1))
    renderer.render(score_of(wild))
    np.testing.assert_array_equal(renderer.render(plain), first)


def test_two_processes_agree_to_the_bit():
    script = (
        "import sys; from hashlib import sha256; from linernotes.corpora.score.render import Renderer;"
        "print(sha256(Renderer(sys.argv[1]).note(48, 60).tobytes()).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", script, FONT], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == sha256(Renderer(FONT).note(48, 60).tobytes()).hexdigest()


def test_a_process_loads_a_font_once():
    score = score_of(part((60, 0.0, 1.0)))
    np.testing.assert_array_equal(render(score, FONT), Renderer(FONT).render(score))
    assert load(FONT) is load(FONT)
    assert load(FONT) is not load(FONT, 16_000)


def test_single_notes(renderer):
    assert cents_from(renderer.note(FLUTE, 81), 880.0) == pytest.approx(0.0, abs=5)
    assert renderer.note(PIANO, 60, seconds=0.5, tail_seconds=0.0).shape == (RATE // 2,)
    assert renderer.note(0, 38, is_drum=True).any()


def test_a_kit_that_is_missing_is_played_by_the_standard_kit(renderer):
    assert not renderer.has_program(7, is_drum=True)
    strange, standard = (score_of(part((38, 0.0, 0.2), program=kit, is_drum=True)) for kit in (7, 0))
    np.testing.assert_array_equal(renderer.render(strange), renderer.render(standard))


def font_without(program, folder):
    """The font with one of its presets put where nobody asks for it."""
    data = bytearray(FONT.read_bytes())
    start = data.find(b"phdr") + 8
    for at in range(start, start + struct.unpack_from("<I", data, start - 4)[0], 38):
        if struct.unpack_from("<HH", data, at + 20) == (program, 0):
            struct.pack_into("<HH", data, at + 20, 127, 99)
    path = folder / "holes.sf2"
    path.write_bytes(data)
    return path


def test_a_missing_program_is_an_error_that_names_it(tmp_path):
    holes = Renderer(font_without(FLUTE, tmp_path))
    assert not holes.has_program(FLUTE)
    assert holes.has_program(FLUTE + 1)
    with pytest.raises(MissingSoundError, match=r"holes\.sf2 has no program 73 \(lead\): choose another font"):
        holes.render(score_of(part((60, 0.0, 1.0), program=FLUTE)))
    with pytest.raises(MissingSoundError, match="no note 60 of program 73: choose another"):
        holes.note(FLUTE, 60)


def test_a_note_without_sound_is_an_error_that_names_it(renderer):
    assert renderer.has_note(WHISTLE, 70)
    with pytest.raises(MissingSoundError, match=r"no notes 84, 90 of program 78 \(lead\)"):
        renderer.render(score_of(part((70, 0.0, 1.0), (90, 0.0, 1.0), (84, 0.0, 1.0), program=WHISTLE)))
    assert renderer.missing(score_of(part((70, 0.0, 1.0), program=WHISTLE)).midi) == []


def test_what_is_refused(renderer, tmp_path):
    (tmp_path / "text.sf2").write_text("no font")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.sf2 is no file: give a soundfont"):
        Renderer(tmp_path / "nowhere.sf2")
    with pytest.raises(ValueError, match=r"text\.sf2 cannot be read as a soundfont"):
        Renderer(tmp_path / "text.sf2")
    with pytest.raises(ValueError, match="sampling_rate=100 Hz: choose from 8000 to 96000"):
        Renderer(FONT, 100)
    with pytest.raises(ValueError, match="gain_db names 'tuba', which does not play: choose from lead"):
        renderer.render(score_of(part((60, 0.0, 1.0))), gain_db={"tuba": 1.0})
    with pytest.raises(ValueError, match="pitch=128, velocity=100: choose from 0 to 127"):
        renderer.note(PIANO, 128)
