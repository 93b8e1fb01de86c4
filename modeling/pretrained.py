"""Parts that others trained, from a folder or the Hub: their weights whole, what they say of themselves, nothing run.

Beside them how a new layer starts.
"""

import json
import math
import re
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers import initialization as init
from transformers.utils import cached_file

WHERE = ("revision", "token", "cache_dir", "local_files_only", "subfolder", "force_download")  # of from_pretrained


def load_backbone(
    model_class: type[PreTrainedModel], source: str | PathLike, taken: str = "", **options: Any
) -> PreTrainedModel:
    """A pretrained model of transformers in float32, from the Hub or a folder, for its weights to be copied.

    Args:
        taken: a regular expression, how names of weights begin that will be copied; by default any.
        options: of the class.

    Raises ValueError where the weights are not exactly those of its config, which transformers only warns of.
    """
    backbone, info = model_class.from_pretrained(source, dtype=torch.float32, output_loading_info=True, **options)
    wrong = {kind: [key for key in sorted(map(str, keys)) if re.match(taken, key)] for kind, keys in info.items()}
    if any(wrong.values()):
        kind, keys = next((kind, keys) for kind, keys in wrong.items() if keys)
        raise ValueError(
            f"{source}: {kind.replace('_', ' ')} {', '.join(keys[:3])} and so on, {len(keys)} in all; "
            f"a backbone must hold the weights of a {model_class.__name__}, all of them and no others"
        )
    return backbone


def name_of_backbone(source: str | PathLike) -> str:
    """A Hub id as it is; of a folder its last name: where it lies says nothing to others."""
    return Path(source).name if Path(source).is_dir() else str(source)


def preprocessing(source: str | PathLike, names: tuple[str, ...] = ("do_normalize", "sampling_rate")) -> dict[str, Any]:
    """What a backbone's preprocessor_config.json says of `names`; nothing where it has no such file."""
    file = cached_file(source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
    written = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    return {name: written[name] for name in names if name in written}


def load_tokenizer(source: str | PathLike, **options: Any) -> PreTrainedTokenizerBase | None:
    """The tokenizer in a folder or Hub repository, None where it has none. options: those of `from_pretrained`."""
    where = {name: options[name] for name in WHERE if name in options}
    file = cached_file(source, "tokenizer_config.json", _raise_exceptions_for_missing_entries=False, **where)
    # never code of the folder: transformers would ask for leave to read the model's own config, and wait for an answer
    return AutoTokenizer.from_pretrained(source, trust_remote_code=False, **where) if file else None


def refuse_other_weights(source: str | PathLike | None, **options: Any) -> None:
    """Raises ValueError where a file beside a model leads to other weights than the safetensors in the same folder.

    transformers would load those of the folder or repository that an adapter names, and open what an index of shards
    names as a pickle. options: those of `from_pretrained`.
    """
    if source is None:
        return
    where = {name: options[name] for name in WHERE if name in options}
    quiet = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    if cached_file(source, "adapter_config.json", **quiet, **where):
        raise ValueError(f"{source} holds adapter_config.json, which names other weights: merge the adapter, remove it")
    if not (index := cached_file(source, "model.safetensors.index.json", **quiet, **where)):
        return
    named = json.loads(Path(index).read_text(encoding="utf-8")).get("weight_map", {}).values()
    if wrong := sorted(name for name in set(map(str, named)) if not re.fullmatch(r"[\w-][\w.-]*\.safetensors", name)):
        raise ValueError(
            f"{source}: model.safetensors.index.json leads to {wrong[0]!r}; allowed are .safetensors files beside it: "
            "download the folder again, or do not use it"
        )


def start_as_torch_does(module: nn.Module) -> None:
    """Random weights for a linear layer or a convolution, by torch's own defaults, from which published models learned.

    (transformers starts from a normal distribution.) Weights that a checkpoint gave are left alone.
    """
    if isinstance(module, (nn.Linear, nn.Conv1d)):
        init.kaiming_uniform_(module.weight, a=math.sqrt(5))
        bound = 1 / math.sqrt(module.weight[0].numel())
        init.uniform_(module.bias, -bound, bound)
