"""Figures of a model of affect, from answers that were made up so that the figures are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit, softmax
from scipy.stats import spearmanr

from linernotes.modeling.affect import EMOTIONS, INTENSITIES, TEMPOS, VIBES
from linernotes.modeling.musicnn import MSD_TAGS
from linernotes.training import affect_answers
from linernotes.training.metrics import expected_calibration_error
from linernotes.training.rows import BASELINE

CLASSES = {"vibe": VIBES, "intensity": INTENSITIES, "tempo": TEMPOS}
ROWS = 24


def config(**more) -> SimpleNamespace:
    labels = {f"{task}_labels": list(names) for task, names in CLASSES.items()}
    return SimpleNamespace(labels=list(EMOTIONS), thresholds=None, **labels, **more)


def answer(sure: float = 6.0, right: float = 1.0) -> dict:
    """Rows of which everything is known, answered with this confidence, the first of them rightly."""
    rng, truth = np.random.default_rng(0), np.zeros((ROWS, 28), bool)
    truth[np.arange(ROWS), np.arange(ROWS) % 28] = truth[np.arange(ROWS), (np.arange(ROWS) + 5) % 28] = True
    wrong = np.arange(ROWS) >= right * ROWS
    made = {"emotion_logits": sure * np.where(truth ^ wrong[:, None], 1.0, -1.0)}
    stated = {}
    for task, names in CLASSES.items():
        place = rng.integers(len(names), size=ROWS)
        stated[task] = [names[i] for i in place]
        made[f"{task}_logits"] = sure * np.eye(len(names))[(place + wrong) % len(names)]
    return {
        **{name: logits.tolist() for name, logits in made.items()},
        "labels": [[EMOTIONS[i] for i in np.flatnonzero(row)] for row in truth],
        "emotions": truth.astype(float).tolist(),
        **stated,
        "tags": [[] for _ in range(ROWS)],
        "group": [f"song {n // 2}" for n in range(ROWS)],
        "clip": [f"{n}.flac" for n in range(ROWS)],
        "source": ["composer"] * ROWS,
        "origin": ["composed"] * ROWS,
    }


def test_all_right_is_one_and_all_wrong_is_the_worst():
    best, worst = (affect_answers.figures(answer(right=share), config()) for share in (1.0, 0.0))
    assert best["emotion"]["map"]["value"] == 1.0
    assert worst["emotion"]["map"]["value"] < 0.1
    for task in CLASSES:
        assert (best[task]["accuracy"]["value"], worst[task]["accuracy"]["value"]) == (1.0, 0.0)
        assert best[task]["macro_f1"]["value"] == 1.0
        assert best[task]["ece"]["value"] < 0.05 < 0.9 < worst[task]["ece"]["value"]
    assert (best["n"], best["n_groups"], best["sources"]) == (24, 12, ["composer"])


def test_the_baseline_of_an_emotion_is_its_share():
    measured = affect_answers.figures(answer(), config())["emotion"]
    shares = [figure["average_precision"]["majority_baseline"] for figure in measured["per_class"].values()]
    supports = [figure["support"] for figure in measured["per_class"].values()]
    assert sum(supports) == 2 * ROWS
    assert shares == pytest.approx([support / ROWS for support in supports], abs=1e-6)
    assert measured["map"]["majority_baseline"] == pytest.approx(np.mean(shares), abs=1e-6)


def test_what_nobody_knows_is_measured_by_nobody():
    given_rows = answer()
    given_rows["vibe"] = [None] * ROWS
    given_rows["tempo"][0] = None
    given_rows["emotions"][:4] = [[]] * 4
    measured = affect_answers.figures(given_rows, config())
    assert "vibe" not in measured
    assert (measured["tempo"]["n"], measured["emotion"]["n"], measured["intensity"]["n"]) == (23, 20, 24)


def test_recordings_are_measured_apart():
    given_rows = answer(right=0.5)
    given_rows["origin"] = ["composed"] * 12 + ["recordings"] * 12
    tempo = affect_answers.figures(given_rows, config())["tempo"]
    assert {origin: part["accuracy"]["value"] for origin, part in tempo["by_origin"].items()} == {
        "composed": 1.0,
        "recordings": 0.0,
    }


def test_a_baseline_stands_where_it_has_answered():
    given_rows, columns = answer(), np.full((ROWS, 38), np.nan)
    columns[:, -3:] = np.eye(3)[0]
    given_rows[f"{BASELINE}always slow"] = columns.tolist()
    measured = affect_answers.figures(given_rows, config())
    assert measured["emotion"]["baselines"] == measured["vibe"]["baselines"] == {}
    beside = measured["tempo"]["baselines"]["always slow"]
    slow = given_rows["tempo"].count("slow") / ROWS
    assert beside["accuracy"]["value"] == pytest.approx(slow, abs=1e-6)
    assert beside["our_accuracy_minus_its"]["value"] == pytest.approx(1.0 - slow, abs=1e-6)


def test_calibration_is_over_all_yes_or_no_answers():
    truths = np.random.default_rng(0).random((400, 28)) < 0.3
    honest, groups = np.full(truths.shape, 0.3), np.arange(400)
    assert affect_answers.figure_of_calibration(truths, honest, groups)["value"] < 0.02
    boastful = affect_answers.figure_of_calibration(truths, np.full(truths.shape, 0.9), groups)
    both = np.stack([1 - np.full(truths.size, 0.9), np.full(truths.size, 0.9)], axis=1)
    expected = expected_calibration_error(truths.ravel().astype(int), both)
    assert boastful["value"] == pytest.approx(expected, abs=1e-6) == pytest.approx(0.6, abs=0.02)
    assert boastful["low"] < boastful["value"] < boastful["high"]


@settings(max_examples=8, deadline=None)
@given(st.floats(0.2, 5.0))
def test_temperatures_are_found_again(scale):
    """Logits that are honest, scaled: dividing by the scale is right, whatever the scale."""
    rng = np.random.default_rng(0)
    rows, made = 300, answer()
    for task, names in CLASSES.items():
        chances = rng.dirichlet(np.ones(len(names)), size=rows)
        made[f"{task}_logits"] = (scale * np.log(chances)).tolist()
        made[task] = [names[rng.choice(len(names), p=row)] for row in chances]
    shares = rng.uniform(0.05, 0.95, (rows, 28))
    truth = rng.random((rows, 28)) < shares
    made |= {"emotion_logits": (scale * logit(shares)).tolist(), "emotions": truth.astype(float).tolist()}
    made["labels"] = [[EMOTIONS[i] for i in np.flatnonzero(row)] for row in truth]
    head = torch.nn.Sequential(torch.nn.Linear(2, 28))
    model = SimpleNamespace(config=config(), emo_head=head, device="cpu")
    affect_answers.calibrate(model, made)
    for task in CLASSES:
        assert getattr(model.config, f"{task}_temperature") == pytest.approx(scale, rel=0.25)
    assert model.config.temperature == pytest.approx(scale, rel=0.1)
    assert len(model.config.thresholds) == 28
    for task, names in CLASSES.items():  # what is left of each is right in nine of ten
        logits, least = np.array(made[f"{task}_logits"]), getattr(model.config, f"{task}_abstain_below")
        said = softmax(logits / getattr(model.config, f"{task}_temperature"), axis=1)
        kept = said.max(1) >= least
        right = said.argmax(1) == [names.index(label) for label in made[task]]
        assert right.mean() < 0.9 <= right[kept].mean()
    assert model.config.abstain_below == 0.0  # the likeliest of 28 is nearly always right here


def test_agreement_is_rank_correlation_with_tags_kept_apart():
    rng, made = np.random.default_rng(0), answer()
    made["emotion_logits"] = rng.normal(size=(ROWS, 28)).tolist()
    made["tags"] = rng.random((ROWS, 50)).tolist()
    measured = affect_answers.figures(made, config())
    found = measured["agreement"]
    assert measured["interval"] == measured["vibe"]["interval"]
    joy = np.array(made["emotion_logits"])[:, EMOTIONS.index("joy")]
    happy = np.array(made["tags"])[:, MSD_TAGS.index("happy")]
    assert found["joy_with_tag_happy"]["value"] == pytest.approx(spearmanr(joy, happy).statistic, abs=1e-6)
    assert found["sadness_with_tag_sad"]["low"] <= found["sadness_with_tag_sad"]["value"]
    assert found["n"] == ROWS


def test_an_epoch_is_measured_by_all_four():
    made = answer(right=0.5)
    logits = tuple(np.array(made[f"{task}_logits"]) for task in ("emotion", *CLASSES))
    shares = np.array(made["emotions"])
    shares[0] = np.nan
    stated = [np.array([names.index(label) for label in made[task]]) for task, names in CLASSES.items()]
    stated[0][:] = affect_answers.UNKNOWN
    predicted = SimpleNamespace(predictions=(logits[0], *logits, None), label_ids=(shares, *stated))
    found = affect_answers.measure_epoch(None)(predicted)
    assert set(found) == {"map", "vibe_macro_f1", "intensity_macro_f1", "tempo_macro_f1", "mean_score"}
    assert found["vibe_macro_f1"] == 0.0
    assert 0.3 < found["tempo_macro_f1"] < 0.7
    assert found["mean_score"] == pytest.approx(sum(v for k, v in found.items() if k != "mean_score") / 4)


def test_predictions_say_everything_of_every_clip():
    made = answer()
    first = next(iter(affect_answers.predictions(made, config())))
    assert (first["clip"], first["labels"]) == ("0.flac", made["labels"][0])
    assert list(first["probabilities"]) == list(EMOTIONS)
    assert max(first["tempo"]["probabilities"], key=first["tempo"]["probabilities"].get) == first["tempo"]["label"]
