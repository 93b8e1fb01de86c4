"""Measures a published or trained folder and writes its metrics.json and pictures.

    linernotes evaluate models/genre-moe --data-dir DATA

The folder (or Hub id) is loaded by its Auto class, as a user would. What goes into metrics.json: `test`, answers on the
test split of what the folder learned from; what the recipe tests besides, by its own names; and, where training
cross-validated, `cross_validation`, the out-of-fold answers on real rows. Beside the first and the last stand plain
baselines on the same rows. What is measured is the family's recipe's to say; every figure has n, a 95 % interval
(bootstrap over groups) and the majority baseline.
"""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from matplotlib.figure import Figure
from transformers import AutoModel

from linernotes.report import pictures
from linernotes.report.training_pictures import training_curves
from linernotes.training.bootstrap import plain
from linernotes.training.config import ConfigError, Experiment, parse_experiment
from linernotes.training.rows import BASELINE, Data


def evaluate_folder(
    folder: str | Path,
    data_dirs: list[str | Path] | tuple[str | Path, ...] = (),
    predictions: str | Path | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a folder or Hub id and returns what it wrote to metrics.json.

    Args:
        folder: a folder that `linernotes train` made, or a Hub id of one.
        data_dirs: folders in which the recipe looks for the data sets that the training named.
        predictions: a JSON-lines file for the answer to every clip, which `linernotes compare` reads.
        out: where the figures go; FOLDER/metrics.json by default, pictures beside it in plots/.

    Raises:
        ConfigError: the family answers nothing that could be measured. FileNotFoundError: a data set is not there.
    """
    folder = Path(folder) if Path(folder).is_dir() else Path(snapshot_download(str(folder)))
    facts = json.loads((folder / "training.json").read_text())
    experiment = parse_experiment(facts["experiment"])
    kind = experiment.recipe.answers
    if kind is None:
        raise ConfigError(f"{folder}: the family {experiment.family} answers nothing; probes measure a backbone")
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    data = experiment.recipe.load_data(experiment, [Path(place) for place in data_dirs])
    answers = all_answers(model, data, experiment, folder)
    results = {name: kind.figures(answer, model.config) for name, answer in answers.items()}
    metrics = {"model": model.config.model_name, "training": provenance(facts), "results": results}
    out = Path(out or folder / "metrics.json")
    out.write_text(json.dumps(metrics, indent=1) + "\n")
    if predictions:
        rows = ({"evaluation": name} | row for name in answers for row in kind.predictions(answers[name], model.config))
        Path(predictions).write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawn = kind.draw(results, answers, model) | experiment.recipe.pictures(model, data, experiment)
    for name, figure in (drawn | draw_training(folder)).items():
        pictures.save(figure, out.parent / "plots" / f"{name}.png")
    return metrics


def all_answers(model: Any, data: Data, experiment: Experiment, folder: Path) -> dict[str, dict[str, Any]]:
    """What the model, and the baselines beside it, say of the test rows; and what was said out of fold in training."""
    answers = {}
    if data.test is not None:
        answers["test"] = experiment.recipe.answers.answer_rows(model, data.test, experiment)
        for name, probabilities in experiment.recipe.test_baselines(data, experiment).items():
            answers["test"][f"{BASELINE}{name}"] = plain(probabilities, places=5)
    for name, rows in data.others.items():
        answers[name] = experiment.recipe.answers.answer_rows(model, rows, experiment)
    if (folder / "out_of_fold.json").is_file():
        answers["cross_validation"] = json.loads((folder / "out_of_fold.json").read_text())
    return answers


def provenance(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: facts[key] for key in ("commit", "duration_seconds", "machine", "versions", "parameters", "data")}


def draw_training(folder: Path) -> dict[str, Figure]:
    """The curves of the training, where its log lies in the folder."""
    log = folder / "training_log.jsonl"
    if not log.is_file():
        return {}
    records = [json.loads(line) for line in log.read_text().splitlines()]
    experiment = json.loads((folder / "training.json").read_text())["experiment"]
    return {"training_curves": training_curves(records, stages_before(experiment))}


def stages_before(experiment: dict[str, Any]) -> list[str]:
    """The stages before the last of an experiment, whose losses older logs do not hold."""
    training, stages = experiment["training"], []
    if training.get("head_epochs"):
        stages += ["events", "head"] if training.get("event_epochs") else ["head"]
    return stages + ["experts"] * bool(experiment["data"].get("pretrain_epochs"))
