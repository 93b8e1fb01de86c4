"""One way of asking for classifiers of one label and of several: what goes in, and what is kept of what comes out."""

import json
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

from linernotes.training import answers, multilabel
from linernotes.training.asking import answer_rows


class Doubling:
    """Says twice what it hears, where it is asked to listen."""

    device, main_input_name = torch.device("cpu"), "input_values"

    def eval(self) -> None:
        self.asked = []

    def __call__(self, input_values, attention_mask=None):
        self.asked.append(len(input_values))
        mask = 1 if attention_mask is None else attention_mask
        return SimpleNamespace(logits=2 * input_values * mask)

    def readings(self, outputs):
        return {"probabilities": outputs.logits.sigmoid(), "gate_weights": outputs.logits / 3}


def experiment_of(**columns) -> SimpleNamespace:
    """Whose view has these besides the sound, two rows at a time."""
    sound = {"input_values": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}
    view = Dataset.from_dict(sound | columns).with_format("torch")
    recipe = SimpleNamespace(plain_view=lambda rows, experiment: view)
    return SimpleNamespace(recipe=recipe, training=SimpleNamespace(eval_batch_size=2))


def test_it_is_the_same_for_both_kinds():
    assert answers.answer_rows is multilabel.answer_rows is answer_rows


@pytest.mark.parametrize(
    "about",
    [
        {"label": ["jazz", "rock", "pop"]},
        {"labels": [["3"], ["3", "4"], ["5"]], "tempo": ["0 to 90 bpm", None, "150 bpm and more"]},
    ],
)
def test_answers_are_rounded_lists_beside_what_is_known_of_the_rows(about):
    about |= {"group": ["a", "a", "b"], "clip": ["1", "2", "3"], "source": ["x", "x", "y"]}
    rows, model = Dataset.from_dict(about | {"licence": ["none"] * 3}), Doubling()
    said = answer_rows(model, rows, experiment_of(labels=[0, 1, 2], real=[True, False, True]))
    assert said == about | {
        "logits": [[2, 4], [6, 8], [10, 12]],
        "gate_weights": [[0.66667, 1.33333], [2, 2.66667], [3.33333, 4]],
    }
    assert json.loads(json.dumps(said)) == said
    assert model.asked == [2, 1]


def test_what_is_padding_is_not_heard():
    rows = Dataset.from_dict({"group": ["a", "a", "b"]})
    said = answer_rows(Doubling(), rows, experiment_of(attention_mask=[[1, 0], [1, 1], [0, 1]]))
    assert said["logits"] == [[2, 0], [6, 8], [0, 12]]
