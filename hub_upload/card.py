"""The Hub page of a model: README.md, written from what lies beside the weights.

    python -m linernotes.hub_upload.card models/genre-moe

Figures come from metrics.json, tables of what was tried beside this model from benchmarks.json (by any name an object
of `title`, `about`, `columns` and `rows`), facts of the training from training.json, the rest from config.json;
`card.md` adds what no file knows: metadata in a YAML front matter, and prose in sections, both optional. Prose is
rendered by jinja, with `config`, `preprocessor`, `training`, `metrics`, `labels`, `facts`, `repo_id` and `name` at
hand, so that it need not repeat a number by hand. `training` and `metrics` are none where their file is missing.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from linernotes.hub_upload.card_source import METADATA, Source, read_object, read_source
from linernotes.hub_upload.card_words import (
    METRICS,
    cell,
    figures,
    interval,
    is_figure,
    metric_name,
    plain,
    rounded,
    title,
    verdict,
)
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.names import check_repo_id

ORGANISATION = "linernotes"
TEMPLATE = "card.md.j2"
# what reading files of any shape, and expressions of anybody's, may end in
NOT_AS_EXPECTED = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
ABOUT_TRAINING = ("Training data", "How it was trained", "How to reproduce it", "Licence")  # not true of other weights

PICTURES = {
    "confusion_matrix": "Matrix: how often each class was heard as which",
    "expert_gates": "Matrix of the mean weight of every expert for each class, and bars of each class's own expert",
    "radar_charts": "One shape a class: the mean weight of every expert",
    "reliability": "Accuracy in each bin of confidence, beside the diagonal that a calibrated model follows",
    "roc_curves": "ROC curve of each class against all others",
    "training_curves": "Loss and accuracy over the epochs of the training",
}
WITH_A_TABLE_OF_THEIR_OWN = ("baselines", "self_activation")
OUR_DIFFERENCE = re.compile(r"our_(\w+)_minus_its")
MANY = 4  # evaluations with the same baselines: a table of them all says more than one after the other


@dataclass(frozen=True)
class Picture:
    """A file of plots/: its kind is its name without the evaluation that it belongs to."""

    path: str
    kind: str
    alt: str


@dataclass(frozen=True)
class Evaluation:
    """One entry of metrics.json's `results`, or one head of it, with what card.md says of it.

    Args:
        name: its key in `results`, for a head "<key>: <head>".
        measured: what metrics.json holds; a head's own, with n, n_groups, labels and interval of the whole where it has
            none itself.
        said: title, about, unit, groups and dataset; a head's own, else those of the whole.
        pictures: those of plots/ that end in the key; a head's end in "of_<head>_<key>".
    """

    name: str
    measured: dict[str, Any]
    said: dict[str, Any]
    pictures: list[Picture]

    @property
    def breakdowns(self) -> dict[str, dict[str, Any]]:
        """Tables of figures by class, source ...: entries whose values are all dicts with figures."""
        return {
            key: value
            for key, value in self.measured.items()
            if key not in WITH_A_TABLE_OF_THEIR_OWN
            and isinstance(value, dict)
            and value
            and all(map(figures, value.values()))
        }

    @property
    def compared(self) -> list[dict[str, Any]]:
        """Every difference to a baseline that was measured on the same rows, with the baseline's own figure; of a
        baseline to which none was measured its figures, their difference None."""
        rows = []
        for name, baseline in self.measured.get("baselines", {}).items():
            measured = {match[1]: baseline[key] for key in baseline if (match := OUR_DIFFERENCE.fullmatch(key))}
            rows += [
                {"baseline": name, "metric": key, "figure": baseline[key], "difference": difference}
                for key, difference in (measured or dict.fromkeys(figures(baseline))).items()
            ]
        return rows


# What the template is given


def heads_of(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of an evaluation that have figures of their own, by name."""
    return {
        head: part
        for head, part in measured.items()
        if head not in WITH_A_TABLE_OF_THEIR_OWN and not is_figure(part) and figures(part)
    }


def pictures_of(
    folder: Path, results: dict[str, Any], alts: dict[str, str], shown_elsewhere: Iterable[str] = ()
) -> dict[str | None, list[Picture]]:
    """The files of plots/ by the evaluation, or the head of one, that their name ends in; None: of the whole model."""
    ends = {f"_{name}": name for name in results}
    ends |= {f"_of_{head}_{name}": f"{name}: {head}" for name, whole in results.items() for head in heads_of(whole)}
    found: dict[str | None, list[Picture]] = {None: [], **{owner: [] for owner in ends.values()}}
    for path in sorted(set((folder / "plots").glob("*.png")) - {folder / each for each in shown_elsewhere}):
        end = max((end for end in ends if path.stem.endswith(end)), key=len, default="")
        kind = path.stem.removesuffix(end)
        found[ends.get(end)].append(Picture(f"plots/{path.name}", kind, alts.get(kind, title(kind))))
    return found


def evaluations_of(results: dict[str, Any], described: dict[str, Any], pictures: dict) -> list[Evaluation]:
    """The evaluations in the order of card.md, then the rest; each head after its whole."""
    order = [name for name in described if name in results] + [name for name in results if name not in described]
    found = []
    for name in order:
        measured, said = results[name], {"title": title(name), **described.get(name, {})}
        heads = said.pop("heads", {})
        said.setdefault("dataset", {"name": ", ".join(measured.get("sources", [name])), "type": name})
        found.append(Evaluation(name, measured, said, pictures[name]))
        shared = {key: measured[key] for key in ("n", "n_groups", "labels", "interval", "sources") if key in measured}
        for head, part in heads_of(measured).items():
            entitled = said | {"title": f"{said['title']}: {head.replace('_', ' ')}", **heads.get(head, {})}
            place = f"{name}: {head}"
            found.append(Evaluation(place, shared | part, entitled, pictures[place]))
    return found


def overview(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """One row an evaluation: its first figure, and each baseline's with ours minus it; none where there are few."""
    rows = []
    for evaluation in evaluations:
        first = next(iter(figures(evaluation.measured)), None)
        beside = {row["baseline"]: row for row in evaluation.compared if row["metric"] == first}
        if beside and all(row["difference"] for row in beside.values()):
            rows.append({"evaluation": evaluation, "metric": first, "beside": beside})
    alike = len({tuple(row["beside"]) for row in rows}) == 1
    return rows if alike and len(rows) == len(evaluations) >= MANY else []


def model_index(evaluations: list[Evaluation], task: str) -> list[EvalResult]:
    """The measured values as the Hub lists them, exactly as metrics.json holds them."""
    entries = []
    for evaluation in evaluations:
        split, _, head = evaluation.name.partition(": ")
        size = {key: evaluation.measured[key] for key in ("n", "n_groups") if key in evaluation.measured}
        level = {"level": evaluation.measured.get("interval", {}).get("level")}
        for key, figure in figures(evaluation.measured).items():
            kind = METRICS.get(key, (key, key))[1]
            if kind is None or figure["value"] is None:
                continue
            around = {name: value for name, value in figure.items() if name != "value"}
            entries.append(
                EvalResult(
                    task_type=task,
                    dataset_name=evaluation.said["dataset"]["name"],
                    dataset_type=evaluation.said["dataset"]["type"],
                    dataset_split=split,  # results of one data set would be merged without
                    metric_type=kind,
                    metric_name=f"{metric_name(key)} ({head})" if head else metric_name(key),
                    metric_value=figure["value"],
                    metric_args=around | level | size,
                )
            )
    return entries


def metadata(name: str, front: dict, config: dict, evaluations: list[Evaluation], known: bool) -> ModelCardData:
    """The YAML block. Of weights whose training is not `known`, neither licence nor data sets are claimed."""
    front = front if known else {key: value for key, value in front.items() if key in ("tags", "pipeline_tag")}
    said = {key: front[key] for key in METADATA if key in front}
    if "AutoModelForAudioClassification" in config.get("auto_map", {}):
        said.setdefault("pipeline_tag", "audio-classification")
    entries = model_index(evaluations, said.get("pipeline_tag", "audio-classification"))
    custom = ["custom_code"] if "auto_map" in config else []
    return ModelCardData(
        **({"library_name": "transformers"} | said),
        tags=["music", *front.get("tags", []), *filter(None, [config.get("model_type")]), *custom],
        datasets=front.get("datasets"),
        metrics=sorted({entry.metric_type for entry in entries}) or None,
        model_name=name if entries else None,
        eval_results=entries or None,
    )


# Writing


class SettingsDumper(yaml.SafeDumper):
    """One setting a line: lists are written in one."""


SettingsDumper.add_representer(
    list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (cell, figures, interval, metric_name, plain, rounded, title, verdict):
        made.filters[function.__name__] = function
    made.filters["yaml"] = lambda value: yaml.dump(value, Dumper=SettingsDumper, sort_keys=False, width=100).strip()
    return made


def default_repo_id(folder: Path) -> str:
    """The name by which this project publishes a folder."""
    return f"{ORGANISATION}/{(read_object(folder / 'config.json') or {}).get('model_name') or folder.resolve().name}"


def known_of(folder: Path, repo_id: str, source: Source, published: Path) -> dict[str, Any]:
    """What prose and template may ask for; None for a file that is not there."""
    config = read_object(published / "config.json")
    if config is None:
        raise PublishError(f"{folder} holds no config.json; give a folder of models/ or the `model` folder of a run")
    return {
        "repo_id": repo_id,
        "name": repo_id.split("/")[-1],
        "config": config,
        "preprocessor": read_object(folder / "preprocessor_config.json"),
        "training": read_object(folder / "training.json"),
        "metrics": read_object(folder / "metrics.json"),
        "benchmarks": read_object(folder / "benchmarks.json") or {},
        "labels": [config["id2label"][key] for key in sorted(config.get("id2label", {}), key=int)],
        "facts": {name: fact["value"] for name, fact in source.front.get("facts", {}).items()},
    }


def prose(source: Source, known: dict[str, Any], writer: ImmutableSandboxedEnvironment) -> dict[str, Any]:
    """The texts of card.md, expressions filled in: intro, sections by heading, about by evaluation or head."""

    def filled(text: str, where: str) -> str:
        try:
            return writer.from_string(text).render(known).strip()
        except TemplateError as error:
            raise PublishError(
                f"card.md of {known['name']}, {where}: {error}; at hand are {', '.join(known)}, "
                "of which training and metrics are none where their file is missing"
            ) from None

    results, about = (known["metrics"] or {}).get("results", {}), {}
    for name, said in source.front.get("evaluations", {}).items():
        if name in results:
            about[name] = said.get("about", "")
            about |= {f"{name}: {head}": told.get("about", "") for head, told in said.get("heads", {}).items()}
    return {
        "intro": filled(source.intro, "the text before the first section"),
        "sections": {
            heading: filled(text, f"section {heading!r}")
            for heading, text in source.sections.items()
            if known["training"] or heading not in ABOUT_TRAINING
        },
        "about": {name: filled(text, name) for name, text in about.items()},
    }


def build_card(folder: Path, repo_id: str | None = None, published: Path | None = None) -> str:
    """The whole text of README.md; the same folder and name give the same text.

    Args:
        folder: a folder with config.json, and, where they are known, card.md, metrics.json, training.json and plots/.
        repo_id: where the model will lie; "linernotes/<name in config.json, or the folder's>" by default.
        published: the folder that is published, where its config.json says more than that of `folder`.

    Raises:
        PublishError: a file is not what it should be, or card.md holds or asks for what is not known.
    """
    try:
        return written(Path(folder), repo_id, Path(published or folder))
    except NOT_AS_EXPECTED as error:
        raise PublishError(
            f"the card of {folder} cannot be written ({type(error).__name__}: {error}); "
            "look at card.md, config.json, metrics.json and training.json"
        ) from None


def written(folder: Path, repo_id: str | None, published: Path) -> str:
    repo_id = repo_id or default_repo_id(folder)
    check_repo_id(repo_id)  # it may come out of a stranger's config.json, and stands in code and commands
    source = read_source(folder / "card.md")
    known = known_of(folder, repo_id, source, published)
    results = (known["metrics"] or {}).get("results", {})
    of_benchmarks = [each["picture"] for each in known["benchmarks"].values() if "picture" in each]
    pictures = pictures_of(folder, results, PICTURES | source.front.get("pictures", {}), of_benchmarks)
    evaluations = evaluations_of(results, source.front.get("evaluations", {}), pictures)
    data = metadata(known["name"], source.front, known["config"], evaluations, known["training"] is not None)
    writer = environment()
    body = writer.get_template(TEMPLATE).render(
        **known,
        **prose(source, known, writer),
        evaluations=evaluations,
        overview=overview(evaluations),
        pictures=pictures[None],
        recipe=source.front.get("config"),
        measured_by=source.front.get("measured_by", "linernotes evaluate {model} --data-dir DATA"),
        has_walkthrough=(folder / "walkthrough.py").is_file(),
    )
    body = re.sub(r"\n{3,}", "\n\n", body)
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}").content


def main(arguments: list[str]) -> int:
    """Writes README.md into each folder."""
    parser = argparse.ArgumentParser("python -m linernotes.hub_upload.card", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of models/")
    try:
        for folder in parser.parse_args(arguments).folders:
            (folder / "README.md").write_text(build_card(folder), encoding="utf-8")
            print(folder / "README.md")
    except PublishError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
