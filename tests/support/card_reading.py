"""Reads a model card back and traces every number on it to the files beside it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from huggingface_hub import ModelCard

from linernotes.hub_upload.card_words import METRICS, is_figure

NUMBER = re.compile(r"(?<![\w.])(?<!\w-)-?\d+(?:,\d{3})*(?:\.\d+)*(?!\w)")  # none in names: F1, Apache-2.0
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\([^)]*\)")


# Reading a card back


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text()) if (folder / name).is_file() else {}


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "card.md").read_text().split("---\n")[1])


def sections_of(text: str) -> dict[str, str]:
    """Heading -> text of the second level, fences left out."""
    _, *parts = re.split(r"^## (.+)\n", FENCE.sub("", text), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def evaluations_in(text: str) -> dict[str, str]:
    """Title -> text of each evaluation; the text before the first stands under ""."""
    first, *parts = re.split(r"^### (.+)\n", sections_of(text)["Measured"], flags=re.MULTILINE)
    return {"": first, **dict(zip(parts[::2], parts[1::2], strict=True))}


def tables_in(text: str) -> list[list[list[str]]]:
    """Each table as rows of cells, heads and rule included."""
    blocks = re.findall(r"(?:^\|.*\n?)+", FENCE.sub("", text), re.MULTILINE)
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        for block in blocks
    ]


def numbers_in(text: str) -> list[str]:
    """The numbers that a reader sees, without those in headings, code blocks and addresses."""
    text = re.sub(r"^#.*$", "", LINK.sub("]", FENCE.sub("", text)), flags=re.MULTILINE)
    return NUMBER.findall(text)


def leaves(value) -> Iterator:
    """Every string and number in a JSON value; statistics, long lists of floats, are nobody's fact."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *leaves(inner))
    elif isinstance(value, list):
        if len(value) <= 16 or not all(isinstance(inner, float) for inner in value):
            for inner in value:
                yield from leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield value


def printed(*values) -> set[str]:
    """How counts, settings and the numbers of names may stand in prose."""
    found = set()
    for leaf in leaves(list(values)):
        found |= set(NUMBER.findall(leaf)) if isinstance(leaf, str) else {f"{leaf:,.10g}"}
    return found


def printed_figures(metrics: dict) -> set[str]:
    """How measured values may: to three decimals, never fewer; counts as they are."""
    numbers = [leaf for leaf in leaves(metrics) if not isinstance(leaf, str)]
    return {f"{leaf:,}" if isinstance(leaf, int) else f"{leaf:.3f}" for leaf in numbers}


# What metrics.json allows


def spread(figure: dict, baseline: str = "majority_baseline") -> tuple[str, ...]:
    known = (figure.get(key) for key in ("value", "low", "high", baseline))
    return tuple(f"{number:.3f}" for number in known if number is not None)


def figures_in(measured) -> dict[str, dict]:
    """The figures at the top level of a dict; none where it is no dict."""
    measured = measured if isinstance(measured, dict) else {}
    return {key: value for key, value in measured.items() if is_figure(value)}


def heads_in(measured: dict) -> dict[str, dict]:
    """Parts of an evaluation that have figures of their own."""
    others = {key: value for key, value in measured.items() if isinstance(value, dict) and not is_figure(value)}
    return {key: value for key, value in others.items() if key != "self_activation" and figures_in(value)}


def allowed_rows(measured: dict) -> set[tuple[str, ...]]:
    """Every row that a table of this evaluation may have: its first cell, and the numbers of the others."""
    rows = {
        (METRICS.get(key, (key.replace("_", " "),))[0], *spread(value)) for key, value in figures_in(measured).items()
    }
    tables = [value for key, value in measured.items() if key not in ("baselines", "self_activation")]
    for table in (value for value in tables if isinstance(value, dict) and all(map(figures_in, value.values()))):
        for label, shown in table.items():
            cells = [spread(value, baseline="") for value in figures_in(shown).values()]
            cells += [(f"{value:,}",) for value in shown.values() if isinstance(value, int)]
            rows.add((label, *(number for cell in cells for number in cell)))
    for name, baseline in measured.get("baselines", {}).items():
        metrics = {key.removeprefix("our_").removesuffix("_minus_its") for key in baseline if key.startswith("our_")}
        for metric in metrics or figures_in(baseline):
            rows.add((name, *spread(baseline[metric]), *spread(baseline.get(f"our_{metric}_minus_its", {}))))
    for key, words in (("mean", "mean of the classes"), ("min", "least of the classes")):
        if "self_activation" in measured:
            rows.add((words, *spread(measured["self_activation"][key], "uniform_baseline")))
    for key, form in (("confusion", "{}"), ("gate_profile", "{:.3f}")):
        for label, row in zip(measured.get("labels", []), measured.get(key, []), strict=False):
            rows.add((label, *(form.format(number) for number in row)))
    return rows


def overview_rows(by_title: dict[str, dict]) -> set[tuple[str, ...]]:
    """The rows of the table before all evaluations: size, first figure, each baseline's, the majority baseline."""
    rows = set()
    for title, measured in by_title.items():
        for key, figure in list(figures_in(measured).items())[:1]:
            others = [baseline[key]["value"] for baseline in measured.get("baselines", {}).values() if key in baseline]
            shown = [figure["value"], *others, figure.get("majority_baseline", 0.0)]
            rows.add((title, f"{measured['n']:,}", *(f"{value:.3f}" for value in shown)))
    return rows


def shown_rows(part: str) -> set[tuple[str, ...]]:
    """The rows of all tables in the form of `allowed_rows`, first cells without escapes."""
    rows = [row for _, _, *rows in tables_in(part) for row in rows]
    return {(re.sub(r"\\(.)", r"\1", row[0]), *numbers_in(" ".join(row[1:]))) for row in rows}


def measured_by_title(folder: Path) -> dict[str, dict]:
    """What metrics.json holds for each evaluation and head on the page, by its title there."""
    results, found = read(folder, "metrics.json").get("results", {}), {}
    shared = ("n", "n_groups", "interval", "labels")
    for name, said in front_matter(folder).get("evaluations", {}).items():
        found[said["title"]] = results[name]
        for head, part in heads_in(results[name]).items():
            title = said.get("heads", {}).get(head, {}).get("title", f"{said['title']}: {head.replace('_', ' ')}")
            found[title] = {key: results[name][key] for key in shared if key in results[name]} | part
    return found


def level_of(measured: dict) -> float | None:
    return measured.get("interval", {}).get("level")


def wrong_in_index(text: str, metrics: dict) -> list[str]:
    """Entries of the model-index that are no figure of their evaluation, with its interval, baseline and size."""
    wrong = []
    for result in ModelCard(text).data.eval_results or []:
        measured, args = metrics["results"][result.dataset_split], {**result.metric_args, "value": result.metric_value}
        candidates = [(measured, value) for value in figures_in(measured).values()]
        candidates += [
            (measured | head, value) for head in heads_in(measured).values() for value in figures_in(head).values()
        ]
        exact = [
            value
            | ({"level": level} if (level := level_of(whole)) else {})
            | {key: whole[key] for key in ("n", "n_groups")}
            for whole, value in candidates
        ]
        wrong += [] if args in exact else [f"model-index: {args}"]
    return wrong


def benchmark_rows(folder: Path) -> dict[str, set[tuple[str, ...]]]:
    """Of each table of benchmarks.json by its title: first cells, and the numbers of the others."""
    tables = read(folder, "benchmarks.json").values() if (folder / "benchmarks.json").is_file() else ()
    return {table["title"]: {(row[0], *numbers_in(" ".join(row[1:]))) for row in table["rows"]} for table in tables}


def unaccounted(text: str, folder: Path) -> list[str]:
    """Every number on the page that the files of the folder do not hold in that place."""
    metrics, by_title = read(folder, "metrics.json"), measured_by_title(folder)
    facts = [fact["value"] for fact in front_matter(folder).get("facts", {}).values()]
    wrong, beside = wrong_in_index(text, metrics), benchmark_rows(folder)
    for title, part in evaluations_in(text).items():
        if title in beside:
            wrong += [str(row) for row in shown_rows(part) - beside[title]]
            continue
        measured = by_title.get(title, {})
        allowed = allowed_rows(measured) if title else overview_rows(by_title)
        wrong += [str(row) for row in shown_rows(part) - allowed]
        said = {key: measured[key] for key in ("n", "n_groups", "repetitions", "interval", "labels") if key in measured}
        percent = 100 * (level_of(measured) or 0.95) if measured else None
        rest = re.sub(r"^\|[^\n]*\n(?!\|-)", "", part, flags=re.MULTILINE)  # heads of tables stay
        may_stand = printed(said, percent, facts) | (set() if title else printed_figures(metrics))
        wrong += [number for number in numbers_in(rest) if number not in may_stand]
    files = [read(folder, f"{name}.json") for name in ("config", "preprocessor_config", "training")]
    known = printed(*files, facts, len(files[0].get("id2label", {}))) | printed_figures(metrics)
    others = [part for title, part in sections_of(text).items() if title not in ("Measured", "Citation")]
    intro = ModelCard(text).text.split("\n## ")[0]
    return wrong + [number for part in (intro, *others) for number in numbers_in(part) if number not in known]
