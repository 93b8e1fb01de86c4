"""Neural Math Rock that is told more while it learns: besides the labels, the numbers that the rules make them of.

A label by rule says on which side of a bound a clip lies, its writing says where: tempo, strokes, distortion and the
rest. A small model learns what to listen for sooner from these. The head that guesses them is not published.
"""

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn

from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect


class MathRockWithWriting(MathRockForAffect):
    """Its loss has, besides that of the labels, `weight` times the mean smooth L1 distance of what it guesses.

    means, deviations: of each number among the rows it learns from, for which the guesses are scaled.
    """

    _auto_class = None  # its checkpoints are for going on, not for others to load

    def __init__(self, config, means: Tensor, deviations: Tensor, weight: float):
        super().__init__(config)
        self.weight = weight
        self.writing_head = nn.Linear(config.fusion_size, len(means))
        self.register_buffer("means", means)
        self.register_buffer("deviations", deviations)

    def forward(self, *args, writing_labels: Tensor | None = None, **kwargs):
        """As MathRockForAffect. writing_labels: (batch, numbers), NaN where nothing is written."""
        output = super().forward(*args, **kwargs | {"output_hidden_states": True, "return_dict": True})
        (heard,), output.hidden_states = output.hidden_states, None
        if output.loss is not None and writing_labels is not None:
            output.loss = output.loss + self.weight * self.distance(self.writing_head(heard), writing_labels)
        return output

    def distance(self, guessed: Tensor, writing: Tensor) -> Tensor:
        known = writing.isfinite().all(1)
        if not known.any():
            return guessed.sum() * 0.0
        scaled = (writing[known].float() - self.means) / self.deviations
        return F.smooth_l1_loss(guessed[known], scaled)

    def published(self) -> MathRockForAffect:
        """The model as it is without what it was told."""
        plain, learned = MathRockForAffect(self.config), self.state_dict()
        plain.load_state_dict({name: learned[name] for name in plain.state_dict()})
        return plain.eval()


def with_writing(config, rows: Dataset, weight: float) -> MathRockWithWriting:
    """A new model that learns the `writing` of these rows. Raises ValueError where none of them has any."""
    told = [numbers for numbers in rows["writing"] if numbers]
    if not told:
        raise ValueError("training.writing_weight needs clips whose notes are known: set it to 0, or add rendered ones")
    deviations, means = torch.std_mean(torch.tensor(told, dtype=torch.float32), dim=0, correction=0)
    return MathRockWithWriting(config, means, deviations.clamp(min=1e-6), weight)
