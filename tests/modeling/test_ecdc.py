"""`.ecdc` files: bytes that `encodec` 0.1.1 wrote, our own, and every way in which one is refused."""

import io
import json
import struct

import numpy as np
import pytest
from ecdc_files import write_ecdc
from pocket_codec import tiny_config

from linernotes.modeling.audio import AudioError
from linernotes.modeling.ecdc import find_ecdc, open_ecdc

# Written by `encodec.compress.compress(..., use_lm=False)` of encodec 0.1.1 around codes drawn at random.
LOW_RATE = bytes.fromhex(
    "4543444300000000387b226d223a2022656e636f6465635f32346b687a222c2022616c223a20323130302c20226e63223a20322c20226c6d22"
    "3a2066616c73657da82cf1205aed1d84a4a816c6b6d297d22d09"
)
LOW_RATE_CODES = [[168, 527, 493, 584, 534, 299, 466], [75, 360, 263, 674, 433, 607, 587]]
HIGH_RATE = bytes.fromhex(
    "4543444300000000387b226d223a2022656e636f6465635f32346b687a222c2022616c223a203936302c20226e63223a2031362c20226c6d22"
    "3a2066616c73657da916491cc190eb44e7c7f437c3f16e08a483125bee04d5574a9eba0d8a92ce02ce31bbe293438b8379ecf9197878491684"
    "685d9621c75ca544f24789"
)
HIGH_RATE_CODES = [
    [681, 238, 121], [581, 321, 635], [452, 381, 415], [772, 297, 480], [912, 670, 376], [314, 878, 402],
    [628, 160, 65], [799, 586, 418], [1012, 718, 605], [205, 896, 101], [796, 796, 114], [443, 748, 371],
    [8, 994, 165], [233, 228, 145], [296, 180, 127], [364, 526, 549],
]  # fmt: skip
PUBLISHED = [(LOW_RATE, LOW_RATE_CODES, 2100), (HIGH_RATE, HIGH_RATE_CODES, 960)]


def file_of(header: dict | bytes, packed: bytes = bytes(100), version: int = 0) -> bytes:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("!4sBI", b"ECDC", version, len(written)) + written + packed


def header(**changes) -> dict:
    return {"m": "encodec_24khz", "al": 3200, "nc": 2, "lm": False} | changes


def refusal(data: bytes, **config) -> AudioError:
    with pytest.raises(AudioError) as caught:
        open_ecdc(data, tiny_config(**config))
    return caught.value


@pytest.mark.parametrize(("data", "codes", "num_samples"), PUBLISHED, ids=["1.5 kbit/s", "12 kbit/s"])
def test_what_encodec_wrote_is_read_and_written(data, codes, num_samples):
    file = open_ecdc(data, tiny_config(0.75 * len(codes)))
    assert (file.num_codebooks, file.num_frames, file.bits) == (len(codes), len(codes[0]), 10)
    assert file.read(0, file.num_frames).tolist() == codes
    written = io.BytesIO()
    write_ecdc(written, np.array(codes), codec_name="encodec_24khz", num_samples=num_samples)
    assert written.getvalue() == data


def test_the_package_itself_reads_what_is_written_here():
    binary = pytest.importorskip("encodec.binary", reason="the encodec package is not installed")
    codes = np.random.default_rng(0).integers(0, 1024, (16, 40))
    written = io.BytesIO()
    write_ecdc(written, codes, codec_name="encodec_24khz", num_samples=40 * 320)
    written.seek(0)
    assert binary.read_ecdc_header(written) == header(al=40 * 320, nc=16)
    unpacker = binary.BitUnpacker(10, written)
    assert [[unpacker.pull() for _ in range(16)] for _ in range(40)] == codes.T.tolist()


def test_any_stretch_is_read_by_itself():
    codes = np.random.default_rng(0).integers(0, 1024, (3, 50))  # 30 bits a frame: most begin inside a byte
    written = io.BytesIO()
    write_ecdc(written, codes, codec_name="encodec_24khz", num_samples=50 * 320)
    file = open_ecdc(written.getvalue(), tiny_config())
    for start, stop in [(0, 50), (0, 1), (1, 2), (7, 23), (49, 50), (20, 20)]:
        assert file.read(start, stop).tolist() == codes[:, start:stop].tolist()


@pytest.mark.parametrize(("num_samples", "frames"), [(1, 1), (320, 1), (321, 2), (24_000 * 3, 225), (320 * 49, 49)])
def test_a_begun_frame_counts(num_samples, frames):
    data = file_of(header(al=num_samples), bytes(-(-frames * 20 // 8)))
    assert open_ecdc(data, tiny_config()).num_frames == frames


def test_it_is_known_by_its_first_bytes_in_every_form(tmp_path):
    path = tmp_path / "song.audio"
    path.write_bytes(LOW_RATE)
    for source in (path, str(path), LOW_RATE, bytearray(LOW_RATE), {"path": "x", "bytes": LOW_RATE}, {"path": path}):
        assert find_ecdc(source) == LOW_RATE
    with path.open("rb") as file:
        assert find_ecdc(file) == LOW_RATE


def test_anything_else_is_left_for_the_audio_reader(tmp_path):
    wav = io.BytesIO(b"__RIFF....")
    wav.seek(2)
    assert find_ecdc(wav) is None
    assert wav.tell() == 2
    (tmp_path / "short").write_bytes(b"EC")
    others = [b"RIFF", tmp_path / "short", tmp_path / "nowhere", tmp_path, np.zeros(5), {"array": np.zeros(5)}, None]
    assert [find_ecdc(source) for source in others] == [None] * len(others)
    assert open_ecdc(b"RIFF", tiny_config()) is None


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (file_of(header(lm=True)), "not_audio", r"a language model has compressed .* without --lm"),
        (
            file_of(header(m="encodec_48khz")),
            "not_audio",
            r"codes of 'encodec_48khz'; the model knows .*_24khz'",
        ),
        (file_of(header(nc=1)), "not_audio", "1 codebooks; the model needs 2 or more"),
        (file_of(header(nc=-8)), "not_audio", "-8 codebooks"),
        (file_of(header(), version=1), "not_audio", r"version 1 of the .ecdc format; version 0"),
        (file_of(b"{no}"), "not_audio", "header is not JSON"),
        (file_of(b"\xff\xfe"), "not_audio", "header is not JSON"),
        (file_of(b"[1]"), "not_audio", r"header is \[1\]; it must state m"),
        (file_of(header(al=1.5)), "not_audio", "it must state m"),
        (file_of({"m": "encodec_24khz", "al": 3200, "nc": 2}), "not_audio", "it must state m"),
        (file_of(b'{"m": ' + b"[" * 100_000), "not_audio", "header is not JSON"),
        (file_of(header(al=10**4000, nc=10**4000)), "not_audio", "more than any file holds"),
        (file_of(header(al=0)), "empty", "0 samples"),
        (file_of(header(al=-5)), "empty", "0 samples"),
        (file_of(header(al=2**62)), "truncated", "bytes more than it holds"),
        (file_of(header(), bytes(24)), "truncated", "1 bytes more than it holds"),
        (LOW_RATE[:30], "truncated", "ends within its header"),
        (LOW_RATE[:7], "truncated", "ends within its first 9 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused(data, code, message):
    error = refusal(data)
    assert error.code == code
    with pytest.raises(AudioError, match=message):
        raise error


def test_a_refusal_names_the_file(tmp_path):
    (tmp_path / "song.ecdc").write_bytes(LOW_RATE[:-1])
    with pytest.raises(AudioError, match=r"song.ecdc': it promises 1 bytes more") as caught:
        open_ecdc(tmp_path / "song.ecdc", tiny_config())
    assert caught.value.path == str(tmp_path / "song.ecdc")


def test_a_codec_of_ones_own_has_files_of_its_own():
    assert refusal(LOW_RATE, codec_name="pocket-codec").code == "not_audio"
    written = io.BytesIO()
    write_ecdc(written, np.array(LOW_RATE_CODES), codec_name="pocket-codec", num_samples=2100)
    assert open_ecdc(written.getvalue(), tiny_config(codec_name="pocket-codec")).read(0, 7).tolist() == LOW_RATE_CODES
