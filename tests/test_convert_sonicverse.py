"""A checkpoint written here as SonicVerse wrote its own, against the computation of the original, adapter and all."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from published_sonicverse import RATE, PublishedProjector, audio_config, noise, text_config, tiny_tokenizer
from safetensors.torch import save_file
from transformers import HubertModel, LlamaForCausalLM
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.convert_sonicverse import convert, sizes

TASKS = {
    "instrument_detection": 40, "mood_detection": 56, "genre_detection": 87, "key_detection": 24, "vocals_detection": 3,
}  # fmt: skip
SIZES = {"content_tokens": 3, "task_tokens": 2, "backbone_size": 12, "head_hidden_size": 8}
PREFIX = "base_model.model.model.audio_mert_lmm_projector."


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(7)
    HubertModel(audio_config()).save_pretrained(folder / "tiny-mert")
    LlamaForCausalLM(text_config()).save_pretrained(folder / "tiny-llama")
    tiny_tokenizer().save_pretrained(folder / "tiny-llama")
    return folder


def adapted(parts) -> tuple[LlamaForCausalLM, dict[str, torch.Tensor]]:
    """The language model with an adapter that has learned something, and the adapter by the names in its file."""
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], bias="none")
    model = get_peft_model(LlamaForCausalLM.from_pretrained(parts / "tiny-llama"), settings)
    torch.manual_seed(4)
    state = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
            state[name.replace(".default.", ".")] = parameter.detach().clone()
    return model.eval(), state


@pytest.fixture
def checkpoint(parts, tmp_path):
    """A folder in the published layout, with what it was made of."""
    torch.manual_seed(5)
    projector = PublishedProjector(TASKS, 32, 48, 3, SIZES)
    folder = tmp_path / "published"
    folder.mkdir()
    state = {f"{PREFIX}{name}": weight for name, weight in projector.state_dict().items()}
    torch.save(state, folder / "non_lora_trainables.bin")
    speaker, adapter = adapted(parts)
    torch.save(adapter, folder / "adapter_model.bin")
    options = {"r": 4, "lora_alpha": 8, "base_model_name_or_path": str(parts / "tiny-llama"), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(options))
    return folder, projector, speaker


@pytest.mark.parametrize("form", ["bin", "safetensors"])
def test_a_checkpoint_says_what_it_said(checkpoint, parts, tmp_path, form):
    folder, projector, speaker = checkpoint
    if form == "safetensors":
        save_file(torch.load(folder / "adapter_model.bin"), folder / "adapter_model.safetensors")
        (folder / "adapter_model.bin").unlink()
    model = linernotes.load(convert(folder, tmp_path / "out", audio=parts / "tiny-mert"))
    samples = torch.from_numpy(noise(3.0))[None]
    with torch.no_grad():
        encoder = HubertModel.from_pretrained(parts / "tiny-mert").eval()
        logits, tokens = projector(torch.cat(encoder(samples, output_hidden_states=True).hidden_states))
        output = model(samples)
        assert torch.allclose(output.audio_tokens[0], tokens, rtol=1e-4, atol=1e-3)
        for name in TASKS:
            assert torch.allclose(output.task_logits[name][0], logits[name], rtol=1e-4, atol=1e-3)
        ids = torch.tensor([[1, 7, 8, 9]])
        assert torch.allclose(model.language_model(ids).logits, speaker(ids).logits, atol=1e-5)
        plain = LlamaForCausalLM.from_pretrained(parts / "tiny-llama").eval()
        assert (model.language_model(ids).logits - plain(ids).logits).abs().max() > 1e-3
    answer = model.predict(noise(3.0), sampling_rate=RATE)
    assert isinstance(answer["caption"], str)
    assert len(answer["genres"]["probabilities"]) == 87
    config = model.config
    assert (config.original_pooling, config.audio_tokens, config.projector_hidden_size) == (True, 13, 48)
    assert (config.audio_name, config.text_name) == ("tiny-mert", "tiny-llama")
    assert str(parts) not in (tmp_path / "out" / "config.json").read_text()


def test_the_shapes_tell_the_sizes_of_the_published_checkpoint():
    with torch.device("meta"):
        state = PublishedProjector(
            TASKS, 768, 4096, 13,
            {"content_tokens": 40, "task_tokens": 4, "backbone_size": 512, "head_hidden_size": 256},
        ).state_dict()  # fmt: skip
    found = sizes(state)
    assert [len(task["classes"]) for task in found.pop("tasks").values()] == list(TASKS.values())
    assert found == {
        "content_tokens": 40, "task_tokens": 4, "backbone_size": 512, "head_hidden_size": 256,
        "projector_hidden_size": 4096,
    }  # fmt: skip
    state = {name: weight for name, weight in state.items() if name.startswith("lmm_projector")}
    assert sizes(state) == {"tasks": {}, "content_tokens": 40, "projector_hidden_size": 4096}


def test_weights_that_do_not_fit_are_refused(checkpoint, parts, tmp_path):
    folder, *_ = checkpoint
    audio, text = parts / "tiny-mert", parts / "tiny-llama"
    state = torch.load(folder / "non_lora_trainables.bin")
    del state[f"{PREFIX}key_detection.hidden_layer_1.bias"]
    torch.save(state, folder / "non_lora_trainables.bin")
    message = (
        r"does not fit .*: key_detection.hidden_layer_1.bias should have shape \(8,\), there is none .*\(--audio, --t"
    )
    with pytest.raises(ValueError, match=message):
        convert(folder, tmp_path / "out", audio=audio, text=text)
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_model_is_refused(checkpoint, parts, tmp_path):
    folder, *_ = checkpoint
    adapter = torch.load(folder / "adapter_model.bin")
    name = next(iter(adapter))
    torch.save(adapter | {name: adapter[name][:, :5]}, folder / "adapter_model.bin")
    with pytest.raises(
        ValueError, match=r"the adapter of model\.layers.* has shape .*: name its language model \(--text"
    ):
        convert(folder, tmp_path / "out", audio=parts / "tiny-mert")
    torch.save({"base_model.model.model.vision.lora_A.weight": torch.zeros(4, 4)}, folder / "adapter_model.bin")
    with pytest.raises(ValueError, match=r"has .*vision\.lora_A\.weight, for which the language model has no layer"):
        convert(folder, tmp_path / "out", audio=parts / "tiny-mert")


class Trap:
    """Unpickling it would run something."""

    def __reduce__(self):
        return shutil.rmtree, ("nowhere",)


def test_folders_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="non_lora_trainables"):
        convert(tmp_path, tmp_path / "out")
    for saved, found in (({"model.norm": torch.zeros(1)}, "model.norm"), ([1], "list"), ({}, "nothing")):
        torch.save(saved, tmp_path / "non_lora_trainables.bin")
        with pytest.raises(
            ValueError, match=rf"holds {found}; a checkpoint of SonicVerse has audio_mert_lmm_projector"
        ):
            convert(tmp_path, tmp_path / "out")
    torch.save({f"{PREFIX}x": Trap()}, tmp_path / "non_lora_trainables.bin")
    with pytest.raises(ValueError, match=r"non_lora_trainables\.bin is no checkpoint that can be read safely: \w"):
        convert(tmp_path, tmp_path / "out")


def test_the_command_prints_the_folder_or_says_what_is_wrong(checkpoint, parts, tmp_path):
    folder, *_ = checkpoint
    command = [
        "convert",
        "sonicverse",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--audio",
        str(parts / "tiny-mert"),
    ]
    result = CliRunner().invoke(cli.app, command)
    assert (result.exit_code, result.stdout.strip().splitlines()[-1]) == (0, str(tmp_path / "out"))
    missing = CliRunner().invoke(cli.app, ["convert", "sonicverse", "nowhere", "--out", str(tmp_path / "out")])
    assert missing.exit_code == 2
    assert "nowhere" in missing.stderr
