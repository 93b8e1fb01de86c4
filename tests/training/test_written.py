"""What is told beside the labels in training: scaled by its rows, left out where unknown, and gone when published."""

import pytest
import torch
from datasets import Dataset
from published_mathrock import TINY_CLAP, TINY_WAVLM

from linernotes.corpora.writing import Writing, numbers_of
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect
from linernotes.training.written import with_writing

CONFIG = MathRockAffectConfig(
    wavlm_config=TINY_WAVLM, clap_config=TINY_CLAP, projection_size=16, fusion_size=16, head_hidden_size=16
)
ROWS = Dataset.from_dict({"writing": [[1.0, 10.0], [], [3.0, 10.0]]})
INPUTS = {"input_values": torch.randn(2, 8_000), "input_features": torch.randn(2, 1, 1001, 64)}
LABELS = {"labels": torch.rand(2, 28)}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return with_writing(CONFIG, ROWS, weight=2.0).eval()


def test_numbers_are_told_as_distances():
    clip = Writing(tempo_bpm=128.0, mode="minor", uneven=True, pitch=64.0)
    names = [*(name for name in Writing.__dataclass_fields__ if name != "mode"), "mode"]
    numbers = dict(zip(names, numbers_of(clip), strict=True))
    assert (numbers["tempo_bpm"], numbers["mode"], numbers["uneven"], numbers["pitch"]) == (7.0, -1.0, 1.0, 64.0)
    assert numbers_of(Writing(60.0))[-1] == 0.0


@torch.no_grad()
def test_a_right_guess_costs_nothing_and_a_wrong_one_by_its_distance(model):
    assert (model.means.tolist(), model.deviations[0].item()) == ([2.0, 10.0], 1.0)
    for parameter in model.writing_head.parameters():
        parameter.zero_()
    plain = model(**INPUTS, **LABELS).loss
    right = model(**INPUTS, **LABELS, writing_labels=torch.tensor([[2.0, 10.0]] * 2)).loss
    wrong = model(**INPUTS, **LABELS, writing_labels=torch.tensor([[5.0, 10.0]] * 2)).loss
    assert right == pytest.approx(plain.item())
    assert wrong - plain == pytest.approx(2.0 * (3.0 - 0.5) / 2, rel=1e-4)  # smooth L1 of three deviations, of two


@torch.no_grad()
def test_rows_of_which_nothing_is_written_cost_nothing(model):
    unknown = torch.full((2, 2), torch.nan)
    assert model(**INPUTS, **LABELS, writing_labels=unknown).loss == model(**INPUTS, **LABELS).loss
    half = torch.tensor([[5.0, 10.0], [torch.nan] * 2])
    whole = torch.tensor([[5.0, 10.0], [5.0, 10.0]])
    same = {name: values[:1].repeat(2, *[1] * (values.dim() - 1)) for name, values in INPUTS.items()}
    costs = [model(**same, **LABELS, writing_labels=told).loss for told in (half, whole)]
    assert costs[0] == pytest.approx(costs[1].item())


def test_what_is_published_answers_alike_and_knows_nothing_of_it(model):
    plain = model.published()
    assert type(plain) is MathRockForAffect
    assert not any("writing" in name for name in plain.state_dict())
    with torch.no_grad():
        assert plain(**INPUTS).logits.equal(model(**INPUTS).logits)


def test_without_notes_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match=r"writing_weight needs clips whose notes are known: set it to 0, or add rend"):
        with_writing(CONFIG, Dataset.from_dict({"writing": [[], []]}), weight=1.0)
