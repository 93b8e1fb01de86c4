"""A joint report as the page that the command line prints: rich tables without lines, which fit any width.

Everything that comes from a file (its name, a caption) goes through `printable`; nothing is read as markup.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from linernotes.rendering import ASCII_MARKS, Marks, bars, clock, printable, windows
from linernotes.report.joint import FOLLOWED

MOST_COLUMNS = 120  # wider lines are not read with ease
BLOCK_COLUMNS = 38  # of one list of probabilities
BAR_COLUMNS = 14
LIKELIEST = 6  # of long lists
MOST_SECTIONS = 24
NAMES = {"speech_music": "Kind"}  # others are called what they are
BLOCKS = ("genre", "meter", "emotions", "moods", "vibe", "intensity", "tempo", "key", "vocals", "instruments")


def page(
    report: dict[str, Any], title: str, *, columns: int = 80, encoding: str = "utf-8", plain: bool = False
) -> Constrain:
    """What rich prints for one recording.

    Args:
        report: of `linernotes.listen`, not an error.
        title: the recording's name.
        columns: of the terminal; no more than 120 are used.
        encoding: of where it is printed.
        plain: bars and rules of ASCII, as for a file or a pipe.
    """
    marks = ASCII_MARKS if plain or not encoding.lower().startswith("utf") else Marks()
    columns = min(columns, MOST_COLUMNS)
    parts = [
        *_heading(report, printable(title, encoding), marks, columns),
        *_caption(report, encoding),
        _summary(report, encoding),
        *_blocks(report, marks, columns, encoding),
        *_sections(report, marks, columns, encoding),
        *_windows(report, marks, columns, encoding),
        *_closing(report, marks, columns, encoding),
    ]
    return Constrain(Group(*parts), columns)


def name_of(question: str) -> str:
    return NAMES.get(question, question.capitalize())


def verdict(question: str, answer: dict[str, Any] | None) -> str:
    """An answer in a few words."""
    if answer is None:
        return "no model for it is here"
    if question == "meter":
        return _meter(answer)
    if "label" in answer and "labels" not in answer:
        return f"{answer['label']} ({answer['confidence']:.0%})"
    shares = answer["probabilities"]
    heard = [f"{label} ({shares[label]:.0%})" for label in answer["labels"]]
    if not heard:
        likeliest = max(shares, key=shares.get)
        return f"nothing for sure; likeliest {likeliest} ({shares[likeliest]:.0%})"
    return ", ".join(heard[:LIKELIEST]) + (f" and {len(heard) - LIKELIEST} more" if len(heard) > LIKELIEST else "")


def others(question: str, answer: dict[str, Any]) -> list[tuple[str, bool]]:
    """What models behind the one that is believed say to the same question, and whether they doubt it."""
    return [(f"{each['model']}: {verdict(question, each)}", each["uncertain"]) for each in answer.get("also", ())]


def _meter(answer: dict[str, Any]) -> str:
    shares, heard = answer["probabilities"], answer["labels"]
    if answer["polyrhythm"]:  # that both are heard says little of whether they go against each other
        return f"perhaps a polyrhythm: {' against '.join(heard)} ({', '.join(f'{shares[each]:.0%}' for each in heard)})"
    said = f"{answer['label']} ({answer['confidence']:.0%})"
    if not heard:
        return f"none for sure; likeliest {said}"
    others = ", ".join(f"{each} ({shares[each]:.0%})" for each in heard if each != answer["label"])
    return said + (f", also {others}" if others else "")


def _heading(report: dict[str, Any], title: str, marks: Marks, columns: int) -> Iterator[RenderableType]:
    rule = Text(marks.double_rule * columns, "dim", no_wrap=True, overflow="crop")
    line = Table.grid(expand=False, padding=(0, 2))
    line.add_column(overflow="fold")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(Text(f"{marks.note}{title}", "bold"), Text(clock(report["duration_seconds"]), "dim"))
    yield from (rule, line, rule)


def _caption(report: dict[str, Any], encoding: str) -> Iterator[RenderableType]:
    if (caption := report["caption"]) is None:
        return
    yield Padding(Text(caption_text(caption, encoding), "italic"), (0, 0, 1, 0))


def caption_text(caption: dict[str, Any], encoding: str = "utf-8") -> str:
    """The story of a recording that was told part by part, else its caption; its lines are kept."""
    text = caption.get("story") or caption["text"]
    return "\n".join(printable(line, encoding) for line in text.splitlines())


def _summary(report: dict[str, Any], encoding: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for question in (*BLOCKS, "speech_music"):
        if (answer := report[question]) is not None:
            said = Text(printable(verdict(question, answer), encoding), "bold")
            if answer["uncertain"]:
                said.append("  uncertain", "yellow")
            table.add_row(Text(name_of(question)), said)
            for words, doubt in others(question, answer):
                table.add_row("", Text(printable(words, encoding) + ("  uncertain" if doubt else ""), "dim"))
    return table


def _blocks(report: dict[str, Any], marks: Marks, columns: int, encoding: str) -> Iterator[RenderableType]:
    """Lists of probabilities side by side, as many as fit."""
    found = []
    for question in BLOCKS:
        if (answer := report[question]) is not None:
            found.append(_block(name_of(question), answer["probabilities"], marks, encoding))
            if "gate_weights" in answer:
                found.append(_block("Gate weights of the experts", answer["gate_weights"], marks, encoding))
    if not found:
        return
    yield _rule(marks, columns)
    side_by_side = max(1, columns // (BLOCK_COLUMNS + 2))
    grid = Table.grid(padding=(0, 2))
    for start in range(0, len(found), side_by_side):
        row = found[start : start + side_by_side]
        grid.add_row(*row, *[""] * (side_by_side - len(row)))
    yield grid


def _block(name: str, shares: dict[str, float], marks: Marks, encoding: str) -> Text:
    likeliest = dict(sorted(shares.items(), key=lambda item: -item[1])[:LIKELIEST])
    width = min(max(map(len, likeliest)), BLOCK_COLUMNS - BAR_COLUMNS - 9)
    cut = {printable(label, encoding)[:width]: share for label, share in likeliest.items()}
    rest = f" (first {LIKELIEST} of {len(shares)})" if len(shares) > LIKELIEST else ""
    lines = [Text(f"{name}{rest}"), *bars(cut, BAR_COLUMNS, marks.full, marks.shade, "{:4.0%}", " ")]
    return Text("\n", no_wrap=True).join([*lines, Text()])


def _sections(report: dict[str, Any], marks: Marks, columns: int, encoding: str) -> Iterator[RenderableType]:
    """Where the music changes: what is new in a section is bold."""
    sections = report["sections"]
    if not sections:
        return
    yield _rule(marks, columns)
    if len(sections) == 1:
        yield Text("No answer changes from beginning to end.")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before: dict[str, str] = {}
    for section in sections[:MOST_SECTIONS]:
        words = Text()
        for question in (name for name in FOLLOWED if name in section["labels"]):
            label = section["labels"][question]
            doubt = "?" if question in section["uncertain"] else ""
            said = f"{'meter ' if question == 'meter' else ''}{printable(label, encoding)}{doubt}"
            words.append(", " if words else "").append(said, "bold" if before.get(question) != label else "dim")
        before = section["labels"]
        table.add_row(Text(f"{clock(section['start_seconds'])}-{clock(section['end_seconds'])}"), words)
    yield Text("Sections, each where an answer changes (?: uncertain)")
    yield table
    if len(sections) > MOST_SECTIONS:
        yield Text(f"and {len(sections) - MOST_SECTIONS} more; --json has them all", "dim")


def _windows(report: dict[str, Any], marks: Marks, columns: int, encoding: str) -> Iterator[RenderableType]:
    for model in report["models"]:
        if "timeline" in model:
            yield _rule(marks, columns)
            for line in (Text(f"Timeline of {model['model']}:"), *windows(model["timeline"])):
                line.plain = printable(line.plain, encoding)
                yield line


def _closing(report: dict[str, Any], marks: Marks, columns: int, encoding: str) -> Iterator[RenderableType]:
    yield _rule(marks, columns)
    if report["uncertain"]:
        yield Text(f"Uncertain: {', '.join(map(name_of, report['uncertain']))}", "yellow")
    for warning in report["warnings"]:
        yield Text(printable(f"Warning: {warning['text']} ({', '.join(warning['models'])})", encoding), "yellow")
    if report["unanswered"]:
        yield Text(f"No model here answers: {', '.join(map(name_of, report['unanswered']))}", "dim")
    took = [f"{each.get('model', each['source'])} {each['seconds']:.1f} s" for each in report["models"]]
    decoding, total = report["decoding_seconds"], report["total_seconds"]  # models were loaded before
    spent = f"{', '.join(took)}, decoding {decoding:.1f} s: heard in {total:.1f} s"
    yield Text(printable(spent, encoding), "dim")


def _rule(marks: Marks, columns: int) -> Text:
    return Text(marks.rule * columns, "dim", no_wrap=True, overflow="crop")
