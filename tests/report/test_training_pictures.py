"""The pictures of a training show its log, every stage of it, and what is missing from it."""

import pytest

from linernotes.report.training_pictures import layer_weights, training_curves


def test_training_curves_are_the_records():
    records = [
        {"epoch": 1.0, "loss": 2.0, "learning_rate": 1e-3},
        {"epoch": 1.0, "eval_loss": 2.5, "eval_accuracy": 0.3},
        {"epoch": 2.0, "loss": 1.0, "learning_rate": 1e-3},
        {"epoch": 2.0, "eval_loss": 1.5, "eval_accuracy": 0.7},
        {"epoch": 3.0, "eval_loss": 1.8, "eval_accuracy": 0.6},
        {"epoch": 3.0, "train_runtime": 12.0, "train_loss": 1.5},
    ]
    loss, accuracy = training_curves(records).axes
    drawn = [line.get_xydata().tolist() for line in loss.lines]
    assert drawn == [[[1, 2], [2, 1]], [[1, 2.5], [2, 1.5], [3, 1.8]], [[2, 1.5]]]
    assert [line.get_xydata().tolist() for line in accuracy.lines] == [[[1, 0.3], [2, 0.7], [3, 0.6]], [[2, 0.7]]]
    assert [text.get_text() for text in accuracy.get_legend().texts] == ["validation", "best: 0.7 at epoch 2"]
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")


def test_training_without_validation_has_one_panel_and_no_best():
    (axes,) = training_curves([{"epoch": 1, "loss": 2.0}]).axes
    assert [text.get_text() for text in axes.get_legend().texts] == ["training"]


def test_a_log_without_figures_is_refused():
    with pytest.raises(ValueError, match="no record holds `loss`, `eval_loss`, `accuracy` or `eval_accuracy`"):
        training_curves([{"epoch": 1, "learning_rate": 0.1}])


def test_every_stage_has_a_panel_before_the_last():
    records = [
        {"stage": "events", "epoch": 1.0, "loss": 9.0},
        {"stage": "events", "epoch": 2.0, "loss": 4.0},
        {"stage": "head", "epoch": 1.0, "loss": 2.0},
        {"epoch": 1.0, "loss": 0.8},
        {"epoch": 1.0, "eval_loss": 0.9, "eval_accuracy": 0.7},
    ]
    figure = training_curves(records, ["events", "head"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["stage 1 of 3: events", "stage 2 of 3: head", "stage 3 of 3", "stage 3 of 3"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "loss", "loss", "accuracy"]
    drawn = [axes.lines[0].get_xydata().tolist() for axes in figure.axes]
    assert drawn == [[[1, 9], [2, 4]], [[1, 2]], [[1, 0.8]], [[1, 0.7]]]
    assert figure.get_suptitle() == ""


def test_stages_that_were_not_logged_are_named():
    figure = training_curves([{"epoch": 1.0, "loss": 0.8}], ["events", "head"])
    assert figure.get_suptitle() == "the last of 3 stages; of events and head no loss was kept"
    assert training_curves([{"epoch": 1.0, "loss": 0.8}]).get_suptitle() == ""


def test_layer_weights_are_bars_in_the_order_of_the_layers():
    (axes,) = layer_weights([0.1, 0.6, 0.3]).axes
    assert [bar.get_height() for bar in axes.patches] == [0.1, 0.6, 0.3]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == [1, 2, 3]
    assert axes.lines[0].get_ydata()[0] == pytest.approx(1 / 3)
    assert [text.get_text() for text in axes.get_legend().texts] == ["all alike: 0.333"]
