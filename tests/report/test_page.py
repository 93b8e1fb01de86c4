"""The printed joint report: what it says, at several widths, in ASCII, with hostile names."""

from io import StringIO

import pytest
from joint_reports import full_report, genre_answer, with_timeline
from rich.console import Console

from linernotes.report.joint import Heard, joint_report
from linernotes.report.page import MOST_SECTIONS, page, verdict


def printed(report: dict, title: str = "My Song.mp3", columns: int = 80, **options) -> str:
    out = StringIO()
    terminal = Console(file=out, width=columns, markup=False, highlight=False, emoji=False)
    terminal.print(page(report, title, columns=columns, **options))
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_answers_every_question():
    text = printed(full_report())
    for line in (
        "A slow jazz piece in A minor, with a piano & a double bass.",
        "Genre        jazz (74%)",
        "             sonicverse-smol: jazz (80%)",
        "Emotions     joy (80%), calm (60%)",
        "Moods        nothing for sure; likeliest calm (40%)",
        "Meter        4 (80%)",
        "Instruments  piano (90%), doublebass (70%)",
        "Kind         music (98%)",
        "0:00.0-0:30.0  jazz, chill, low, slow, meter 4, A minor, instrumental, music",
        "0:36.0-1:00.0  blues, chill, low, slow, meter 3?, A minor, instrumental, music",
    ):
        assert line in text
    assert "Gate weights of the experts" in text
    assert "genre-moe 0.2 s" in words(text)
    assert "decoding 0.1 s: heard in 5.1 s" in words(text)


@pytest.mark.parametrize(("columns", "beside"), [(40, 1), (80, 2), (120, 3), (300, 3)])
def test_no_line_is_wider_than_the_terminal_and_lists_stand_side_by_side(columns, beside):
    lines = printed(full_report(timeline=True), columns=columns).splitlines()
    assert max(map(len, lines)) <= min(columns, 120)
    assert max(line.count("[") for line in lines) == beside


@pytest.mark.parametrize("options", [{"plain": True}, {"encoding": "ascii"}])
def test_a_plain_page_is_ascii(options):
    text = printed(full_report(timeline=True), **options)
    assert text.isascii()
    assert "#" in text


def test_names_and_words_from_files_are_taken_literally():
    report = full_report()
    report["caption"]["text"] = "[bold]loud[/bold]\x1b[31m"
    text = printed(report, title="[red]x\n\x1b[2J:smile:.mp3")
    assert "[red]x\\n\\x1b[2J:smile:.mp3" in text
    assert "[bold]loud[/bold]\\x1b[31m" in text
    assert "\x1b" not in text


def test_doubts_warnings_and_gaps_are_said():
    answer = with_timeline(genre_answer(uncertain=True, warnings=["it is short"]), 60.0, [{}])
    report = joint_report("x", [Heard("genre_moe", "genre-moe", answer, 1.0)], decoding_seconds=0, timeline=True)
    text = printed(report)
    assert "jazz (74%)  uncertain" in text
    assert "Uncertain: Genre" in text
    assert "Warning: it is short (genre-moe)" in text
    assert "No model here answers: Emotions, Moods, Vibe" in words(text)
    assert "No answer changes from beginning to end." in text
    assert "Timeline of genre-moe:\n  0:00.0-1:00.0  jazz" in text


def test_a_second_model_that_doubts_says_so():
    report = full_report()
    report["genre"]["also"][0]["uncertain"] = True
    assert "sonicverse-smol: jazz (80%)  uncertain" in printed(report)


def test_many_sections_are_cut_and_counted():
    changes = [genre_answer("jazz" if n % 2 else "rock") for n in range(MOST_SECTIONS + 6)]
    answer = with_timeline(genre_answer(), 10.0, changes)
    report = joint_report("x", [Heard("genre_moe", "genre-moe", answer, 1.0)], decoding_seconds=0, timeline=False)
    assert "and 6 more; --json has them all" in printed(report)


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        ({"labels": ["3", "4"], "polyrhythm": True}, "perhaps a polyrhythm: 3 against 4 (70%, 60%)"),
        ({"labels": ["3", "4"], "polyrhythm": False}, "3 (70%), also 4 (60%)"),
        ({"labels": [], "polyrhythm": False}, "none for sure; likeliest 3 (70%)"),
    ],
)
def test_meters_in_a_few_words(meter, said):
    shares = {"probabilities": {"3": 0.7, "4": 0.6, "5": 0.1}}
    assert verdict("meter", {"label": "3", "confidence": 0.7, **shares, **meter}) == said
