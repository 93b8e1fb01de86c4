"""An answer of `predict` as the lines that the command line prints.

`RENDERERS` has one function a family; a family without one is printed by `anything`, which knows only the shape of
answers: text, numbers, lists, and probabilities by label.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.text import Text

RULE_WIDTH = 55
LIKELIEST = 6  # emotions that are drawn, of 28
COMMON_KEYS = ("model", "duration_seconds", "heard_seconds", "uncertain", "warnings", "timeline")


class Marks(NamedTuple):
    """The characters that pictures are made of."""

    double_rule: str = "═"
    rule: str = "─"
    full: str = "█"
    shade: str = "░"
    square: str = "▪"
    dot: str = "·"
    note: str = "🎵 "


ASCII_MARKS = Marks("=", "-", "#", ".", "*", ".", "")


def printable(text: str, encoding: str = "utf-8") -> str:
    """Text that is safe on a terminal of that encoding: control and unencodable characters as backslash escapes."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def render(answer: dict[str, Any], title: str, family: str, encoding: str = "utf-8") -> list[Text]:
    """The lines for one recording.

    Args:
        answer: what `predict` gave, not an error.
        title: the recording's name.
        family: the model's `config.model_type`.
        encoding: of where the lines are written; bars are drawn in ASCII where it is not a Unicode one.
    """
    marks = Marks() if encoding.lower().startswith("utf") else ASCII_MARKS
    lines = [
        Text(marks.double_rule * RULE_WIDTH, "dim"),
        Text(f"{marks.note}{title}", "bold"),
        Text(marks.double_rule * RULE_WIDTH, "dim"),
        *RENDERERS.get(family, anything)(answer, marks),
        *_timeline(answer.get("timeline", []), marks),
        Text(marks.rule * RULE_WIDTH, "dim"),
        *_closing(answer),
        Text(marks.double_rule * RULE_WIDTH, "dim"),
    ]
    for line in lines:
        line.plain = printable(line.plain, encoding)
    return lines


def genre(answer: dict[str, Any], marks: Marks) -> Iterator[Text]:
    """A genre mixture of experts: the genre, every genre's probability, every expert's weight, largest first."""
    yield from _one_of(answer, "genre", marks)
    yield Text("Expert gate weights:")
    yield from bars(answer["gate_weights"], 20, marks.square, marks.dot, "{:.2f}")


def label(answer: dict[str, Any], marks: Marks) -> Iterator[Text]:
    """Mega-AudioFormer, whatever it was fine-tuned for: the label, every label's probability."""
    yield from _one_of(answer, "label", marks)


def meter(answer: dict[str, Any], marks: Marks) -> Iterator[Text]:
    """BeatMeter: the leading meter, whether none is heard or several against each other, every meter's probability."""
    uncertain = ", uncertain" if answer["uncertain"] else ""
    leader = answer["predicted_meter"]
    verdict = f"{leader} ({answer['probabilities'][leader]:.0%}{uncertain})"
    yield Text.assemble("Predicted meter : ", (verdict, "bold"))
    if not answer["meters"]:
        yield Text.assemble("Meters heard    : ", ("none, no probability reaches its threshold", "bold"))
    if answer["polyrhythm"]:
        yield Text.assemble("Polyrhythm      : perhaps ", (" against ".join(answer["meters"]), "bold"))
    yield Text(marks.rule * RULE_WIDTH, "dim")
    yield Text("Meter probabilities (each for itself):")
    yield from bars(answer["probabilities"], 30, marks.full, marks.shade, "{:4.0%}")


def affect(answer: dict[str, Any], marks: Marks) -> Iterator[Text]:
    """Neural Math Rock: the emotions that hold, vibe, intensity and tempo, and the likeliest emotions."""
    uncertain = " (uncertain)" if answer["uncertain"] else ""
    emotions = ", ".join(answer["predicted_emotions"]) or "(none)"
    yield Text.assemble("Emotions  : ", (f"{emotions}{uncertain}", "bold"))
    for task in ("vibe", "intensity", "tempo"):
        choice = answer[task]
        doubt = ", uncertain" if choice["uncertain"] else ""
        verdict = f"{choice['label']} ({choice['confidence']:.0%}{doubt})"
        yield Text.assemble(f"{task.capitalize():<9} : ", (verdict, "bold"))
    yield Text(marks.rule * RULE_WIDTH, "dim")
    likeliest = sorted(answer["emotions"].items(), key=lambda item: -item[1])[:LIKELIEST]
    yield Text(f"Emotion probabilities (each for itself, the first {LIKELIEST}):")
    yield from bars(dict(likeliest), 30, marks.full, marks.shade, "{:4.0%}")


def caption(answer: dict[str, Any], marks: Marks) -> Iterator[Text]:
    """SonicVerse: the caption, key, vocals, and what is heard; the story of a long recording where it was asked for."""
    yield Text.assemble("Caption     : ", (answer["caption"] or "(none: see the warning below)", "bold"))
    for sentence in answer.get("withheld", ()):
        yield Text(f"  withheld, for it contradicts what is heard: {sentence}", "dim")
    yield Text(marks.rule * RULE_WIDTH, "dim")
    for name in ("key", "vocals"):
        if name in answer:
            choice = answer[name]
            doubt = ", uncertain" if choice["uncertain"] else ""
            yield Text.assemble(
                f"{name.capitalize():<11} : ", (f"{choice['label']} ({choice['confidence']:.0%}{doubt})", "bold")
            )
    for name in ("instruments", "moods", "genres"):
        if name in answer:
            shares = answer[name]["probabilities"]
            heard = ", ".join(f"{label} ({shares[label]:.0%})" for label in answer[name]["labels"])
            yield Text(f"{name.capitalize():<11} : {heard or '(none)'}")
    if "story" in answer:
        yield Text(marks.rule * RULE_WIDTH, "dim")
        yield Text(f"Story ({len(answer['segments'])} sections):")
        yield from (Text(f"  {line}") for line in answer["story"].splitlines())


def anything(answer: dict[str, Any], marks: Marks, indent: str = "") -> Iterator[Text]:
    """Any family's answer: shares by label as bars, largest first; the rest as `key : value`."""
    for key, value in answer.items():
        name = indent + key.replace("_", " ")
        if not indent and key in COMMON_KEYS:
            continue
        if isinstance(value, dict):
            yield Text(f"{name}:")
            if value and all(isinstance(share, float) and 0 <= share <= 1 for share in value.values()):
                yield from bars(value, 30, marks.full, marks.shade, "{:4.0%}", indent + "  ")
            else:
                yield from anything(value, marks, indent + "  ")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                yield Text(f"{name} {number}:")
                yield from anything(item, marks, indent + "  ")
        else:
            yield Text(f"{name} : {_value(value)}")


RENDERERS: dict[str, Callable[[dict[str, Any], Marks], Iterator[Text]]] = {
    "genre_moe": genre,
    "beatmeter": meter,
    "mathrock_affect": affect,
    "mega_audioformer": label,
    "sonicverse": caption,
}


def _one_of(answer: dict[str, Any], kind: str, marks: Marks) -> Iterator[Text]:
    """What a recording is, of labels that exclude each other, and the probability of each."""
    uncertain = ", uncertain" if answer["uncertain"] else ""
    verdict = f"{answer[f'predicted_{kind}'].upper()} ({answer['confidence']:.0%} confidence{uncertain})"
    yield Text.assemble(f"Predicted {kind} : ", (verdict, "bold"))
    yield Text(marks.rule * RULE_WIDTH, "dim")
    yield Text(f"{kind.capitalize()} probabilities:")
    yield from bars(answer["probabilities"], 30, marks.full, marks.shade, "{:4.0%}")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "(none)"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def bars(shares: dict[str, float], width: int, mark: str, rest: str, number: str, indent: str = "  ") -> Iterator[Text]:
    longest = max(map(len, shares))
    for label, share in sorted(shares.items(), key=lambda item: -item[1]):
        filled = round(share * width)
        bar = (mark * filled, "cyan"), (rest * (width - filled), "dim")
        yield Text.assemble(f"{indent}{label:<{longest}} [", *bar, f"] {number.format(share)}")


def _timeline(timeline: list[dict[str, Any]], marks: Marks) -> Iterator[Text]:
    if timeline:
        yield Text(marks.rule * RULE_WIDTH, "dim")
        yield Text("Timeline:")
        yield from windows(timeline)


def windows(timeline: list[dict[str, Any]]) -> Iterator[Text]:
    """One line a window: its span, what was said in words, and how confident that was; a question mark stands behind
    what is doubted by itself."""
    for window in timeline:
        choices = [value for value in window.values() if isinstance(value, dict) and "label" in value]
        said = [value for value in window.values() if isinstance(value, str)]
        said += [value["label"] + "?" * value.get("uncertain", False) for value in choices]
        confidence = f" {window['confidence']:.0%}" if "confidence" in window else ""
        of_the_whole = window.get("uncertain") and not any("uncertain" in value for value in choices)
        line = f"  {clock(window['start_seconds'])}-{clock(window['end_seconds'])}  {', '.join(said)}{confidence}"
        yield Text(line + ", uncertain" * bool(of_the_whole))


def _closing(answer: dict[str, Any]) -> Iterator[Text]:
    heard, duration = clock(answer["heard_seconds"]), clock(answer["duration_seconds"])
    yield Text(f"{answer['model']} heard {heard} of {duration}", "dim")
    for warning in answer["warnings"]:
        yield Text(f"warning: {warning}", "yellow")


def clock(seconds: float) -> str:
    """61.25 -> 1:01.2; hours only where there are any."""
    minutes, seconds = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"
