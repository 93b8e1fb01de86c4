"""Known answers for each effect (dB at a frequency, decay of a room, noise under music); none moves music in time."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from linernotes.corpora.score.effects import (
    CODECS,
    Band,
    BandLimit,
    Chain,
    Codec,
    Equaliser,
    Gain,
    Noise,
    Reverb,
    Saturation,
    codec_delay,
    draw_chain,
)

RATE = 24_000
ONE_OF_EACH = [
    Gain(-6.0),
    Equaliser((Band("low_shelf", 200.0, 9.0), Band("peak", 1_000.0, -9.0), Band("high_shelf", 4_000.0, 9.0))),
    BandLimit(150.0, 4_000.0),
    Reverb(1.5, -4.0, 0.01, 4_000.0, 1),
    Saturation(4.0),
    Noise("white", 20.0, 1),
    Noise("pink", 20.0, 1),
    Noise("hum", 20.0, 1),
    Codec("mp3", 0.4),
    Codec("mp3", 0.85),
    Codec("vorbis", 0.9),
    Codec("opus", 0.9),
]


def name_of(effect):
    return type(effect).__name__ if not isinstance(effect, Codec) else f"{effect.name} {effect.compression}"


def strokes(seconds=3.0, rate=RATE, seed=0):
    """A drum and tones, plucked at uneven times: unlike itself at any other lag."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * rate))
    time = np.arange(round(0.15 * rate)) / rate
    for start in np.cumsum(rng.uniform(0.05, 0.3, 50)):
        room = sound[round(start * rate) :][: time.size]
        tone = np.sin(2 * np.pi * rng.uniform(150, 2_000) * time) + rng.standard_normal(time.size)
        room += (0.2 * tone * np.exp(-time / 0.03))[: room.size]
    return sound


def lag_seconds(after, before, rate=RATE):
    likeness = signal.correlate(after, before, method="fft")
    return (likeness.argmax() - (len(before) - 1)) / rate


def sine(hz, seconds=2.0, rate=RATE):
    return 0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def gain_db(effect, hz):
    """What the effect does to a sine, once it has settled."""
    before = sine(hz)
    return 20 * np.log10(effect.apply(before, RATE)[RATE:].std() / before[RATE:].std())


@pytest.mark.parametrize("effect", ONE_OF_EACH, ids=name_of)
def test_no_effect_moves_the_music(effect):
    before = strokes()
    after = effect.apply(before, RATE)
    assert after.shape == before.shape
    assert abs(lag_seconds(after, before)) < 0.005


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
@pytest.mark.parametrize("effect", ONE_OF_EACH, ids=name_of)
def test_nor_does_it_at_other_rates_and_in_stereo(effect, rate):
    before = np.stack([strokes(2.0, rate), strokes(2.0, rate, seed=1)], axis=1)
    after = Chain((effect,)).apply(before, rate)
    assert after.shape == before.shape
    for side in (0, 1):
        assert abs(lag_seconds(after[:, side], before[:, side], rate)) < 0.005


def test_gain_is_in_db():
    np.testing.assert_allclose(Gain(-20.0).apply(np.ones(3), RATE), 0.1)


def test_a_peak_is_as_high_as_asked_and_narrow():
    peak = Equaliser((Band("peak", 1_000.0, 9.0, 2.0),))
    assert gain_db(peak, 1_000) == pytest.approx(9.0, abs=0.05)
    assert abs(gain_db(peak, 100)) < 0.2
    assert abs(gain_db(peak, 8_000)) < 0.2


@pytest.mark.parametrize(("kind", "raised", "left"), [("low_shelf", 50, 8_000), ("high_shelf", 11_000, 100)])
def test_a_shelf_lifts_its_side(kind, raised, left):
    shelf = Equaliser((Band(kind, 1_000.0, -8.0),))
    assert gain_db(shelf, raised) == pytest.approx(-8.0, abs=0.2)
    assert gain_db(shelf, 1_000) == pytest.approx(-4.0, abs=0.1)
    assert abs(gain_db(shelf, left)) < 0.2


def test_a_band_above_half_the_rate_is_harmless():
    assert np.isfinite(Equaliser((Band("high_shelf", 20_000.0, 9.0),)).apply(strokes(1.0), RATE)).all()


def test_a_band_limit_stops_what_is_outside():
    band = BandLimit(200.0, 3_000.0)
    assert abs(gain_db(band, 800)) < 0.3
    assert gain_db(band, 200) == pytest.approx(-3.0, abs=0.1)
    assert gain_db(band, 50) == pytest.approx(-24.0, abs=1.0)
    assert gain_db(band, 9_000) < -40
    assert gain_db(BandLimit(20.0, 20_000.0), 11_000) == pytest.approx(0.0, abs=0.1)


def test_a_room_keeps_the_direct_sound_and_dies_by_sixty_decibels():
    click = np.zeros(2 * RATE)
    click[100] = 1.0
    room = Reverb(1.0, -6.0, 0.02, 5_000.0, 7).apply(click, RATE)
    assert room[100] == pytest.approx(1.0)
    assert np.abs(room[:100]).max() < 1e-9
    assert np.abs(room[101 : 100 + round(0.02 * RATE)]).max() < 1e-9
    tail = room[101:]
    assert 10 * np.log10(np.sum(tail**2)) == pytest.approx(-6.0, abs=0.01)
    first, last = (tail[a : a + 2_000].std() for a in (1_000, 21_000))
    assert 20 * np.log10(last / first) == pytest.approx(-60 * 20_000 / RATE, abs=1.5)
    assert np.abs(tail[round(1.05 * RATE) :]).max() < 1e-4


def test_saturation_adds_odd_harmonics_and_keeps_the_level():
    before = sine(500)
    after = Saturation(4.0).apply(before, RATE)
    assert after.std() == pytest.approx(before.std())
    levels = np.abs(np.fft.rfft(after * np.hanning(after.size)))[[1_000 * k for k in range(1, 6)]]
    assert levels[2] > 0.1 * levels[0]
    assert levels[1] < 1e-4 * levels[0]


@pytest.mark.parametrize("colour", ["white", "pink", "hum"])
def test_noise_lies_as_far_under_the_music_as_asked(colour):
    before = strokes()
    added = Noise(colour, 30.0, 3).apply(before, RATE) - before
    assert 20 * np.log10(np.sqrt(np.mean(before**2) / np.mean(added**2))) == pytest.approx(30.0, abs=0.01)


def test_pink_noise_has_the_same_power_in_every_octave_and_white_twice_as_much():
    def octaves_db(colour):
        before = sine(1.0, 60.0)
        spectrum = np.abs(np.fft.rfft(Noise(colour, 0.0, 3).apply(before, RATE) - before)) ** 2
        return 10 * np.log10([spectrum[60 * hz : 120 * hz].sum() for hz in (100, 200, 400, 800, 1_600, 3_200)])

    np.testing.assert_allclose(np.diff(octaves_db("pink")), 0.0, atol=0.3)
    np.testing.assert_allclose(np.diff(octaves_db("white")), 3.01, atol=0.3)


def test_hum_is_the_mains_and_its_harmonics():
    before = sine(1.0)
    spectrum = np.abs(np.fft.rfft(Noise("hum", 0.0, 3, 60.0).apply(before, RATE) - before))
    loud = np.flatnonzero(spectrum > 0.01 * spectrum.max()) / 2.0
    np.testing.assert_array_equal(loud, [60, 120, 180, 240, 300, 360])


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_at_its_best_changes_little_and_at_its_worst_more(name):
    before = signal.sosfilt(signal.butter(4, 5_000, fs=RATE, output="sos"), strokes())
    errors = [np.std(Codec(name, level).apply(before, RATE) - before) / before.std() for level in (0.0, 0.9)]
    assert errors[0] < 0.1
    assert errors[0] < errors[1] < 0.9


def test_mp3_at_low_bit_rates_is_late_and_is_put_right():
    assert codec_delay("mp3", 0.4, RATE) == 0
    assert codec_delay("mp3", 0.85, RATE) == 1_105  # 528 + 1 samples of the decoder, 576 of the encoder
    assert codec_delay("vorbis", 0.85, RATE) == codec_delay("opus", 0.85, RATE) == 0


@given(length=st.integers(1, 3_000), name=st.sampled_from(list(CODECS)), level=st.sampled_from([0.0, 0.5, 0.9]))
@settings(max_examples=40)
def test_a_codec_gives_back_as_many_samples_as_it_got(length, name, level):
    before = 0.1 * np.random.default_rng(length).standard_normal(length)
    after = Chain((Codec(name, level),)).apply(before, RATE)
    assert after.shape == (length,)
    assert np.isfinite(after).all()


def test_a_codec_does_not_clip_what_is_beyond_full_scale():
    before = 5.0 * strokes()
    loud, quiet = (Codec("vorbis", 0.0).apply(scale * before, RATE) / scale for scale in (1.0, 0.1))
    assert np.std(loud - quiet) < 0.05 * before.std()


@given(seed=st.integers(0, 2**32), strength=st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_any_chain_keeps_length_time_and_full_scale(seed, strength):
    before = strokes(1.5)
    chain = draw_chain(np.random.default_rng(seed), strength)
    after = chain.apply(before, RATE)
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    assert np.abs(after).max() <= 1.0
    assert abs(lag_seconds(after, before)) < 0.005
    np.testing.assert_array_equal(after, chain.apply(before, RATE))


def test_the_same_seed_draws_the_same_chain_and_others_differ():
    drawn = [json.dumps(draw_chain(np.random.default_rng(seed), 0.8).describe()) for seed in (*range(50), 0)]
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) == 50


def test_strength_is_how_much_is_done():
    counts = [
        np.mean([len(draw_chain(np.random.default_rng(s), strength).effects) for s in range(200)])
        for strength in (0.0, 0.3, 1.0)
    ]
    assert counts[0] == 0
    assert counts[1] == pytest.approx(0.3 * counts[2], rel=0.2)
    before = strokes().astype(np.float32)
    np.testing.assert_array_equal(draw_chain(np.random.default_rng(0), 0.0).apply(before, RATE), before)


def test_every_effect_is_drawn_and_described_with_all_it_takes_to_make_it_again():
    kinds = {"Gain": Gain, "BandLimit": BandLimit, "Reverb": Reverb, "Saturation": Saturation, "Noise": Noise}
    seen = set()
    for seed in range(100):
        chain = draw_chain(np.random.default_rng(seed), 1.0)
        for effect, line in zip(chain.effects, json.loads(json.dumps(chain.describe())), strict=True):
            seen.add(name := line.pop("effect"))
            if name == "Equaliser":
                assert Equaliser(tuple(Band(**band) for band in line["bands"])) == effect
            else:
                assert {**kinds, "Codec": Codec}[name](**line) == effect
    assert seen == {*kinds, "Equaliser", "Codec"}


@dataclass(frozen=True)
class Louder:
    def apply(self, samples, sampling_rate):
        return 100.0 * samples


def test_what_goes_beyond_full_scale_is_turned_down_not_clipped():
    before = strokes()
    after = Chain((Louder(),)).apply(before, RATE)
    np.testing.assert_allclose(after, before / np.abs(before).max(), atol=1e-6)


def test_silence_and_nothing_pass_through():
    for effect in ONE_OF_EACH:
        assert np.abs(Chain((effect,)).apply(np.zeros(RATE), RATE)).max() < 1e-4
        assert Chain((effect,)).apply(np.zeros(0), RATE).shape == (0,)


@pytest.mark.parametrize(
    "samples", [np.array([0.0, np.nan]), np.array([np.inf]), np.ones(3, np.int16), np.ones((2, 2, 2))]
)
def test_samples_that_are_none_are_refused(samples):
    with pytest.raises(ValueError, match=r"give finite floating-point samples, \(samples,\) or \(samples, channels\)"):
        Chain((Gain(0.0),)).apply(samples, RATE)


def test_what_is_refused():
    with pytest.raises(ValueError, match="unknown codec 'aac': choose from mp3, vorbis, opus"):
        Codec("aac", 0.5)
    with pytest.raises(ValueError, match=r"compression=1.0: choose from 0 \(best\) to 0.95"):
        Codec("mp3", 1.0)
    with pytest.raises(ValueError, match="unknown noise 'brown': choose from white, pink, hum"):
        Noise("brown", 20.0, 0)
    with pytest.raises(ValueError, match="unknown kind of band 'notch': choose from peak, low_shelf, high_shelf"):
        Band("notch", 100.0, 1.0)
    with pytest.raises(ValueError, match=r"strength=1.5: choose from 0 \(nothing\) to 1"):
        draw_chain(np.random.default_rng(0), 1.5)
    with pytest.raises(ValueError, match="sampling_rate=0: give the rate in Hz"):
        Chain().apply(np.zeros(3), 0)
