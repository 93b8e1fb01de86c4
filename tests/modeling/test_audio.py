"""audio.py: every file ends in an answer that is right, or in one AudioError that says why."""

import io

import numpy as np
import pytest
import soundfile
from audio_files import (
    RATE,
    SAMPLES,
    SECONDS,
    assert_is_a,
    data_size_says,
    encode,
    flac_of_unknown_length,
    flipped,
    half,
    header_says,
    mp3_without_xing_header,
    needs_ffmpeg,
    patched,
    tone,
    transcode,
    with_sample,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.modeling.audio import AudioError, read_audio

# ---- what can be read


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 44_100),
        ("WAV", "PCM_24", 48_000),
        ("WAV", "FLOAT", 22_050),
        ("WAV", "DOUBLE", 22_050),
        ("WAV", "PCM_U8", 22_050),
        ("WAVEX", None, 44_100),
        ("RF64", None, 44_100),
        ("W64", None, 44_100),
        ("AIFF", None, 44_100),
        ("AU", None, 44_100),
        ("CAF", None, 44_100),
        ("FLAC", None, 96_000),
        ("OGG", "VORBIS", 44_100),
        ("OGG", "OPUS", 48_000),
        ("MP3", None, 44_100),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_440_hz_is_a_in_every_format(container, subtype, rate, channels):
    content = encode(container, subtype, tone(rate, channels=channels), rate)
    assert_is_a(read_audio(content, 22_050), 22_050)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".m4a", ("-c:a", "aac")),
        (".m4a", ("-c:a", "aac", "-movflags", "+faststart")),
        (".m4a", ("-c:a", "alac")),
        (".mp4", ("-c:a", "aac")),
        (".aac", ("-c:a", "aac")),
        (".wma", ("-c:a", "wmav2")),
        (".webm", ("-c:a", "libopus")),
        (".wv", ("-c:a", "wavpack")),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_440_hz_is_a_through_ffmpeg(suffix, options, as_bytes, tmp_path):
    content = transcode(suffix, *options, tmp_path=tmp_path)
    source = content if as_bytes else tmp_path / f"transcode_target{suffix}"
    assert_is_a(read_audio(source, 22_050), 22_050, tolerance_seconds=0.06)  # codecs fill their last frame


def test_mono_is_the_mean_of_the_channels():
    left, right = tone()[:, 0], tone(hz=330)[:, 0]
    expected = (left + right) / 2
    content = encode("WAV", "FLOAT", np.stack([left, right], axis=1))
    np.testing.assert_allclose(read_audio(content, RATE), expected, atol=1e-7)
    np.testing.assert_allclose(
        read_audio(np.stack([left, right]), RATE, source_sampling_rate=RATE), expected, atol=1e-7
    )


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_the_same_as_librosa_at_its_best(rate, tmp_path):
    import librosa

    path = tmp_path / "clip.flac"
    path.write_bytes(encode("FLAC", data=tone(channels=2)))
    expected, _ = librosa.load(path, sr=rate, res_type="soxr_hq")
    ours = read_audio(path, rate)
    assert abs(len(ours) - len(expected)) <= 1  # librosa rounds up
    shared = min(len(ours), len(expected))
    np.testing.assert_allclose(ours[:shared], expected[:shared], atol=1e-6)


# ---- the table: what other readers let through, and what we make of it

FLAC_AUDIO_START = 9_000  # behind libsndfile's header and padding

ANSWERED = {
    "one sample": (lambda: encode(data=tone()[:1]), 1),
    "ten samples": (lambda: encode(data=tone()[:10]), 10),
    "data size lies: 0": (lambda: data_size_says(0), SAMPLES),
    "data size lies: 2 GiB": (lambda: data_size_says(0x7FFFFFFF), SAMPLES),
    "data size lies: 2 GiB, as sox": (lambda: data_size_says(0x7FFFF000), SAMPLES),
    "data size lies: 4 GiB": (lambda: data_size_says(0xFFFFFFFF), SAMPLES),
    "data size counts its header": (lambda: data_size_says(2 * SAMPLES + 44), SAMPLES),
    "FLAC from a pipe": (lambda: flac_of_unknown_length(encode("FLAC")), SAMPLES),
    "silence": (lambda: encode(data=np.zeros(SAMPLES)), SAMPLES),
    "DC": (lambda: encode(data=np.full(SAMPLES, 0.5)), SAMPLES),
    "1,000 times full scale": (lambda: with_sample(1e3), SAMPLES),
    "8 channels at 192 kHz": (lambda: encode(data=tone(192_000, channels=8), rate=192_000), SAMPLES),
}

REFUSED = {
    "0 frames": (lambda: encode(data=tone()[:0]), "empty"),
    "0 frames, then tags": (lambda: patched(encode(data=tone()[:0]) + b"LIST\4\0\0\0INFO", 4, b"\x30"), "empty"),
    "0 bytes": (lambda: b"", "empty"),
    "0 channels": (lambda: header_says(channels=0), "not_audio"),
    "1024 channels": (lambda: header_says(channels=1024), "too_many_channels"),
    "65 channels": (lambda: encode(data=tone(8_000, 0.1, channels=65), rate=8_000), "too_many_channels"),
    "0 Hz": (lambda: header_says(rate=0), "not_audio"),
    "1 Hz": (lambda: header_says(rate=1), "bad_sampling_rate"),
    "3,999 Hz": (lambda: header_says(rate=3_999), "bad_sampling_rate"),
    "768,001 Hz": (lambda: header_says(rate=768_001), "bad_sampling_rate"),
    "2**31 - 1 Hz": (lambda: header_says(rate=2**31 - 1), "bad_sampling_rate"),
    "half a WAV": (lambda: half(encode()), "truncated"),
    "half a WAVEX": (lambda: half(encode("WAVEX")), "truncated"),
    "half an RF64": (lambda: half(encode("RF64")), "truncated"),
    "half a W64": (lambda: half(encode("W64")), "truncated"),
    "half an AIFF": (lambda: half(encode("AIFF")), "truncated"),
    "half an AU": (lambda: half(encode("AU")), "truncated"),
    "half a FLAC": (lambda: half(encode("FLAC")), "truncated"),
    "half a FLAC from a pipe": (lambda: half(flac_of_unknown_length(encode("FLAC"))), "truncated"),
    "half an OGG": (lambda: half(encode("OGG")), "truncated"),
    "half an Opus": (lambda: half(encode("OGG", "OPUS", rate=48_000)), "truncated"),
    "half an MP3": (lambda: half(encode("MP3")), "truncated"),
    "FLAC with one flipped byte": (lambda: flipped(encode("FLAC"), 1, FLAC_AUDIO_START), "truncated"),
    "FLAC with flipped bytes": (lambda: flipped(encode("FLAC"), 20, FLAC_AUDIO_START), "truncated"),
    "OGG with a flipped byte": (lambda: patched(encode("OGG"), 14_000, b"\x55\xaa"), "truncated"),
    "NaN": (lambda: with_sample(np.nan), "not_finite"),
    "Inf": (lambda: with_sample(-np.inf), "not_finite"),
    "amplitude 1e30": (lambda: with_sample(1e30), "not_finite"),
    "double 1e300": (lambda: encode(subtype="DOUBLE", data=np.full(100, 1e300)), "not_finite"),
    "cut header": (lambda: encode()[:30], "not_audio"),
    "cut magic": (lambda: b"RI", "not_audio"),
    "cut OGG header": (lambda: encode("OGG")[:20], "truncated"),
    "text": (lambda: b"la la la, la la la\n" * 100, "not_audio"),
    "PNG": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "not_audio"),
    "random bytes": (lambda: np.random.default_rng(0).bytes(20_000), "not_audio"),
    "zeros": (lambda: bytes(20_000), "not_audio"),
    "a playlist": (lambda: b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "not_audio"),
    "a concat script": (lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", "not_audio"),
    "a format that nobody needs": (lambda: encode("MAT5"), "not_audio"),
    "chunks without end": (lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 10_000, "not_audio"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_the_table_answered(name, tmp_path):
    build, samples = ANSWERED[name]
    path = tmp_path / "file.wav"
    path.write_bytes(build())
    rate = soundfile.info(path).samplerate if "data size" not in name and "pipe" not in name else RATE
    answer = read_audio(path, rate)
    assert len(answer) * RATE == samples * rate if "channels" in name else len(answer) == samples
    assert np.isfinite(answer).all()
    if samples == SAMPLES and name not in ("silence", "DC", "1,000 times full scale"):
        assert_is_a(answer, rate)


@pytest.mark.parametrize("name", REFUSED)
def test_the_table_refused(name, tmp_path):
    build, code = REFUSED[name]
    path = tmp_path / "file.wav"
    path.write_bytes(build())
    with pytest.raises(AudioError) as caught:
        read_audio(path, 22_050)
    assert caught.value.code == code
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(f"'{path}': ")
    with pytest.raises(AudioError) as caught_as_bytes:
        read_audio(build(), 22_050)
    assert (caught_as_bytes.value.code, caught_as_bytes.value.path) == (code, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1024 channels", "1024 channels, at most 64 are allowed: mix it down"),
        ("1 Hz", r"sampling rate of the audio is 1, 4000 to 768000 Hz are allowed: state the true one"),
        ("half a WAV", r"promises 88222 bytes more than it holds: the file is cut or damaged.*fetch it again"),
        ("half a FLAC", r"the sound breaks off \(.*\): the file is cut or damaged"),
        ("half an MP3", r"it holds 0\.9\d s and promises 1\.0\d s more"),
        ("NaN", r"sample 22050 \(0\.500 s\) of channel 0 is nan, finite numbers up to 1e\+06 times full scale"),
        ("Inf", r"sample 22050 \(0\.500 s\) of channel 0 is -inf"),
        ("amplitude 1e30", r"is 1\.0\d*e\+30"),
        ("text", r"no sound can be read \(.*\); it begins with b'la la.*WAV, FLAC, OGG.*convert it"),
        ("a format that nobody needs", "MAT5 is not one of the formats read here"),
        ("0 bytes", "it has 0 bytes: give a file with sound in it"),
        ("0 frames", r"no sound in it \(0 samples\)"),
    ],
)
def test_messages_say_what_was_got_what_is_allowed_and_what_to_do(name, message):
    with pytest.raises(AudioError, match=message):
        read_audio(REFUSED[name][0](), 22_050)


@pytest.mark.parametrize("position", range(FLAC_AUDIO_START, 60_000, 2_500))
def test_no_flipped_byte_of_a_flac_goes_unnoticed(position):
    content = encode("FLAC")
    with pytest.raises(AudioError) as caught:
        read_audio(patched(content, position, bytes([content[position] ^ 0x10])), RATE)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("seed", range(5))
def test_an_mp3_with_flipped_bytes_is_answered_finitely_or_refused(seed):
    content = bytearray(encode("MP3"))
    for position in np.random.default_rng(seed).integers(1_000, len(content), 200):
        content[position] ^= 0xFF
    try:
        assert np.isfinite(read_audio(bytes(content), 22_050)).all()
    except AudioError as error:
        assert error.code in ("truncated", "not_finite")  # noqa: PT017 (an answer is right as well)


def test_half_an_mp3_that_promises_nothing_is_answered():
    assert_is_a(read_audio(half(mp3_without_xing_header()), RATE), RATE, seconds=SECONDS / 2, tolerance_seconds=0.1)


def test_a_variable_bit_rate_mp3_that_promises_nothing_is_heard_to_its_end():
    content = mp3_without_xing_header()
    alone, _ = soundfile.read(io.BytesIO(content))
    assert len(alone) < 0.8 * SAMPLES  # libsndfile guesses the length from the first frame, and drops the rest
    assert_is_a(read_audio(content, RATE), RATE, tolerance_seconds=0.06)


def test_mp3s_in_a_row_are_heard_to_the_last():
    assert_is_a(read_audio(3 * encode("MP3"), RATE), RATE, seconds=3 * SECONDS, tolerance_seconds=0.2)


@needs_ffmpeg
def test_oggs_in_a_row_are_heard_to_the_last():
    content = encode("OGG") + encode("OGG")  # each has a serial number of its own
    assert_is_a(read_audio(content, RATE), RATE, seconds=2 * SECONDS, tolerance_seconds=0.06)


@pytest.mark.parametrize("name", ["song.wav", "song.raw", "song.txt", "song", "song.flac"])
def test_the_extension_does_not_matter(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(encode("MP3"))
    assert_is_a(read_audio(path, RATE), RATE)


@settings(max_examples=150)
@given(
    st.sampled_from([("WAV", None), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None), ("AIFF", None), ("RF64", None)]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0.2, 1),
)
def test_any_damage_ends_in_finite_samples_or_one_error(form, changes, kept):
    content = bytearray(encode(*form, data=tone(8_000, 0.25), rate=8_000))
    for place, value in changes:
        content[round(place**4 * (len(content) - 1))] = value  # most of them in the header
    try:
        samples = read_audio(bytes(content[: round(kept * len(content))]), 16_000, max_seconds=60)
        assert np.isfinite(samples).all()
        assert len(samples) > 0
    except AudioError as error:
        assert error.code in AudioError.__doc__  # noqa: PT017 (either end is right)
