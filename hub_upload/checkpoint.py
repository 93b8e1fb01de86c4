"""A `.pt` checkpoint of "Music Genre MoE" made into an ordinary model folder."""

from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, PreTrainedModel

from linernotes.hub_upload.checkpoint_file import Checkpoint, read_checkpoint, some
from linernotes.hub_upload.errors import PublishError

FAMILY = "genre_moe"
STATISTICS = ("feat_mean", "feat_std")
SIZES = {  # of the config: the tensor and the axis that show it
    "num_features": ("encoder.0.weight", 1),
    "hidden_size": ("encoder.0.weight", 0),
    "expert_hidden_size": ("experts.0.0.weight", 0),
    "expert_output_size": ("experts.0.5.weight", 0),
    "num_labels": ("classifier.3.weight", 0),
}


def convert_checkpoint(checkpoint: Path, template: Path, out: Path) -> Path:
    """Writes the model of a checkpoint as a folder that AutoModel loads, and returns the folder.

    The checkpoint's network takes plain z-scores and was never calibrated, so the folder says no logarithms, no
    clipping, temperature 1 and no abstention, whatever the template has.

    Args:
        checkpoint: a file with exactly `model_state_dict`, `feat_mean`, `feat_std` and `genres`.
        template: a folder of the same family, whose code is run and copied; its weights and settings are not taken.
        out: a folder that is new or empty; its name becomes the model's.

    Raises:
        PublishError: the file is something else, would run code to be read, or does not fit the family's model; or
            what was saved gives other logits (by more than 1e-6) when it is loaded again.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PublishError(f"{out} holds something else; name a new or empty folder")
    stored = read_checkpoint(checkpoint)
    try:
        model = _build(stored, template, out.name)
    except PublishError as error:
        raise PublishError(f"{checkpoint}: {error}") from None
    model.save_pretrained(out)
    rows = torch.randn(16, model.config.num_features, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = (network(rows).logits for network in (model, _load(out)))
    if not torch.allclose(before, after, rtol=0, atol=1e-6):
        off = float((before - after).abs().max())
        raise PublishError(f"{out} gives other logits than {checkpoint} (by {off:g}): do not publish it")
    return out


def _load(folder: Path) -> PreTrainedModel:
    return AutoModel.from_pretrained(folder, trust_remote_code=True).eval()


def _build(stored: Checkpoint, template: Path, name: str) -> PreTrainedModel:
    """The family's model with what was stored, in eval mode."""
    sizes = _sizes(stored)
    loaded = _load(template)
    if loaded.config.model_type != FAMILY:
        raise PublishError(f"it is of the family {FAMILY}, the template {template} of {loaded.config.model_type}")
    try:
        config = loaded.config_class(
            **sizes,
            num_experts=len({tensor.split(".")[1] for tensor in stored.weights if tensor.startswith("experts.")}),
            feat_mean=stored.feat_mean,
            feat_std=stored.feat_std,
            id2label=dict(enumerate(stored.genres)),
            model_name=name,
        )
    except StrictDataclassError as error:
        raise PublishError(f"its sizes fit no model: {' '.join(str(error).split())}") from None
    model = type(loaded)(config).eval()
    heard = model.feature_extractor.feature_size
    if heard != sizes["num_features"]:
        raise PublishError(
            f"it was trained on {sizes['num_features']} features; recordings give {heard}: train on these"
        )
    _fill(model, stored)
    return model


def _sizes(stored: Checkpoint) -> dict[str, int]:
    """The sizes of the network, as its tensors show them; statistics and genres must be as many as they say."""
    wanted = dict.fromkeys(tensor for tensor, _ in SIZES.values())
    missing = [name for name in wanted if name not in stored.weights or stored.weights[name].dim() != 2]
    if missing:
        held = some(list(stored.weights))
        raise PublishError(
            f"model_state_dict lacks the matrices {some(missing)}, which show the sizes; it holds {held}"
        )
    sizes = {size: stored.weights[tensor].shape[axis] for size, (tensor, axis) in SIZES.items()}
    for name, size in (("feat_mean", "num_features"), ("feat_std", "num_features"), ("genres", "num_labels")):
        found, tensor = len(getattr(stored, name)), SIZES[size][0]
        if found != sizes[size]:
            raise PublishError(f"{name} has {found} entries; it must have {sizes[size]}, as {tensor!r} shows")
    return sizes


def _fill(model: PreTrainedModel, stored: Checkpoint) -> None:
    """Puts the weights into the model; raises PublishError that says which do not fit."""
    own = model.state_dict()
    faults = {
        "missing": [name for name in own if name not in stored.weights and name not in STATISTICS],
        "unexpected": [name for name in stored.weights if name not in own],
        "of another shape": [
            f"{name} {tuple(value.shape)} for {tuple(own[name].shape)}"
            for name, value in stored.weights.items()
            if name in own and value.shape != own[name].shape
        ],
    }
    if any(faults.values()):
        said = "; ".join(f"{fault}: {some(names)}" for fault, names in faults.items() if names)
        raise PublishError(f"model_state_dict does not fit; {said}. The model's names are {some(list(own), 6)}")
    for name in STATISTICS:
        if name in stored.weights and not torch.allclose(stored.weights[name].float(), own[name], rtol=1e-5, atol=1e-7):
            raise PublishError(f"{name} differs from the buffer of that name in model_state_dict: save both again")
    model.load_state_dict({**stored.weights, **{name: own[name] for name in STATISTICS}})
