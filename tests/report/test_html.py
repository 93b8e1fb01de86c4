"""The web page: all in one file, everything escaped, its picture of the right sound."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from joint_reports import full_report, genre_answer, with_timeline
from matplotlib.image import imread

from linernotes.decoding import decoded
from linernotes.report.html import html_page, html_part, html_style, song_of
from linernotes.report.joint import Heard, joint_report
from linernotes.report.page_pictures import COLUMNS, gate_radar, spectrogram_address

HOSTILE = '<script>alert(1)</script>" onload="x&\x1b[2J.mp3'
VOID = {"meta", "img", "link", "br", "use", "path"}


class Tags(HTMLParser):
    """The elements of a page with their attributes; fails where they are not nested."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def parsed(page: str) -> list[tuple[str, dict]]:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags.seen


@pytest.fixture
def sound(recording):
    with decoded(recording) as sound:
        yield sound


def test_the_page_is_whole_and_asks_nobody_for_anything(sound):
    seen = parsed(page := html_page([song_of(full_report(), "My Song.mp3", sound)]))
    addresses = [value for _, attributes in seen for name, value in attributes.items() if name in ("src", "href")]
    assert addresses
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in seen}
    assert "prefers-color-scheme: dark" in page


def test_the_page_says_what_the_report_says(sound):
    page = html_page([song_of(full_report(), "My Song.mp3", sound)])
    for text in ("jazz (74%)", "A minor (80%)", "a piano &amp; a double bass", "heard in 5.1 s", "0:30.0 to 1:00.0"):
        assert text in page
    assert page.count('class="stretches"') == 8
    assert 'class="c1 unsure"' in page


def test_the_answer_of_a_second_model_stands_below_the_one_that_is_believed(sound):
    report = full_report()
    report["genre"]["also"][0] |= {"model": "<i>", "uncertain": True}
    part = html_part(song_of(report, "x", sound))
    said = '&lt;i&gt;: jazz (80%) <span class="doubt">uncertain</span>'
    assert f'<dt>Genre</dt><dd>jazz (74%)<span class="also">{said}</span></dd>' in part
    assert part.count('class="also"') == 1


def test_hostile_names_and_labels_are_text(sound):
    report = full_report()
    report["caption"]["text"] = report["genre"]["label"] = report["warnings"] = HOSTILE
    report["warnings"] = [{"text": HOSTILE, "models": [HOSTILE]}]
    report["instruments"] |= {"labels": [HOSTILE], "probabilities": {HOSTILE: 0.5}}
    report["genre"]["gate_weights"] = {HOSTILE: 0.6, "b": 0.3, "$x^2$": 0.1}
    report["sections"][0]["labels"]["key"] = HOSTILE
    report["models"][0]["source"] = HOSTILE
    song = song_of(report, HOSTILE, sound)
    seen = parsed(page := html_page([song]))
    assert "script" not in {tag for tag, _ in seen}
    assert not [attributes for _, attributes in seen if "onload" in attributes]
    assert "\x1b" not in page


def test_several_songs_stand_on_one_page(sound):
    songs = [song_of(full_report(), name, sound) for name in ("a.mp3", "b.mp3")]
    page = html_page(songs)
    parsed(page)
    assert page.count("<article>") == 2
    assert "<title>2 recordings</title>" in page


def test_a_part_for_a_page_that_plays_can_be_pressed_and_read_before_it_is_whole(sound):
    song = song_of(full_report(), "x", sound, spectrogram="data:,", waiting=["<b>"], playable=True)
    seen = parsed(part := html_part(song))
    stretches = [attributes for _, attributes in seen if "data-start-seconds" in attributes]
    assert len(stretches) == 10
    assert all(each["role"] == "button" and each["tabindex"] == "0" for each in stretches)
    assert (stretches[1]["data-start-seconds"], stretches[1]["data-end-seconds"]) == ("30.0", "60.0")
    assert dict(seen)["article"] == {"data-duration-seconds": "60.0"}
    assert dict(seen)["img"]["src"] == "data:,"
    assert "Still to listen: &lt;b&gt;." in part


def test_the_styles_touch_nothing_but_the_notes():
    style = re.sub(r"@media [^{]*\{|\{[^{}]*\}", "", html_style())
    selectors = [line.strip() for line in re.split(r"[}\n]", style) if line.strip()]
    assert len(selectors) > 30
    assert all(selector.startswith((".notes", ".dark .notes")) for selector in selectors)


def test_a_report_of_one_model_has_a_page(sound):
    answer = with_timeline(genre_answer() | {"gate_weights": {}}, 60.0, [{}])
    report = joint_report("x", [Heard("genre_moe", "genre-moe", answer, 1.0)], decoding_seconds=0, timeline=False)
    page = html_page([song_of(report, "x", sound)])
    parsed(page)
    assert "<svg" not in page
    assert "No model here answers: Emotions" in page


def picture(path) -> np.ndarray:
    with decoded(path) as sound:
        image = spectrogram_address(sound).removeprefix("data:image/png;base64,")
    return imread(io.BytesIO(base64.b64decode(image)))[..., :3].sum(-1)  # rows from high to low frequencies


def test_the_spectrogram_shows_when_and_how_high(tmp_path):
    times = np.arange(44100 * 30) / 44100
    low_then_high = np.where(times < 15, np.sin(2 * np.pi * 300 * times), np.sin(2 * np.pi * 6000 * times))
    soundfile.write(tmp_path / "x.wav", 0.5 * low_then_high, 44100)
    brightness = picture(tmp_path / "x.wav")
    height, width = brightness.shape
    assert width == COLUMNS
    first, second = brightness[:, : width // 2 - 5].mean(1), brightness[:, width // 2 + 5 :].mean(1)
    assert first.argmax() > 0.8 * height
    assert second.argmax() < 0.4 * height


def test_a_very_short_recording_has_a_picture(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.random.default_rng(0).normal(scale=0.1, size=3000), 8000)
    assert picture(tmp_path / "x.wav").size


def test_pictures_are_the_same_every_time():
    assert gate_radar({"a": 0.5, "b": 0.3, "c": 0.2}) == gate_radar({"a": 0.5, "b": 0.3, "c": 0.2})
