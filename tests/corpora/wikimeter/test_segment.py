"""Segmentation: where segments lie, and cuts of real recordings, which are made here and heard again."""

import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
import soundfile

from linernotes.corpora.readers import wikimeter
from linernotes.corpora.wikimeter.catalog import Work
from linernotes.corpora.wikimeter.segment import excerpts, label_line, segment

RATE_HZ = 8_000
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None,
    reason="ffmpeg is NOT INSTALLED: the segmentation of recordings goes untested",
)
TAKE_FIVE = Work("Dave Brubeck", "Take Five", {5: 1.0}, None, "score: 5/4", "brubeck take five")
KPANLOGO = Work("Traditional", "Kpanlogo", {3: 1.0, 4: 1.0}, None, "dance", "kpanlogo")
WEIGHTED = Work("Led Zeppelin", "Kashmir", {3: 0.7, 4: 1.0}, None, "accounts", "kashmir")


def steps(seconds):
    """A tone of 100 Hz more every ten seconds: its pitch tells where in the recording one is."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 200.0 + 100.0 * (times // 10.0)
    return (0.4 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ)).astype(np.float32)


def pitch_hz(samples, rate):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return spectrum.argmax() * rate / samples.size


def record(folder):
    """A recording of three minutes, one of 50 s, one of 34 s."""
    (folder / "full").mkdir()
    for work, seconds in ((TAKE_FIVE, 180.0), (KPANLOGO, 50.0), (WEIGHTED, 34.0)):
        soundfile.write(folder / "full" / f"{work.stem}.flac", steps(seconds), RATE_HZ)
    return folder


@pytest.fixture
def folder(tmp_path):
    return record(tmp_path)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The folder of the three recordings, cut; its label file, and what was left out."""
    folder = record(tmp_path_factory.mktemp("wikimeter"))
    return folder, *segment([TAKE_FIVE, KPANLOGO, WEIGHTED], folder)


@pytest.mark.parametrize(
    ("seconds", "spans"),
    [
        (0.0, []),
        (34.9, []),
        (35.0, [(10.0, 15.0)]),
        (50.0, [(10.0, 30.0)]),
        (55.0, [(10.0, 35.0)]),
        (65.0, [(15.0, 35.0)]),  # one, in the middle
        (95.0, [(10.0, 35.0), (50.0, 35.0)]),
        (215.0, [(10.0 + 40.0 * i, 35.0) for i in range(5)]),
        (420.0, [(10.0 + 91.25 * i, 35.0) for i in range(5)]),
    ],
)
def test_segments_lie_evenly_between_the_margins(seconds, spans):
    assert excerpts(seconds) == spans


@pytest.mark.parametrize("seconds", np.arange(35.0, 700.0, 7.3))
def test_segments_keep_the_margins_and_never_meet(seconds):
    spans = excerpts(seconds)
    assert 1 <= len(spans) <= 5
    assert all(15.0 <= length <= 35.0 and start >= 10.0 - 1e-9 for start, length in spans)
    assert spans[-1][0] + spans[-1][1] <= seconds - 10.0 + 1e-9
    assert all(b[0] - (a[0] + a[1]) >= 5.0 - 1e-9 for a, b in pairwise(spans))


@pytest.mark.parametrize(
    ("meters", "line"),
    [
        ({5: 1.0}, '"/x_seg00.mp3"\t"five"\t5\t10'),
        ({3: 1.0, 4: 1.0}, '"/x_seg00.mp3"\t"three"\t3,4\t6'),
        ({4: 0.8, 3: 0.7}, '"/x_seg00.mp3"\t"three"\t3:0.7,4:0.8\t6'),
        ({3: 0.7, 4: 1.0}, '"/x_seg00.mp3"\t"three"\t3:0.7,4:1\t6'),
        ({11: 1.0}, '"/x_seg00.mp3"\t"eleven"\t11\t22'),
    ],
)
def test_lines_have_the_form_of_the_seed(meters, line):
    assert label_line("x_seg00.mp3", meters) == line


@needs_ffmpeg
def test_a_recording_becomes_segments_of_what_is_heard_there(cut):
    folder, table, left_out = cut
    names = [path.name for path in sorted((folder / "audio").iterdir())]
    assert names == [*(f"dave_brubeck_take_five_seg{n:02d}.mp3" for n in range(4)), "traditional_kpanlogo_seg00.mp3"]
    for number, (start, length) in enumerate(excerpts(180.0)):
        samples, rate = soundfile.read(folder / "audio" / names[number])
        assert (samples.ndim, rate) == (1, 44_100)
        assert samples.size / rate == pytest.approx(length, abs=0.1)
        for second in (1.0, 20.0, 33.0):
            heard = samples[round(second * rate) : round((second + 0.5) * rate)]
            assert pitch_hz(heard, rate) == pytest.approx(200.0 + 100.0 * ((start + second + 0.25) // 10.0), abs=4.0)
    assert left_out == {"led_zeppelin_kashmir.flac: it lasts 34.0 s, and a recording must last 35": 1}
    lines = table.read_text().splitlines()
    assert lines[0] == "filename\tlabel\tmeter\talt_meter"
    assert lines[1] == '"/dave_brubeck_take_five_seg00.mp3"\t"five"\t5\t10'
    assert lines[5:] == ['"/traditional_kpanlogo_seg00.mp3"\t"three"\t3,4\t6']


@needs_ffmpeg
def test_the_reader_reads_what_was_cut(cut):
    rows = wikimeter.read(cut[0])
    assert [(row["group"], row["labels"]) for row in rows] == [
        *[("dave_brubeck_take_five", ["5"])] * 4,
        ("traditional_kpanlogo", ["3", "4"]),
    ]
    assert rows.left_out == {}


@needs_ffmpeg
def test_segments_that_are_there_stay(folder):
    segment([KPANLOGO], folder)
    (part,) = (folder / "audio").iterdir()
    stamp = part.stat().st_mtime_ns
    part.with_suffix(".part").write_bytes(b"of a cut that was stopped")
    table, left_out = segment([KPANLOGO], folder)
    assert part.stat().st_mtime_ns == stamp
    assert (len(table.read_text().splitlines()), left_out) == (2, {})


@needs_ffmpeg
def test_recordings_that_cannot_be_cut_are_told_and_give_no_line(folder):
    full = folder / "full"
    whole = (full / f"{TAKE_FIVE.stem}.flac").read_bytes()
    (full / f"{TAKE_FIVE.stem}.flac").write_bytes(whole[: len(whole) // 10])
    (full / f"{WEIGHTED.stem}.flac").write_bytes(b"this is no sound")
    table, left_out = segment([TAKE_FIVE, KPANLOGO, WEIGHTED], folder)
    reasons = sorted(left_out)
    assert len(reasons) == 2
    assert reasons[0].startswith("dave_brubeck_take_five.flac: of 35 s from ")
    assert reasons[1].startswith("led_zeppelin_kashmir.flac: ")
    assert "ffprobe" in reasons[1]
    assert [line.split("\t")[0] for line in table.read_text().splitlines()[1:]] == ['"/traditional_kpanlogo_seg00.mp3"']


@needs_ffmpeg
def test_a_playlist_that_poses_as_a_recording_asks_no_server(folder):
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/secret.ts"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXTINF:60,\n{address}\n#EXT-X-ENDLIST\n"
        (folder / "full" / f"{TAKE_FIVE.stem}.flac").write_text(playlist)
        table, left_out = segment([TAKE_FIVE, KPANLOGO], folder)
        server.shutdown()
    assert asked == []
    assert [reason.split(":")[0] for reason in left_out] == ["dave_brubeck_take_five.flac"]
    assert "dave_brubeck" not in table.read_text()


@needs_ffmpeg
def test_no_recording_at_all_is_an_error(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no recording in .* gave a segment \(\{'no recording': 2\}\): download"
    ):
        segment([TAKE_FIVE, KPANLOGO], tmp_path)
    assert not (tmp_path / "data_wikimeter.tab").exists()


def test_without_ffmpeg_the_error_says_so(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(FileNotFoundError, match="ffmpeg is not installed: install ffmpeg, which brings"):
        segment([TAKE_FIVE], folder)
