"""A folder that leaves out a language model nobody trained here, made whole: what is published loads alone.

Such a folder (of SonicVerse) says `"has_language_model": false` and names the model in `text_name`; its own code finds
it where `linernotes fetch-llm` has put it. The folder's own weights stay as they are, number for number.
"""

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from linernotes.hub_upload.card_source import read_object
from linernotes.hub_upload.errors import PublishError
from linernotes.hub_upload.weights import WEIGHTS


def lacks_language_model(folder: Path) -> bool:
    return (read_object(folder / "config.json") or {}).get("has_language_model") is False


def put_language_model_in(folder: Path) -> None:
    """Adds the language model in bfloat16, and its tokenizer, to a folder that was copied for publishing.

    Raises PublishError where it was not fetched.
    """
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    if model.language_model is None:
        raise PublishError(
            f"its language model, {model.config.text_name or 'without a name'}, is not here, and what is published "
            f"holds it: {model.how_to_get_words()}; then save the model and export that, if it was not fetched"
        )
    with tempfile.TemporaryDirectory() as place:
        model.language_model.to(torch.bfloat16).save_pretrained(place, max_shard_size="1TB")
        words = {f"language_model.{name}": each for name, each in load_file(Path(place, WEIGHTS)).items()}
        save_file(load_file(folder / WEIGHTS) | words, folder / WEIGHTS, metadata={"format": "pt"})
    model.tokenizer.save_pretrained(folder)
    settings = read_object(folder / "config.json") | {"has_language_model": True}
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
