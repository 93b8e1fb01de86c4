"""Figures of a classifier: counted by hand, against scikit-learn, as metrics of `evaluate`, and by their properties."""

import json
import re
from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn import metrics as sk

from linernotes.training import metrics

LABELS = ["jazz", "blues", "rock"]
# Six answers: jazz right, jazz said to be blues, blues right twice, rock right, rock said to be jazz
REFERENCES = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.0, 1.0, 0.0], [0.1, 0.3, 0.6], [0.5, 0.1, 0.4]]
)
GATES = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.2, 0.6, 0.2], [0.0, 0.8, 0.2], [0.5, 0.4, 0.1], [0.5, 0.2, 0.3]])
ARTISTS = ["a", "b", "c", "c", "d", "e"]


def made_up(seed=0, n=300, classes=4, num_groups=40):
    generator = np.random.default_rng(seed)
    references = generator.integers(0, classes, n)
    probabilities = generator.dirichlet(np.ones(classes), n) + 0.5 * np.eye(classes)[references]
    gates = generator.dirichlet(np.ones(classes), n)
    groups = np.array([f"artist {number}" for number in generator.integers(0, num_groups, n)])
    return references, probabilities / probabilities.sum(1, keepdims=True), groups, gates


def numbers(value):
    """Every {"value", "low", "high"} inside a nested result."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= value.keys():
            yield value
        for item in value.values():
            yield from numbers(item)


def test_averages_by_hand():
    """F1: jazz 1 of (1 said rightly, 2 said, 2 there) 0.5; blues 2 of 3 and 2, 0.8; rock 1 of 1 and 2, 2/3."""
    assert metrics.accuracy(REFERENCES, PROBABILITIES) == pytest.approx(4 / 6)
    assert metrics.macro_f1(REFERENCES, PROBABILITIES) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    assert metrics.balanced_accuracy(REFERENCES, PROBABILITIES) == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_per_class_by_hand():
    figures = metrics.per_class(REFERENCES, PROBABILITIES)
    np.testing.assert_allclose(figures["precision"], [1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(figures["recall"], [1 / 2, 1, 1 / 2])
    np.testing.assert_allclose(figures["f1"], [0.5, 0.8, 2 / 3])
    np.testing.assert_array_equal(figures["support"], [2, 2, 2])


def test_roc_auc_by_hand():
    """Jazz rows score 0.8 and 0.3 against 0.2, 0, 0.1, 0.5: one of eight pairs is in the wrong order."""
    assert metrics.roc_auc(REFERENCES, PROBABILITIES)[0] == pytest.approx(7 / 8)


def test_calibration_error_by_hand():
    """Two bins: (0, 0.5] holds 0.5, wrong; (0.5, 1] holds 0.8, 0.6, 0.7, 1, 0.6, four of five right.

    1/6 * |0.5 - 0| + 5/6 * |3.7/5 - 4/5| = 0.5/6 + 0.3/6
    """
    assert metrics.expected_calibration_error(REFERENCES, PROBABILITIES, bins=2) == pytest.approx(0.8 / 6)
    binned = metrics.reliability(REFERENCES, PROBABILITIES, bins=2)
    np.testing.assert_array_equal(binned["count"], [1, 5])
    np.testing.assert_allclose(binned["confidence"], [0.5, 0.74])
    np.testing.assert_allclose(binned["accuracy"], [0, 0.8])


def test_bins_of_confidence_are_closed_above():
    confidences = np.array([1 / 15, 1 / 15 + 1e-9, 0.2, 0.4, 1.0])
    probabilities = np.stack([confidences, np.zeros(5)], axis=1)  # only the top one counts
    np.testing.assert_array_equal(metrics.calibration_bin(probabilities), [0, 1, 2, 5, 14])


def test_confidence_that_is_always_right_has_no_calibration_error():
    generator = np.random.default_rng(0)
    top = generator.uniform(0.5, 1.0, 200_000)
    references = (generator.random(len(top)) > top).astype(int)
    assert metrics.expected_calibration_error(references, np.stack([top, 1 - top], axis=1)) < 0.01


def test_self_activation_by_hand():
    np.testing.assert_allclose(metrics.self_activation(REFERENCES, GATES), [0.7, 0.7, 0.2])
    np.testing.assert_allclose(metrics.gate_profile(REFERENCES, GATES, 3)[0], [0.7, 0.3, 0])


def test_a_collapsed_gate_has_a_minimum_of_zero():
    """All weight on the first expert: the mean is no better than chance and the minimum says why."""
    collapsed = np.tile([1.0, 0.0, 0.0], (6, 1))
    shown = metrics.measure(REFERENCES, PROBABILITIES, ARTISTS, LABELS, collapsed)["self_activation"]
    assert shown["mean"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert shown["mean"]["uniform_baseline"] == pytest.approx(1 / 3, abs=1e-6)
    assert shown["min"]["value"] == 0.0


def test_measure_by_hand():
    result = metrics.measure(REFERENCES, PROBABILITIES, ARTISTS, LABELS, GATES)
    assert (result["n"], result["n_groups"], result["labels"]) == (6, 5, LABELS)
    assert result["accuracy"]["value"] == pytest.approx(0.666667)
    assert result["confusion"] == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert result["per_class"]["blues"]["support"] == 2
    assert result["per_class"]["blues"]["groups"] == 1
    assert result["per_class"]["rock"]["recall"]["value"] == 0.5
    assert result["self_activation"]["per_class"]["rock"]["value"] == 0.2
    assert result["gate_profile"][2] == [0.5, 0.3, 0.2]
    assert sum(result["reliability"]["count"]) == 6
    assert result["ece"]["bins"] == len(result["reliability"]["count"]) == 15


def test_majority_baseline_by_hand():
    """Three jazz of four: always jazz, with certainty. F1 of jazz is 2 * 3 / (3 + 4), of blues 0."""
    references, answers = np.array([0, 0, 0, 1]), np.array([[0.6, 0.4]] * 4)
    result = metrics.measure(references, answers, range(4), ["jazz", "blues"])
    baselines = {name: result[name]["majority_baseline"] for name in metrics.AVERAGED}
    expected = {"accuracy": 0.75, "macro_f1": 3 / 7, "balanced_accuracy": 0.5, "roc_auc": 0.5, "ece": 0.25}
    assert baselines == pytest.approx(expected, abs=1e-6)


def test_paired_difference_by_hand():
    """a is right on all four, b on one of artist y's two: 0.75 more. Draws are xx, xy, yx or yy: 1, 0.75 or 0.5."""
    figure = metrics.paired_difference([0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0], ["x", "x", "y", "y"])
    assert figure == {"value": 0.75, "low": 0.5, "high": 1.0, "n": 4, "n_groups": 2}


def test_same_predictions_differ_by_nothing():
    assert metrics.paired_difference([0, 1], [0, 0], [0, 0], [1, 2]) == {
        "value": 0.0, "low": 0.0, "high": 0.0, "n": 2, "n_groups": 2
    }  # fmt: skip


def test_a_paired_difference_is_surer_than_two_intervals():
    references, probabilities, groups, _ = made_up()
    a = probabilities.argmax(1)
    b = np.where(np.arange(len(a)) % 20, a, (references + 1) % 4)  # b fails where a may not
    figure = metrics.paired_difference(references, a, b, groups)
    alone = metrics.measure(references, probabilities, groups, list("abcd"))["accuracy"]
    assert figure["low"] > 0
    assert figure["high"] - figure["low"] < alone["high"] - alone["low"]


def test_parity_with_scikit_learn():
    references, probabilities, groups, _ = made_up()
    result = metrics.measure(references, probabilities, groups, list("abcd"))
    guess = probabilities.argmax(1)
    report = sk.classification_report(references, guess, target_names=list("abcd"), output_dict=True)
    for letter in "abcd":
        shown = result["per_class"][letter]
        assert shown["precision"]["value"] == pytest.approx(report[letter]["precision"], abs=1e-6)
        assert shown["recall"]["value"] == pytest.approx(report[letter]["recall"], abs=1e-6)
        assert shown["f1"]["value"] == pytest.approx(report[letter]["f1-score"], abs=1e-6)
        assert shown["support"] == report[letter]["support"]
    assert result["accuracy"]["value"] == pytest.approx(report["accuracy"], abs=1e-6)
    assert result["macro_f1"]["value"] == pytest.approx(report["macro avg"]["f1-score"], abs=1e-6)
    balanced = sk.balanced_accuracy_score(references, guess)
    assert result["balanced_accuracy"]["value"] == pytest.approx(balanced, abs=1e-6)
    area = sk.roc_auc_score(references, probabilities, multi_class="ovr", average="macro")
    assert result["roc_auc"]["value"] == pytest.approx(area, abs=1e-6)
    assert result["confusion"] == sk.confusion_matrix(references, guess).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_interval_holds_its_value_and_is_one(seed):
    result = metrics.measure(*made_up(seed)[:3], list("abcd"), made_up(seed)[3])
    found = list(numbers(result))
    assert len(found) == 5 + 4 * 4 + 2 + 4
    assert all(number["low"] <= number["value"] <= number["high"] for number in found)
    assert all(number["low"] < number["high"] for number in found)


def test_a_gate_that_never_wavers_has_intervals_without_width():
    """Every clip of a genre gives its own expert the same weight, so every resample does."""
    references, probabilities, groups, _ = made_up()
    own = np.array([0.4, 0.5, 0.6, 0.7])[references]
    gates = np.where(references[:, None] == np.arange(4), own[:, None], (1 - own[:, None]) / 3)
    shown = metrics.measure(references, probabilities, groups, list("abcd"), gates)["self_activation"]
    for letter, weight in zip("abcd", [0.4, 0.5, 0.6, 0.7], strict=True):
        assert shown["per_class"][letter] == {"value": weight, "low": weight, "high": weight}
    assert (shown["min"]["low"], shown["min"]["high"], shown["mean"]["low"]) == (0.4, 0.4, 0.55)


def test_order_of_rows_changes_nothing():
    references, probabilities, groups, gates = made_up()
    order = np.random.default_rng(1).permutation(len(references))
    once = metrics.measure(references, probabilities, groups, list("abcd"), gates)
    again = metrics.measure(references[order], probabilities[order], groups[order], list("abcd"), gates[order])
    for left, right in zip(numbers(once), numbers(again), strict=True):
        assert left == pytest.approx(right, abs=1e-6)
    assert (once["confusion"], once["reliability"]["count"]) == (again["confusion"], again["reliability"]["count"])


def test_fewer_groups_are_less_sure():
    """All rows of a group are alike here: 40 artists of 20 songs know no more than 40 songs."""
    references, probabilities, _, _ = made_up(n=40)
    repeated = [np.repeat(array, 20, axis=0) for array in (references, probabilities)]
    by_artist = metrics.measure(*repeated, np.repeat(np.arange(40), 20), list("abcd"))["accuracy"]
    by_song = metrics.measure(*repeated, np.arange(800), list("abcd"))["accuracy"]
    assert by_artist["high"] - by_artist["low"] > 3 * (by_song["high"] - by_song["low"])


def test_a_class_that_does_not_occur_is_none_and_leaves_the_averages():
    result = metrics.measure(REFERENCES[:4], PROBABILITIES[:4], ARTISTS[:4], LABELS, GATES[:4])
    absent = result["per_class"]["rock"]
    assert (absent["support"], absent["groups"]) == (0, 0)
    assert all(absent[name]["value"] is None for name in ("precision", "recall", "f1", "roc_auc"))
    assert result["self_activation"]["per_class"]["rock"]["value"] is None
    assert result["gate_profile"][2] == [None, None, None]
    assert result["balanced_accuracy"]["value"] == pytest.approx((0.5 + 1) / 2)


def test_only_one_class_has_no_roc():
    result = metrics.measure([1, 1], PROBABILITIES[2:4], ["a", "b"], LABELS)
    assert result["roc_auc"]["value"] is None
    assert result["accuracy"]["value"] == 1.0


def test_one_group_gives_no_interval():
    result = metrics.measure(REFERENCES, PROBABILITIES, ["a"] * 6, LABELS, GATES)
    assert all((number["low"], number["high"]) == (None, None) for number in numbers(result))


def test_without_one_error_the_interval_of_accuracy_still_has_a_width():
    accuracy = metrics.measure([0, 1, 2], np.eye(3), ["a", "b", "c"], LABELS)["accuracy"]
    assert (accuracy["value"], accuracy["high"]) == (1.0, 1.0)
    assert accuracy["low"] == pytest.approx(0.025 ** (1 / 3), abs=1e-6)


def test_gates_of_another_number_than_the_classes_have_a_profile_but_no_self_activation():
    result = metrics.measure(REFERENCES, PROBABILITIES, ARTISTS, LABELS, GATES[:, :2])
    assert np.shape(result["gate_profile"]) == (3, 2)
    assert "self_activation" not in result
    assert "gate_profile" not in metrics.measure(REFERENCES, PROBABILITIES, ARTISTS, LABELS)


def test_the_result_is_json():
    result = metrics.measure(*made_up()[:3], list("abcd"), made_up()[3])
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize(
    ("metric", "key", "value"),
    [
        (metrics.Accuracy, "accuracy", 4 / 6),
        (metrics.MacroF1, "macro_f1", (0.5 + 0.8 + 2 / 3) / 3),
        (metrics.BalancedAccuracy, "balanced_accuracy", 2 / 3),
        # 15 bins: 0.8, 0.7 and 1 right, 0.5 wrong, and 0.6 twice, right once: (0.2 + 0.3 + 0 + 0.5 + |1.2 - 1|) / 6
        (metrics.ExpectedCalibrationError, "ece", 0.2),
    ],
)
def test_metrics_of_evaluate_give_the_same(metric, key, value):
    result = metric().compute(references=REFERENCES, predictions=PROBABILITIES)
    assert result == {key: pytest.approx(value, abs=1e-6)}


def test_metrics_of_evaluate_by_class():
    inputs = {"references": REFERENCES, "predictions": PROBABILITIES}
    assert metrics.PerClass().compute(**inputs)["per_class"]["recall"] == [0.5, 1.0, 0.5]
    assert metrics.RocAuc().compute(**inputs)["roc_auc"][0] == 0.875
    gates = metrics.SelfActivation().compute(references=REFERENCES, predictions=GATES)
    assert gates == {"self_activation": [0.7, 0.7, 0.2]}


def test_metrics_of_evaluate_combine_and_take_batches():
    both = evaluate.combine([metrics.Accuracy(), metrics.MacroF1()])
    for rows in (slice(0, 4), slice(4, 6)):
        both.add_batch(references=REFERENCES[rows], predictions=PROBABILITIES[rows])
    assert both.compute() == pytest.approx({"accuracy": 4 / 6, "macro_f1": (0.5 + 0.8 + 2 / 3) / 3})


def test_the_example_of_the_documentation_runs():
    text = (Path(__file__).parents[2] / "docs" / "genre-moe.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    found = {}
    exec(example, found)
    assert found["figures"] == pytest.approx({"balanced_accuracy": 0.75, "macro_f1": 2 / 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"references": [0, 1]}, r"references are \(2,\) and groups \(6,\); both must be \(n,\)"),
        ({"references": [], "groups": []}, "the same n above 0"),
        ({"references": [0, 0, 1, 1, 2, 3]}, "from 0 to 3; they must be class indices from 0 to 2"),
        ({"references": np.array(REFERENCES, float)}, "references are float64"),
        ({"labels": ["jazz", "blues"]}, r"probabilities are \(6, 3\); these references and labels need \(6, 2\)"),
        ({"probabilities": np.log(PROBABILITIES + 1e-9)}, "apply a softmax to logits first"),
        ({"probabilities": PROBABILITIES * np.nan}, "probabilities must be 0 or more"),
        ({"gate_weights": GATES[:2]}, r"gate_weights are \(2, 3\); they must be \(6, experts\) and finite"),
    ],
)
def test_bad_arrays_are_refused(change, message):
    arguments = {"references": REFERENCES, "probabilities": PROBABILITIES, "groups": ARTISTS, "labels": LABELS}
    with pytest.raises(ValueError, match=message):
        metrics.measure(**(arguments | change))


def test_a_pair_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match=r"\[\(2,\), \(1,\), \(2,\), \(2,\)\]; all must be \(n,\)"):
        metrics.paired_difference([0, 1], [0], [0, 1], ["a", "b"])
