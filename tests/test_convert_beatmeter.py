"""Checkpoints written here as the BeatMeter project wrote them, against its own way of computing them."""

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from published_beatmeter import RATE, PublishedHead, noise, published_pooling, tiny_backbone
from torch import nn
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.convert_beatmeter import convert

RECORDINGS = [noise(seconds, seed=seed) for seed, seconds in enumerate((11.5, 7.0))]


@pytest.fixture
def backbone(tmp_path):
    tiny_backbone(feat_extract_norm="group").save_pretrained(tmp_path / "backbone")
    return tmp_path / "backbone"


def finetuned(model_name: str, head: nn.Module, adapters: dict | None) -> dict:
    """What `finetune_mert.py` saved after each epoch."""
    return {
        "head_state_dict": head.state_dict(), "lora_state_dict": adapters, "optimizer_state_dict": {"state": {}},
        "scheduler_state_dict": {"best": 0.147}, "class_map": {0: 3, 1: 4, 2: 5, 3: 7, 4: 9, 5: 11},
        "model_name": model_name, "num_layers": 2, "hidden_dim": 32, "pooled_dim": 64, "head_dim": 24,
        "num_classes": 6, "dropout": 0.4, "val_accuracy": 0.147, "val_loss": 1.43, "epoch": 9, "lora_rank": 4,
        "lora_alpha": 8, "model_type": "MERTFineTuned",
    }  # fmt: skip


def randomised(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1)
    return module.eval()


def adapted(backbone: nn.Module) -> tuple[nn.Module, dict]:
    """The backbone with adapters that have learned something, and those by the names that peft gives them."""
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_dropout=0.05, bias="none")
    model = get_peft_model(backbone, settings)
    learned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    for parameter in learned.values():
        nn.init.normal_(parameter, std=0.2)
    return model.eval(), {name: parameter.detach() for name, parameter in learned.items()}


def logits(folder, recordings=RECORDINGS) -> torch.Tensor:
    model = linernotes.load(folder)
    with torch.no_grad():
        return model(**model._inputs(recordings)).logits


@pytest.mark.parametrize("do_normalize", [True, False])
def test_a_finetuned_checkpoint_says_what_it_said(backbone, tmp_path, do_normalize):
    torch.manual_seed(2)
    (backbone / "preprocessor_config.json").write_text(f'{{"do_normalize": {str(do_normalize).lower()}}}')
    head = randomised(PublishedHead())
    model, adapters = adapted(tiny_backbone(feat_extract_norm="group"))
    assert set(adapters) >= {"base_model.model.encoder.layers.0.attention.q_proj.lora_A.default.weight"}
    torch.save(finetuned("m-a-p/MERT-v1-330M", head, adapters), tmp_path / "meter_mert_finetuned.pt")
    folder = convert(tmp_path / "meter_mert_finetuned.pt", tmp_path / "out", backbone=backbone)
    with torch.no_grad():
        expected = head(published_pooling(RECORDINGS, model, do_normalize))
        without = head(published_pooling(RECORDINGS, tiny_backbone(feat_extract_norm="group"), do_normalize))
    assert torch.allclose(logits(folder), expected, atol=1e-5)
    assert (expected - without).abs().max() > 1e-3
    answer = linernotes.load(folder).predict(RECORDINGS[0], sampling_rate=RATE)
    assert list(answer["probabilities"].values()) == pytest.approx(expected[0].sigmoid().tolist(), abs=1e-5)
    assert str(tmp_path) not in (folder / "config.json").read_text()


def test_the_backbone_is_the_one_the_checkpoint_names(backbone, tmp_path):
    torch.save(finetuned(str(backbone), randomised(PublishedHead()), None), tmp_path / "frozen.pt")
    folder = convert(tmp_path / "frozen.pt", tmp_path / "out")
    assert linernotes.load(folder).config.backbone_name == "backbone"
    torch.save(finetuned(None, PublishedHead(), None), tmp_path / "nameless.pt")
    with pytest.raises(ValueError, match=r"nameless.pt names no backbone; say which \(--backbone\)"):
        convert(tmp_path / "nameless.pt", tmp_path / "out")


class DeepMlp(nn.Module):
    """The older classifier over all layers."""

    def __init__(self):
        super().__init__()
        self.layer_logits, self.layer_norm = nn.Parameter(torch.zeros(2)), nn.LayerNorm(64)
        hidden = nn.Linear(64, 24), nn.GELU(), nn.Dropout(0.3), nn.Linear(24, 12), nn.GELU(), nn.Dropout(0.3)
        self.classifier = nn.Sequential(*hidden, nn.Linear(12, 4))

    def forward(self, pooled):
        return self.classifier(self.layer_norm((pooled * self.layer_logits.softmax(0)[None, :, None]).sum(1)))


class ShallowMlp(nn.Module):
    """The oldest, over one layer."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.3), nn.Linear(24, 4))

    def forward(self, pooled):
        return self.net(pooled[:, 1])


@pytest.mark.parametrize("kind", [DeepMlp, ShallowMlp])
def test_the_older_classifiers_say_what_they_said(backbone, tmp_path, kind):
    torch.manual_seed(3)
    (backbone / "preprocessor_config.json").write_text('{"do_normalize": false}')
    head = randomised(kind())
    sizes = {"hidden_dim": 24, "num_classes": 4, "dropout": 0.3, "class_map": {0: 3, 1: 4, 2: 5, 3: 7}}
    if kind is DeepMlp:
        sizes |= {"multi_layer": True, "num_layers": 2, "pooled_dim": 64, "layer_drop": 0.1}
    else:
        sizes |= {"multi_layer": False, "layer_idx": 1, "input_dim": 64}
    torch.save({"classifier_state_dict": head.state_dict(), **sizes}, tmp_path / "legacy.pt")
    folder = convert(tmp_path / "legacy.pt", tmp_path / "out", backbone=backbone)
    with torch.no_grad():
        expected = head(published_pooling(RECORDINGS, tiny_backbone(feat_extract_norm="group"), do_normalize=False))
    assert torch.allclose(logits(folder), expected, atol=1e-5)
    probabilities = linernotes.load(folder).predict(RECORDINGS[1], sampling_rate=RATE)["probabilities"]
    assert list(probabilities) == ["3", "4", "5", "7"]
    assert list(probabilities.values()) == pytest.approx(expected[1].softmax(-1).tolist(), abs=1e-5)


def test_weights_that_do_not_fit_are_refused(backbone, tmp_path):
    torch.save(finetuned(str(backbone), PublishedHead(num_layers=12), None), tmp_path / "deeper.pt")
    with pytest.raises(ValueError, match=r"layer_logits should have shape \(2,\), there is \(12,\) \(1 such weights\)"):
        convert(tmp_path / "deeper.pt", tmp_path / "out")
    saved = finetuned(
        str(backbone), PublishedHead(), {"base_model.model.other.lora_A.default.weight": torch.ones(4, 32)}
    )
    torch.save(saved, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"should have shape .*, there is none .*give the backbone it was trained on"):
        convert(tmp_path / "other.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["head_state_dict", "lora_state_dict"])
def test_weights_that_are_no_numbers_are_refused(backbone, tmp_path, part):
    saved = finetuned(str(backbone), PublishedHead(), adapted(tiny_backbone(feat_extract_norm="group"))[1])
    saved[part] = {name: tensor * torch.nan for name, tensor in saved[part].items()}
    torch.save(saved, tmp_path / "failed.pt")
    with pytest.raises(ValueError, match=r"failed\.pt does not fit .* holds NaN or infinity .*give another checkpoint"):
        convert(tmp_path / "failed.pt", tmp_path / "out")


def test_a_size_that_is_not_said_is_named(backbone, tmp_path):
    saved = finetuned(str(backbone), PublishedHead(), None)
    del saved["head_dim"]
    torch.save(saved, tmp_path / "sizeless.pt")
    with pytest.raises(ValueError, match=r"sizeless\.pt does not say head_dim; give the file as its training wrote it"):
        convert(tmp_path / "sizeless.pt", tmp_path / "out")


class Trap:
    """Unpickling it would run something."""

    def __reduce__(self):
        return shutil.rmtree, ("nowhere",)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    torch.save({"head_state_dict": Trap()}, tmp_path / "trap.pt")
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "half.pt").write_bytes((tmp_path / "trap.pt").read_bytes()[:300])
    for name in ("trap.pt", "notes.pt", "empty.pt", "half.pt"):
        with pytest.raises(ValueError, match=rf"{name} is no checkpoint that can be read safely: .*; give a \.pt or"):
            convert(tmp_path / name, tmp_path / "out")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt holds model; a BeatMeter checkpoint has head_state_dict or clas"):
        convert(tmp_path / "other.pt", tmp_path / "out")


def test_the_command_prints_the_folder_or_says_what_is_wrong(backbone, tmp_path):
    torch.save(finetuned("m-a-p/MERT-v1-95M", randomised(PublishedHead()), None), tmp_path / "meter.pt")
    command = ["convert", "beatmeter", str(tmp_path / "meter.pt"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, [*command, "--backbone", str(backbone)])
    assert (result.exit_code, result.stdout.strip().splitlines()[-1]) == (0, str(tmp_path / "out"))
    assert "predicted_meter" in linernotes.load(tmp_path / "out").predict(RECORDINGS[1], sampling_rate=RATE)
    missing = CliRunner().invoke(cli.app, ["convert", "beatmeter", "nowhere.pt", "--out", str(tmp_path / "out")])
    assert missing.exit_code == 2
    assert "nowhere.pt" in missing.stderr


@pytest.mark.parametrize(
    "content", [b"hello world\n", b"}", b"I1\n.", b"0123", b"RIFF\0\0\0\0WAVEfmt ", b"h\0", b"\x80\x02M"]
)
def test_any_other_file_is_refused_in_one_line(content, tmp_path):
    """torch reads these as pickles, and each of them ends in another error."""
    (tmp_path / "song.wav").write_bytes(content)
    command = ["convert", "beatmeter", str(tmp_path / "song.wav"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "song.wav is no checkpoint that can be read safely: it is another kind of file" in line
    assert line.endswith("give a .pt or .pth file that torch.save wrote of tensors and plain values")
    assert not (tmp_path / "out").exists()
