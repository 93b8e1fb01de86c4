"""What a captioning model says of rows, how much of it is true, and what is fitted on its heads' answers.

It has the functions that training and `evaluate` call of `linernotes.training.answers`, for captions and five heads.
Recordings are heard as a user's are, by `predict`, whatever was kept for training. A row's captions are two: as they
come (`ungrounded`), and as `predict` gives them by default, in agreement with the heads (`caption`). What nobody knows
of a row is measured by nobody.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from matplotlib.figure import Figure
from scipy.special import softmax

from linernotes.corpora.caption_writer import captions_of
from linernotes.corpora.labelled_sets import rank
from linernotes.corpora.music_facts import MusicFacts
from linernotes.modeling.caption_facts import statements
from linernotes.modeling.grounding import contradictions, known
from linernotes.modeling.music_tags import ANSWER_KEYS
from linernotes.report import pictures
from linernotes.training.bootstrap import LEVEL, RESAMPLES, resample, with_interval
from linernotes.training.calibration import best_thresholds, choose_abstain_threshold, fit_temperature
from linernotes.training.codec_tokens import read_row
from linernotes.training.fact_scores import fact_difference, fact_figures
from linernotes.training.head_figures import figures_of_heads
from linernotes.training.rows import BASELINE
from linernotes.training.text_scores import SCORES, embedding_f1, text_figures

REFERENCES = 3  # of a recording that nobody has described
MOST = 0.5  # of a threshold
SHOWN = 30  # captions of recordings that are listed, chosen by a hash of their names
COLUMNS = ("facts", "group", "clip", "source", "origin")


# Asking


def answer_rows(model: Any, rows: Dataset, experiment: Any) -> dict[str, Any]:
    """What a model says of rows, JSON-ready: by task probabilities, captions (None of rows beyond `test_captions`),
    references, and what is known of the rows. Without its language model it is given the experiment's."""
    recipe, told = experiment.recipe, list(range(len(rows)))
    recipe.give_words(model, experiment)
    described = set(sorted(told, key=lambda row: rank(rows[row]["clip"]))[: experiment.data.test_captions or len(told)])
    others = set(told) - described if model.config.tasks else ()  # without heads and captions nothing would be said
    found: dict[int, dict[str, Any]] = {}
    for numbers, asked in ((sorted(described), True), (sorted(others), False)):
        for start in range(0, len(numbers), experiment.training.eval_batch_size):
            found |= heard(model, rows, numbers[start : start + experiment.training.eval_batch_size], asked)
    answers: dict[str, list] = {
        ANSWER_KEYS[task]: [list(found[row][ANSWER_KEYS[task]]["probabilities"].values()) for row in told]
        for task in model.config.tasks
    }
    for name in ("caption", "ungrounded", "withheld"):
        answers[name] = [found.get(row, {}).get(name) for row in told]
    answers["references"] = [references_of(rows[row]) for row in told]
    scored = {"embedding_f1": scores_of_embeddings(model, answers)}
    return answers | scored | {column: list(rows[column]) for column in COLUMNS}


def heard(model: Any, rows: Dataset, numbers: Sequence[int], described: bool) -> dict[int, dict[str, Any]]:
    """Answers of `predict` to some rows, by number, with `ungrounded` beside the caption; without where not asked."""
    rate = model.config.sampling_rate
    sounds = [{"array": read_row(rows[number], rate), "sampling_rate": rate} for number in numbers]
    speaker, model.language_model = model.language_model, model.language_model if described else None
    answers = model.predict(sounds, grounded=False)
    for answer in answers:
        answer["ungrounded"] = answer["caption"]
    wrong = [place for place, answer in enumerate(answers) if described and disagrees(answer, model.config)]
    for place, grounded in zip(wrong, model.predict([sounds[place] for place in wrong]), strict=True):
        answers[place] |= {name: grounded[name] for name in ("caption", "withheld") if name in grounded}
    model.language_model = speaker
    return dict(zip(numbers, answers, strict=True))


def disagrees(answer: dict[str, Any], config: Any) -> bool:
    """Whether grounding changes a caption: it contradicts what is sure, or states nothing."""
    sure = known(answer, config.confident_above, config.confident_below)
    return bool(contradictions(answer["caption"], sure)) or not statements(answer["caption"])


def references_of(row: dict[str, Any]) -> list[str]:
    """A person's captions, or some that are written of the facts, of sentences that nothing was learned from."""
    return list(row["captions"]) or captions_of(MusicFacts.of_json(row["facts"]), row["clip"], REFERENCES)


def scores_of_embeddings(model: Any, answers: dict[str, list]) -> list[float | None]:
    """embedding_f1 of each caption, here where the language model is at hand; None without a caption."""
    if model.language_model is None:
        return [None] * len(answers["caption"])
    tokenizer = model.tokenizer
    score = embedding_f1(
        model.get_input_embeddings().weight.cpu(), lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    pairs = zip(answers["caption"], answers["references"], strict=True)
    return [None if caption is None else max(score(each, caption) for each in given) for caption, given in pairs]


def predictions(answer: dict[str, Any], config: Any) -> Iterator[dict[str, Any]]:
    """The answer to every clip: clip, group, facts, captions, and each head's probabilities by class."""
    for index, clip in enumerate(answer["clip"]):
        row = {
            "clip": clip,
            "group": answer["group"][index],
            "facts": json.loads(answer["facts"][index]),
        }
        row |= {name: answer[name][index] for name in ("caption", "ungrounded", "withheld", "references")}
        for task, told in config.tasks.items():
            name = ANSWER_KEYS[task]
            row[name] = dict(zip(told["classes"], answer[name][index], strict=True))
        yield row


# What is fitted


def measure_epoch(experiment: Any) -> None:
    """Nothing but the loss after an epoch: logits of all words of a vocabulary would not fit into memory."""


def calibrate(config: Any, logits: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> None:
    """A temperature and `abstain_below` for each exclusive head, thresholds for the others, from rows not learned from.

    What is not `uncertain` was right nine times out of ten.

    No threshold lies below `confident_below`: what a caption may not claim is not listed as heard either. None lies
    above a half: what is likelier heard than not is listed.

    Args:
        logits, labels: by task (rows, classes); labels are NaN where nothing is known.
    """
    for name, task in config.tasks.items():
        said, truths = logits[name].astype(np.float64), labels[name]
        if task["exclusive"]:
            rows = np.isfinite(truths).all(1) & (truths == 1).any(1)
            if rows.any():
                right = truths[rows].argmax(1)
                task["temperature"] = round(fit_temperature(said[rows], right), 4)
                shares = softmax(said[rows] / task["temperature"], axis=1)
                task["abstain_below"] = round(choose_abstain_threshold(shares, right), 4)
            continue
        pairs = zip(1 / (1 + np.exp(-said.T)), truths.T, strict=True)
        task["thresholds"] = [min(max(threshold_of(*pair), config.confident_below), MOST) for pair in pairs]


def threshold_of(probabilities: np.ndarray, truths: np.ndarray) -> float:
    """Where F1 of one class is highest; 0.5 where it never holds."""
    rows = np.isfinite(truths)
    if not rows.any():
        return 0.5
    return round(best_thresholds(probabilities[rows, None], truths[rows, None] == 1)[0], 4) or 1e-4


# Figures


def figures(answer: dict[str, Any], config: Any) -> dict[str, Any]:
    """The figures of one set of answers.

    Returns:
        n, n_groups, sources, interval; of the heads key (weighted_score, accuracy), vocals (as `metrics.measure`),
        singing (whether anybody does: accuracy), instruments, moods and genres (map, per_class); captions:
        fact_precision and fact_recall, by_kind, the scores of texts, `baselines` (ungrounded; other models of the same
        rows) each with our difference; examples of real recordings.
    """
    groups, truths = np.array(answer["group"]), [MusicFacts.of_json(text) for text in answer["facts"]]
    measured: dict[str, Any] = {"sources": sorted(set(answer["source"])), "n": len(groups)}
    measured |= {"n_groups": len(set(groups))}
    measured["interval"] = {"level": LEVEL, "method": "bootstrap over groups", "resamples": RESAMPLES, "seed": 0}
    said = {task: np.array(answer[ANSWER_KEYS[task]]) for task in config.tasks}
    measured |= figures_of_heads(said, truths, groups, config)
    rows = [row for row, caption in enumerate(answer["caption"]) if caption is not None]
    if rows:
        measured["captions"] = figures_of_captions(answer, rows, truths, groups)
    if examples := examples_of(answer, rows):
        measured["examples"] = examples
    return measured


def figures_of_captions(
    answer: dict[str, Any], rows: Sequence[int], truths: Sequence[MusicFacts], groups: np.ndarray
) -> dict[str, Any]:
    """Facts and texts of the captions, and what other captions of the same recordings come to."""
    told, groups = [truths[row] for row in rows], groups[list(rows)]
    captions, references = ([answer[name][row] for row in rows] for name in ("caption", "references"))
    found = {"n": len(rows), "n_groups": len(set(groups))} | fact_figures(captions, told, groups)
    found |= texts_of(captions, references, groups, [answer["embedding_f1"][row] for row in rows])
    others = {"ungrounded": answer["ungrounded"]} | {
        name.removeprefix(BASELINE): said for name, said in answer.items() if name.startswith(BASELINE)
    }
    found["baselines"] = {}
    for name, said in others.items():
        theirs = [said[row] or "" for row in rows]
        differences = fact_difference(captions, theirs, told, groups)
        found["baselines"][name] = {
            **fact_figures(theirs, told, groups),
            **{f"our_{figure}_minus_its": difference for figure, difference in differences.items()},
        }
    withheld = sum(len(answer["withheld"][row] or ()) for row in rows)
    return found | {"sentences_withheld": withheld}


def texts_of(
    captions: Sequence[str], references: Sequence[Sequence[str]], groups: np.ndarray, near: Sequence[float | None]
) -> dict[str, Any]:
    """Scores of texts over the captions with references, as many each as most have."""
    rows = [row for row, given in enumerate(references) if given]
    if not rows:
        return {}
    least = min(len(references[row]) for row in rows)
    kept = [references[row][:least] for row in rows]
    found = text_figures([captions[row] for row in rows], kept, groups[rows], SCORES)
    if all(near[row] is not None for row in rows):
        values = np.array([near[row] for row in rows])
        numbers = np.unique(groups[rows], return_inverse=True)[1]
        weights = resample(int(numbers.max()) + 1, seed=0)[:, numbers]
        found["embedding_f1"] = with_interval(float(values.mean()), weights @ values / weights.sum(1))
    return found


def examples_of(answer: dict[str, Any], rows: Sequence[int]) -> list[dict[str, Any]]:
    """Captions of real recordings: which are shown was decided by their names, before anybody heard the model."""
    real = [row for row in rows if answer["origin"][row] == "recordings"]
    chosen = sorted(real, key=lambda row: rank(answer["clip"][row]))[:SHOWN]
    names = ("clip", "caption", "ungrounded", "withheld")
    return [{name: answer[name][row] for name in names} for row in sorted(chosen, key=lambda r: answer["clip"][r])]


def draw(results: dict[str, Any], answers: dict[str, Any], model: Any) -> dict[str, Figure]:
    """Of each evaluation who sings: the confusion matrix and the reliability."""
    drawn = {}
    for name, measured in results.items():
        part = measured.get("vocals", {})
        if "confusion" in part:
            drawn[f"confusion_matrix_of_vocals_{name}"] = pictures.confusion_matrix(part["confusion"], part["labels"])
            drawn[f"reliability_of_vocals_{name}"] = pictures.reliability_diagram(**part["reliability"])
    return drawn
