"""Language models beside a model's own folder: where a fetched one is kept, what its config says, how one is loaded.

A folder of SonicVerse may leave out its language model, of which nothing was trained. `linernotes fetch-llm` puts that
one into a cache, where it is found by its Hub id; nothing here reaches for the network by itself.
"""

import os
from os import PathLike
from pathlib import Path

from transformers import AutoConfig, GenerationConfig, PreTrainedConfig
from transformers.utils import cached_file

CACHE = "LINERNOTES_CACHE"  # the environment variable that moves the cache
FETCHABLE = "HuggingFaceTB/SmolLM2-135M-Instruct"  # what `linernotes fetch-llm` fetches


def place_in_cache(name: str) -> Path:
    """The folder in which a fetched language model of that Hub id lies, or will lie."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "linernotes")
    return Path(os.environ.get(CACHE) or default).expanduser() / "language-models" / Path(*name.split("/"))


def fetched(name: str) -> Path | None:
    """The folder of a fetched language model, None where that Hub id was not fetched."""
    owner, _, model = name.partition("/")
    folder = place_in_cache(name) if owner.strip(".") and model.strip(".") and "/" not in model else None
    return folder if folder and (folder / "config.json").is_file() else None


def located(source: str | PathLike) -> str | PathLike:
    """What to load a language model from: a folder, the place of one that was fetched, else its Hub id."""
    return source if Path(source).is_dir() else fetched(str(source)) or source


def speaker_config(source: str | PathLike) -> PreTrainedConfig:
    """The config of a language model, with what its own generation takes for the end of an answer and for padding."""
    config = AutoConfig.from_pretrained(source)
    if cached_file(source, "generation_config.json", _raise_exceptions_for_missing_entries=False):
        generation = GenerationConfig.from_pretrained(source)
        for name in ("eos_token_id", "pad_token_id"):
            if getattr(generation, name) is not None:
                setattr(config, name, getattr(generation, name))
    return config


def how_to_get(name: str) -> str:
    """What to do where a model's language model is missing."""
    by_hand = f"model.add_language_model({name or 'a language model of its text_config'!r})"
    fetching = "`linernotes fetch-llm` fetches it, " if name == FETCHABLE else ""
    return f"{fetching}{'or ' if fetching else ''}{by_hand} fetches it from the Hub, or reads it from a folder"
