"""Downloads, with a yt-dlp that answers from memory: what is asked, refused, kept, logged, and when it is given up."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from linernotes.corpora.wikimeter.catalog import Work
from linernotes.corpora.wikimeter.download import download, recording_of


def work(title, video_id=None):
    return Work("A", title, {3: 1.0}, video_id, "score: 3/4", f"A {title}")


@pytest.fixture
def youtube(monkeypatch):
    """`videos` are the finds of every search, or an error; `asked` what was asked; `pauses` the seconds slept."""
    world = SimpleNamespace(videos={}, asked=[], pauses=[], options=[])

    class YoutubeDL:
        def __init__(self, options):
            self.options = options
            world.options.append(options)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def extract_info(self, target, download):
            world.asked.append(target)
            finds = world.videos.get(target, OSError("HTTP Error 404"))
            if isinstance(finds, OSError):
                self.options["logger"].error(f"ERROR: {finds}")
                return None
            entries = [self.entry(dict(find)) for find in finds]
            return {"entries": entries} if target.startswith("ytsearch") else entries[0]

        def entry(self, video):
            unsuitable = self.options["match_filter"]
            if unsuitable({"id": video["id"]}, incomplete=True) or unsuitable(video, incomplete=False):
                return video
            name = self.options["outtmpl"].replace("%(ext)s", "webm")
            Path(self.options["paths"]["home"], name).write_text(video["id"])
            video["requested_downloads"] = [{}]
            return video

    monkeypatch.setitem(sys.modules, "yt_dlp", SimpleNamespace(YoutubeDL=YoutubeDL))
    monkeypatch.setattr("time.sleep", world.pauses.append)
    return world


def video(number, seconds=200.0):
    return {"id": f"video-{number:05d}", "title": f"Video {number}", "duration": seconds}


def test_a_work_is_searched_for_and_a_known_video_is_taken(youtube, tmp_path):
    youtube.videos = {"ytsearch5:A Waltz": [video(1)], "https://www.youtube.com/watch?v=video-00002": [video(2)]}
    seen = []
    downloads = download(
        [work("Waltz"), work("Minuet", "video-00002")],
        tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (downloads.fetched, downloads.there, downloads.failed) == (2, 0, {})
    assert seen == [(1, 2), (2, 2)]
    assert recording_of(tmp_path, work("Waltz")).name == "a_waltz.webm"
    log = [json.loads(line) for line in (tmp_path / "downloads.jsonl").read_text().splitlines()]
    about = {"stem": "a_minuet", "artist": "A", "title": "Minuet", "video_id": "video-00002"}
    assert log[1] == about | {"video_title": "Video 2", "seconds": 200.0}


def test_it_is_slow_on_purpose(youtube, tmp_path):
    youtube.videos = {f"ytsearch5:A {n}": [video(n)] for n in range(3)}
    download([work(str(n)) for n in range(3)], tmp_path, pause_seconds=7.0)
    assert youtube.pauses == [7.0, 7.0]
    assert all(options["ratelimit"] == 2_000_000 and options["sleep_interval_requests"] for options in youtube.options)


def test_what_is_there_is_not_asked_for_again_and_what_is_unfinished_is(youtube, tmp_path):
    youtube.videos = {"ytsearch5:A Waltz": [video(1)], "ytsearch5:A Jig": [video(2)]}
    download([work("Waltz")], tmp_path)
    (tmp_path / "full" / "a_jig.webm.part").write_text("half")
    (tmp_path / "full" / "a_waltz_two.webm").write_text("another work's")
    downloads = download([work("Waltz"), work("Jig")], tmp_path)
    assert (downloads.fetched, downloads.there) == (1, 1)
    assert youtube.asked == ["ytsearch5:A Waltz", "ytsearch5:A Jig"]
    assert youtube.pauses == []


def test_the_first_find_that_suits_is_fetched(youtube, tmp_path):
    youtube.videos = {
        "ytsearch5:A Waltz": [video(1, 20.0), video(2, 36_000.0), video(3), video(4)],
        "ytsearch5:A Twin": [video(3), video(5)],
        "ytsearch5:A Teaser": [video(6, 34.0)],
    }
    downloads = download([work("Waltz"), work("Twin"), work("Teaser")], tmp_path)
    assert recording_of(tmp_path, work("Waltz")).read_text() == "video-00003"
    assert recording_of(tmp_path, work("Twin")).read_text() == "video-00005"  # 3 is the waltz
    assert downloads.failed == {"a_teaser": "no new video of 35 to 1800 s for 'ytsearch5:A Teaser'"}


def test_a_work_that_fails_is_told_and_the_others_go_on(youtube, tmp_path):
    youtube.videos = {"ytsearch5:A Waltz": [video(1)]}
    downloads = download([work("Gone"), work("Waltz")], tmp_path)
    assert downloads.fetched == 1
    assert downloads.failed == {"a_gone": "ERROR: HTTP Error 404"}


def test_five_failures_in_a_row_end_it(youtube, tmp_path):
    youtube.videos = {"ytsearch5:A 2": [video(2)]}
    with pytest.raises(ConnectionError, match=r"5 works in a row failed, the last \(a_7\) .*404.* go on later"):
        download([work(str(n)) for n in range(20)], tmp_path)
    assert len(youtube.asked) == 8
    assert recording_of(tmp_path, work("2"))


def test_without_yt_dlp_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(ModuleNotFoundError, match=r'yt-dlp is not installed: pip install "linernotes\[wikimeter\]"'):
        download([work("Waltz")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_yt_dlp_would_expand_is_refused(youtube, tmp_path):
    with pytest.raises(ValueError, match=r"yt-dlp takes \$ in a path for a variable"):
        download([work("Waltz")], tmp_path / "$HOME")
