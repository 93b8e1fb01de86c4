"""Known answers for the building blocks: the pitch of a tone, the partials of a clipped one, the drop of a room."""

import numpy as np
import pytest

from linernotes.corpora.sounds import (
    Drum,
    Tone,
    band_noise,
    compress,
    distort,
    duck,
    falling_partials,
    low_pass,
    midi_to_hz,
    reverberate,
)

RATE = 22_050


def rng():
    return np.random.default_rng(0)


def test_midi_69_is_a_440():
    assert midi_to_hz(69) == 440.0
    assert midi_to_hz(57) == 220.0
    assert midi_to_hz(60) == pytest.approx(261.626, abs=1e-3)


@pytest.mark.parametrize("pitch", [40, 57, 69, 84])
def test_a_tone_sounds_at_its_pitch(pitch, track_hz):
    signal = Tone((1.0,)).play(pitch, 1.0, RATE, rng())
    frequency_hz, _ = track_hz(signal[: RATE // 2], frame=4096)
    assert np.median(frequency_hz) == pytest.approx(midi_to_hz(pitch), rel=1e-3)


def test_partials_have_the_amplitudes_asked_for(partial_levels):
    levels = partial_levels(Tone((1.0, 0.5, 0.0, 0.25)).play(57, 1.0, RATE, rng())[:RATE], 220.0, 4)
    np.testing.assert_allclose(levels / levels[0], [1.0, 0.5, 0.0, 0.25], atol=0.01)


def test_no_partial_folds_back_from_beyond_half_the_rate(partial_levels):
    signal = Tone(falling_partials(40, 0.0)).play(81, 1.0, RATE, rng())[:RATE]  # 880 Hz: only twelve partials fit
    levels = partial_levels(signal, 880.0, 12)
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(signal.size)))
    between = [spectrum[round(880 * (k + 0.5)) - 150 : round(880 * (k + 0.5)) + 150].max() for k in range(1, 12)]
    assert max(between) < 0.01 * levels.min()


def test_even_partials_can_be_left_out():
    assert falling_partials(4, 1.0, even=0.0) == pytest.approx((1.0, 0.0, 1 / 3, 0.0))


def test_a_bend_starts_below_and_arrives(track_hz):
    signal = Tone((1.0,), bend_seconds=0.2).play(69, 1.0, RATE, rng(), bend_semitones=2.0)
    frequency_hz, time = track_hz(signal[:RATE])
    semitones = 12 * np.log2(frequency_hz / 440.0)
    assert semitones[0] == pytest.approx(-1.8, abs=0.3)
    assert np.abs(semitones[time > 0.25]).max() < 0.1


def test_vibrato_has_its_rate_and_width(track_hz):
    tone = Tone((1.0,), vibrato_hz=5.5, vibrato_cents=30, vibrato_delay_seconds=0.05)
    frequency_hz, time = track_hz(tone.play(69, 4.0, RATE, rng())[: 4 * RATE])
    cents = 1200 * np.log2(frequency_hz / 440.0)[time > 0.2]
    spectrum = np.abs(np.fft.rfft(cents - cents.mean(), 2**15))
    rate_hz = np.fft.rfftfreq(2**15, 256 / RATE)[spectrum.argmax()]
    assert rate_hz == pytest.approx(5.5, abs=0.1)
    assert np.ptp(cents) / 2 == pytest.approx(30, abs=4)


def test_a_dulling_string_loses_its_high_partials_first(partial_levels):
    signal = Tone(falling_partials(10, 0.5), dullness=1.5, dull_seconds=0.1).play(57, 1.0, RATE, rng())
    early, late = (partial_levels(signal[a : a + 4410], 220.0, 10) for a in (200, 15_000))
    assert late[9] / late[0] < 0.3 * early[9] / early[0]


def test_tanh_adds_odd_harmonics_only(partial_levels):
    sine = np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    levels = partial_levels(distort(sine, 8.0), 220.0, 10)
    assert levels[[2, 4, 6]].min() > 0.05 * levels[0]
    assert levels[1::2].max() < 1e-3 * levels[0]


def test_distortion_keeps_full_scale():
    assert distort(np.array([1.0, -1.0]), 5.0) == pytest.approx([1.0, -1.0])


def test_low_pass_passes_below_and_stops_above():
    time = np.arange(RATE) / RATE
    low, high = (low_pass(np.sin(2 * np.pi * hz * time).astype(np.float32), 3_000, RATE).std() for hz in (500, 8_000))
    assert low == pytest.approx(0.707, abs=0.01)
    assert high < 0.01


def test_low_pass_at_or_above_half_the_rate_changes_nothing():
    noise = rng().standard_normal(500)
    assert low_pass(noise, 20_000, RATE) is noise


def test_compression_narrows_the_gap_between_loud_and_soft():
    loud_and_soft = np.concatenate([np.ones(RATE), 0.5 * np.ones(RATE)]) * np.sin(np.arange(2 * RATE))
    squeezed = compress(loud_and_soft.astype(np.float32), -20.0, 4.0, RATE)
    gap_db = 20 * np.log10(squeezed[:20_000].std() / squeezed[-20_000:].std())
    assert gap_db == pytest.approx(6.02 / 4, abs=0.1)


def test_what_lies_under_the_threshold_is_left_alone():
    loud_and_soft = np.concatenate([np.ones(RATE), 0.01 * np.ones(RATE)]) * np.sin(np.arange(2 * RATE))
    squeezed = compress(loud_and_soft.astype(np.float32), -20.0, 4.0, RATE)
    np.testing.assert_allclose(squeezed[-10_000:], loud_and_soft[-10_000:], atol=1e-7)


def test_silence_stays_silence():
    silence = np.zeros(1000, np.float32)
    assert not compress(silence, -14.0, 4.0, RATE).any()
    assert not reverberate(silence, 0.5, 0.3, RATE, rng()).any()


def test_ducking_dips_at_the_kick_and_swells_back():
    ducked = duck(np.ones(RATE, np.float32), [0.5], 0.8, RATE)
    assert ducked[RATE // 2] == pytest.approx(0.2, abs=1e-3)
    assert ducked[: RATE // 2].min() == 1.0
    assert ducked[int(0.76 * RATE)] == 1.0


def test_a_room_rings_on_and_dies_by_sixty_decibels():
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    room = reverberate(click, 0.4, 0.3, RATE, rng())
    assert np.abs(room[1 : RATE // 5]).max() > 0.01
    assert np.abs(room[int(0.5 * RATE) :]).max() < 1e-3 * np.abs(room[1:]).max()


def test_band_noise_stays_in_its_band():
    spectrum = np.abs(np.fft.rfft(band_noise(RATE, (2_000, 4_000), RATE, rng()))) ** 2
    inside = spectrum[2_300:3_500].mean()
    assert inside > 10 * spectrum[7_800:8_200].mean()  # an octave above its top: 12 dB less
    assert inside > 10 * spectrum[900:1_000].mean()  # an octave below its bottom


def test_a_kick_falls_to_the_pitch_of_its_skin():
    stroke = Drum(0.2, skin_hz=50.0, hit_hz=200.0).stroke(RATE, rng())
    tail = np.abs(np.fft.rfft(stroke[RATE // 10 : RATE // 10 + RATE // 5], RATE))
    assert tail.argmax() == pytest.approx(50, abs=3)


@pytest.mark.parametrize("drum", [Drum(0.1, noise=1.0), Drum(0.1, 60.0, 200.0), Drum(0.2, noise=0.5, metal=0.3)])
def test_a_stroke_peaks_at_one_and_ends(drum):
    stroke = drum.stroke(RATE, rng())
    assert np.abs(stroke).max() == pytest.approx(1.0)
    assert np.abs(stroke[-50:]).max() < 0.05
