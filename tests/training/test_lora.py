"""LoRA in a composite: the published sizes, the same answers merged and reloaded, and no place in what is saved."""

import json

import pytest
import torch
from published_beatmeter import MERT_330M, noise, tiny_backbone

from linernotes.modeling.configuration_beatmeter import BeatMeterConfig
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification
from linernotes.training.lora import add_lora, load_adapter, merge_lora, save_adapter, trained_state

SOUND = torch.from_numpy(noise(3))[None]


@pytest.fixture
def backbone(tmp_path):
    tiny_backbone().save_pretrained(tmp_path / "tiny-mert")
    return tmp_path / "tiny-mert"


def fresh(backbone) -> BeatMeterForMeterClassification:
    torch.manual_seed(1)
    return BeatMeterForMeterClassification.from_backbone(backbone, head_hidden_size=24).eval()


@pytest.fixture
def trained(backbone) -> BeatMeterForMeterClassification:
    """A few steps from the beginning: the adapters are no longer zero."""
    model = add_lora(fresh(backbone), rank=4, alpha=8).train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    for _ in range(3):
        model(SOUND, labels=torch.tensor([2])).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model.eval()


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(SOUND).logits


@pytest.mark.parametrize(("fields", "size", "head"), [({}, 589_824, 398_098), (MERT_330M, 1_572_864, 530_206)])
def test_sizes_are_the_published_ones(fields, size, head):
    with torch.device("meta"):
        model = add_lora(BeatMeterForMeterClassification(BeatMeterConfig(backbone_config=fields)))
    learns = [(name, p.numel()) for name, p in model.named_parameters() if p.requires_grad]
    assert sum(count for name, count in learns if name.startswith("backbone.")) == size
    assert sum(count for name, count in learns if not name.startswith("backbone.")) == head
    assert all("lora_" in name for name, _ in learns if name.startswith("backbone."))


def test_adapters_learn_and_begin_as_nothing(backbone, trained):
    model = fresh(backbone)
    before = logits(model)
    assert torch.allclose(logits(add_lora(model)), before, atol=1e-6)
    values = [tensor for name, tensor in trained_state(trained).items() if "lora_B" in name]
    assert len(values) == 4
    assert all(tensor.abs().max() > 0 for tensor in values)


def test_merged_it_is_a_plain_model_with_the_same_answers(trained, backbone, tmp_path):
    expected, folder = logits(trained), tmp_path / "merged"
    merge_lora(trained).save_pretrained(folder)
    assert trained.state_dict().keys() == fresh(backbone).state_dict().keys()
    model, info = BeatMeterForMeterClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert torch.allclose(logits(model), expected, atol=1e-5)
    assert not list(folder.glob("adapter*"))
    assert str(tmp_path) not in (folder / "config.json").read_text()
    assert (logits(fresh(backbone)) - expected).abs().max() > 1e-2


def test_what_was_trained_is_saved_and_goes_on(trained, backbone, tmp_path):
    folder = save_adapter(trained, tmp_path / "adapter")
    again = load_adapter(fresh(backbone), folder)
    assert torch.equal(logits(again), logits(trained))
    assert trained_state(again).keys() == trained_state(trained).keys()
    about = json.loads((folder / "adapter.json").read_text())
    assert (about["backbone"], about["rank"], about["alpha"]) == ("tiny-mert", 4, 8)
    assert (folder / "adapter.safetensors").stat().st_size < 40_000 < 4 * trained.num_parameters()


def test_adapters_for_another_model_are_refused(trained, backbone, tmp_path):
    folder = save_adapter(trained, tmp_path / "adapter")
    other = fresh(backbone)
    other.config.backbone_name = "m-a-p/MERT-v1-95M"
    with pytest.raises(ValueError, match=r"not for the backbone 'm-a-p/MERT-v1-95M'; see adapter\.json"):
        load_adapter(other, folder)
    periods = BeatMeterForMeterClassification.from_backbone(backbone, head_type="tempogram")
    with pytest.raises(ValueError, match=r"adapter\.safetensors and the model differ in .* weights, tempogram"):
        load_adapter(periods, folder)


def test_adapters_are_put_in_once_and_merged_once(trained):
    with pytest.raises(ValueError, match="has adapters already; merge them first"):
        add_lora(trained)
    with pytest.raises(ValueError, match="no adapters; put them in with add_lora or load_adapter"):
        merge_lora(merge_lora(trained))
