"""The page in a real Chromium: driven by hand as a visitor would, wide and narrow, light and dark.

Chromium is found on the PATH (Debian's package `chromium`); playwright drives it, and brings no browser of its own.
"""

import json
import os
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joint_reports import full_report
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser, Page, expect, sync_playwright

from linernotes.decoding import decoded
from linernotes.listening import Listener
from linernotes.report import joint
from linernotes.report.html import html_page, song_of

SCHEMA = Draft202012Validator(json.loads(Path(joint.__file__).with_name("listen.schema.json").read_text()))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TIMEOUT_MS = 180_000  # of a machine that does much else
# of every text that can be seen, how much it stands out from what is behind it, by WCAG 2
CONTRASTS = """() => {
  const linear = (c) => c <= .03928 * 255 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(node).backgroundColor);
      if (alpha > .5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const seen = [];
  for (const node of document.querySelectorAll("#heading *, #status *, #notes *, button, label span")) {
    const text = [...node.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data.trim()).join("");
    if (!text || !node.checkVisibility() || node.closest(".sound, svg")) continue;
    const [one, other] = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    seen.push([text, (one + .05) / (other + .05)]);
  }
  return seen;
}"""

# of the label of every stretch, how much of it lies within
LABELS = """() => Object.fromEntries([...document.querySelectorAll(".stretches > span")].map((stretch) => {
  const [room, label] = [stretch, stretch.firstElementChild].map((each) => each.getBoundingClientRect());
  const beside = label.left >= room.left && label.right <= room.right;
  const within = beside && label.top >= room.top && label.bottom <= room.bottom;
  return [stretch.textContent.trim(), within ? "whole" : label.top >= room.bottom ? "not seen" : "cut"];
}))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        words = "!!! no Chromium on the PATH: the page is not tested in a browser (apt-get install chromium) !!!"
        warnings.warn(words, stacklevel=1)
        pytest.skip(words)
    # nobody presses a key before a recording is played here; the microphone beeps; root has no sandbox
    flags = ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"]
    flags += ["--use-fake-ui-for-media-stream", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site) -> Iterator[Callable[..., Page]]:
    """visit(width and height, scheme): the page in a window of its own; fails where it asked anybody else."""
    asked, contexts = [], []

    def open_page(viewport: dict = WIDE, scheme: str = "light") -> Page:
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme, accept_downloads=True))
        contexts[-1].set_default_timeout(TIMEOUT_MS)
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(site.address)
        page.wait_for_selector("#listen")
        return page

    yield open_page
    for context in contexts:
        context.close()
    addresses = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert addresses
    assert [url for url in addresses if not url.startswith(site.address)] == []


def listen(page: Page, file: Path) -> None:
    page.set_input_files("#recording input[type=file]", file)
    expect(page.locator("#recording input[type=file]")).to_have_count(0, timeout=TIMEOUT_MS)  # the upload is there
    page.click("#listen")


def wait_for_the_whole(page: Page) -> None:
    expect(page.locator(".notes article")).to_contain_text("No model here answers", timeout=TIMEOUT_MS)
    expect(page.locator("#status p")).to_have_count(0, timeout=TIMEOUT_MS)


@pytest.mark.slow
def test_a_visitor_hears_reads_and_takes_along(visit, site, song, listener, monkeypatch):
    native, goes_on = Listener._ask, threading.Event()

    def ask(member, *arguments, **asked):
        if member.model.config.model_type == "beatmeter":
            goes_on.wait(TIMEOUT_MS / 1000)
        return native(member, *arguments, **asked)

    monkeypatch.setattr(Listener, "_ask", staticmethod(ask))
    file = song("from the browser.wav")
    page = visit()
    listen(page, file)
    expect(page.locator(".notes article")).to_contain_text("Still to listen: tiny-meter", timeout=TIMEOUT_MS)
    expect(page.locator("#status")).to_contain_text("tiny-meter listens (2 of 2)")
    goes_on.set()
    wait_for_the_whole(page)
    monkeypatch.undo()
    assert site.left() == []
    expected = listener.listen(str(file))
    article = page.locator(".notes article")
    expect(article.locator("h1")).to_have_text("from the browser.wav")
    expect(article.locator("dd").first).to_contain_text(expected["genre"]["label"])

    with page.expect_download() as download:
        page.click("#save")
    report = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    SCHEMA.validate(report)
    assert download.value.suggested_filename == "from the browser.json"
    assert {key: report[key] for key in joint.QUESTIONS} == {key: expected[key] for key in joint.QUESTIONS}

    # a stretch plays from its start, though the server has the file no longer; what sounds is marked
    stretch = page.locator("[data-start-seconds]").last
    start = float(stretch.get_attribute("data-start-seconds"))
    stretch.click()
    page.wait_for_function(f"document.querySelector('#player audio').currentTime > {start} + 0.2")
    assert page.evaluate("!document.querySelector('#player audio').paused")
    expect(stretch).to_have_class(re.compile(r"\bnow\b"))
    page.evaluate("document.querySelector('#player audio').pause()")
    page.evaluate("document.querySelector('#player audio').currentTime = 1")
    page.wait_for_function("parseFloat(document.querySelector('.notes article').style.getPropertyValue('--now')) < 15")
    stretch.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('#player audio').currentTime >= {start}")
    page.evaluate("document.querySelector('#player audio').addEventListener('play', (event) => event.target.pause())")
    page.evaluate("document.querySelector('#player audio').pause()")
    page.locator(".sound").click()  # in its middle
    page.wait_for_function("Math.abs(document.querySelector('#player audio').currentTime - 3.5) < 0.2")


@pytest.mark.slow
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_fits_and_can_be_read(visit, song, viewport, scheme, tmp_path):
    page = visit(viewport, scheme)
    assert page.locator("#recording").bounding_box()["width"] > 0.8 * min(viewport["width"], 1100)
    listen(page, song("a name that is long enough to be broken somewhere_" + "and_on" * 12 + ".wav"))
    wait_for_the_whole(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    for part in page.locator(".notes section, .notes h1").all():
        place = part.bounding_box()
        assert place["x"] + place["width"] <= viewport["width"]
    seen = page.evaluate(CONTRASTS)
    assert len(seen) > 30
    assert [each for each in seen if each[1] < 4.5] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
    page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    assert (tmp_path / f"{scheme}.png").stat().st_size > 20_000


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_label_is_whole_or_not_seen(browser, song, viewport, tmp_path):
    """In the file of `--html`, whose stretches are as narrow as the music changes fast."""
    report = full_report()
    ends = {"classical": 40.0, "blues": 57.0, "jazz": 57.2, "electronic": 60.0}
    starts = [0.0, *ends.values()]
    report["sections"] = [
        {"start_seconds": start, "end_seconds": end, "labels": {"genre": label}, "uncertain": ["genre"]}
        for start, (label, end) in zip(starts, ends.items(), strict=False)
    ]
    with decoded(song("narrow.wav")) as sound:
        (tmp_path / "page.html").write_text(html_page([song_of(report, "x", sound)]), encoding="utf-8")
    page = browser.new_page(viewport=viewport)
    page.goto((tmp_path / "page.html").as_uri())
    page.screenshot(path=tmp_path / "page.png")
    seen = page.evaluate(LABELS)
    page.close()
    assert {seen[label] for label in ("classical?", "blues?")} == {"whole"}
    assert {seen[label] for label in ("jazz?", "electronic?")} == {"not seen"}


@pytest.mark.slow
def test_what_cannot_be_heard_is_told(visit, site, tmp_path):
    page = visit(NARROW)
    page.click("#listen")
    expect(page.locator("#status [role=alert]")).to_contain_text("there is no recording yet", timeout=TIMEOUT_MS)
    (tmp_path / "words.wav").write_bytes(b"no sound in here")
    listen(page, tmp_path / "words.wav")
    expect(page.locator("#status [role=alert]")).to_contain_text("'words.wav': ", timeout=TIMEOUT_MS)
    expect(page.locator(".notes article")).to_have_count(0)
    assert site.left() == []
    (tmp_path / "large.wav").write_bytes(b"\0" * 1_100_000)
    page.set_input_files("#recording input[type=file]", tmp_path / "large.wav")
    expect(page.locator("body")).to_contain_text("exceed the maximum allowed size", timeout=TIMEOUT_MS)
    assert site.left() == []


@pytest.mark.slow
def test_the_example_is_one_press_away(visit):
    page = visit()
    page.click("#example")
    expect(page.locator("#recording input[type=file]")).to_have_count(0, timeout=TIMEOUT_MS)
    page.click("#listen")
    wait_for_the_whole(page)
    expect(page.locator(".notes h1")).to_have_text("morning_mood.ogg")


@pytest.mark.slow
def test_a_recording_is_made_and_heard(visit, site):
    page = visit()
    page.context.grant_permissions(["microphone"])
    page.click("#recording button[aria-label='Record audio']")
    page.click("#recording button.record-button")
    page.wait_for_timeout(2500)
    with page.expect_response(lambda response: "/upload" in response.url, timeout=TIMEOUT_MS):
        page.click("#recording button.stop-button")
    expect(page.locator("#recording .record-button")).to_have_count(0, timeout=TIMEOUT_MS)  # the upload is there
    page.click("#listen")
    wait_for_the_whole(page)
    assert float(page.locator(".notes article").get_attribute("data-duration-seconds")) > 1.5
    assert site.left() == []
