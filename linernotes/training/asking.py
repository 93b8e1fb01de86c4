"""What a classifier says of rows, whatever kind it is: the answers that figures are made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import DataLoader

from linernotes.modeling.music_model import MusicModel

MASK = "attention_mask"  # where a recording is shorter than the batch
BREAKDOWNS = ("origin", "source", "novelty", "grouping", "tempo")  # columns of text that rows may have; None: nowhere
COLUMNS = ("label", "labels", "group", "clip", *BREAKDOWNS)


def answer_rows(model: MusicModel, rows: Dataset, experiment: Any) -> dict[str, Any]:
    """What a model says of rows, JSON-ready: logits, the readings but probabilities, and what is known of the rows.

    Returns:
        by name a list with an entry for each row; of COLUMNS those that the rows have.
    """
    view = experiment.recipe.plain_view(rows, experiment)
    answers: dict[str, list] = {}
    model.eval()
    with torch.inference_mode():
        for batch in DataLoader(view, batch_size=experiment.training.eval_batch_size):
            heard = {name: batch[name].to(model.device) for name in (model.main_input_name, MASK) if name in batch}
            outputs = model(**heard)
            for name, tensor in {**model.readings(outputs), "logits": outputs.logits}.items():
                if name != "probabilities":  # they are made of the logits, with what is fitted on these
                    answers.setdefault(name, []).extend(tensor.double().cpu().numpy().round(5).tolist())
    return answers | {column: list(rows[column]) for column in COLUMNS if column in rows.column_names}


def plain_answers(classifier: Any, asked: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Probabilities (rows, labels) of a fitted classifier of scikit-learn; 0 for a label that it never met."""
    probabilities = np.zeros((len(asked), len(labels)))
    probabilities[:, [list(labels).index(label) for label in classifier.classes_]] = classifier.predict_proba(asked)
    return probabilities
