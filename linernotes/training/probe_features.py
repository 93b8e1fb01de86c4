"""What probes listen through: a backbone, the same with random weights, log-mel statistics, and musicnn.

Each makes one or more vectors of a recording; where there are several, a probe chooses among them on its training part.
Vectors are kept on disk under a digest of the weights and of the recordings, so that only what is new is computed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoModel

from linernotes.modeling.feature_extraction_genre_moe import mel_patches
from linernotes.modeling.musicnn import PATCH_FRAMES, MusicnnTagger
from linernotes.modeling.spectral import log_mel_musicnn, mel_spectrogram, power_to_db, spectrogram
from linernotes.training.probe_tasks import LEVEL, SECONDS, Recording

AT_ONCE = 8  # recordings of one length in a batch
AHEAD = 64  # recordings that are read before they are sorted into batches
MEL_RATE_HZ, MUSICNN_RATE_HZ = 24_000, 16_000


@dataclass(frozen=True)
class Ears:
    """A way to hear: `hear` makes named vectors, (batch, size) each, of samples (batch, samples) at `sampling_rate` Hz.

    `identity` changes with whatever changes the vectors.
    """

    name: str
    sampling_rate: int
    identity: str
    hear: Callable[[Tensor], dict[str, Tensor]]


def over_time(frames: Tensor) -> Tensor:
    """Mean and standard deviation over time of (batch, frames, size): (batch, 2 * size)."""
    return torch.cat([frames.mean(1), frames.std(1, correction=0)], dim=1)


def backbone(name: str, model: nn.Module, extractor: Any) -> Ears:
    """The hidden states of each layer, from what enters the transformer (layer 0) to what leaves it, and of all."""

    def hear(samples: Tensor) -> dict[str, Tensor]:
        inputs = extractor(list(samples.numpy()), sampling_rate=extractor.sampling_rate, return_tensors="pt")
        states = model(inputs["input_values"], output_hidden_states=True).hidden_states
        layers = {f"layer {number}": over_time(state) for number, state in enumerate(states)}
        return layers | {"all layers": torch.cat(list(layers.values()), dim=1)}

    return Ears(name, extractor.sampling_rate, digest(model, extractor.to_json_string()), hear)


def backbones(folder: str | Path, name: str, seed: int) -> list[Ears]:
    """A folder or Hub id of a transformers audio model with its feature extractor, and the same with random weights."""
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).float().eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        untrained = AutoModel.from_config(model.config, trust_remote_code=True).float().eval()
    return [backbone(name, model, extractor), backbone("random weights", untrained, extractor)]


def log_mel_statistics() -> Ears:
    """128 mel bands in decibels, and how far each moves from frame to frame: means and deviations over time."""

    def hear(samples: Tensor) -> dict[str, Tensor]:
        mel_db = power_to_db(mel_spectrogram(spectrogram(samples, dtype=torch.float32), MEL_RATE_HZ))
        return {"statistics": torch.cat([over_time(mel_db), over_time(mel_db.diff(dim=1).abs())], dim=1)}

    return Ears("log-mel statistics", MEL_RATE_HZ, "1", hear)


def musicnn(path: str | Path) -> Ears:
    """The tags, the layer before them, and the frames that it pools, of patches of 3 s that overlap by half.

    path: weights as `linernotes.convert_musicnn` writes them, or a model's folder that holds them under "musicnn.".
    """
    path = Path(path)
    tagger = MusicnnTagger().eval()
    state = load_file(path / "model.safetensors" if path.is_dir() else path)
    inside = {key.removeprefix("musicnn."): value for key, value in state.items() if key.startswith("musicnn.")}
    tagger.load_state_dict(inside or state)
    frames: list[Tensor] = []
    tagger.back_end.register_forward_pre_hook(lambda module, inputs: frames.append(inputs[0]))

    def hear(samples: Tensor) -> dict[str, Tensor]:
        patches = mel_patches(log_mel_musicnn(samples, MUSICNN_RATE_HZ), patch_hop_frames=PATCH_FRAMES // 2)
        embedded = tagger.embed(patches.flatten(0, 1))
        channels = frames.pop().unflatten(0, patches.shape[:2]).transpose(1, 2).flatten(2)  # patches end to end
        embedded = embedded.unflatten(0, patches.shape[:2])
        tags = tagger.classifier(embedded).sigmoid()
        return {
            "tags": over_time(tags),
            "penultimate layer": over_time(embedded),
            "frames": over_time(channels.transpose(1, 2)),
        }

    return Ears("musicnn", MUSICNN_RATE_HZ, digest(tagger, "half overlap"), hear)


def digest(model: nn.Module, *settings: str) -> str:
    """SHA-256 (hex) over a model's weights, the configuration where it has one, and settings."""
    whole = sha256(repr(settings).encode())
    whole.update(model.config.to_json_string().encode() if hasattr(model, "config") else b"")
    for name, tensor in model.state_dict().items():
        whole.update(name.encode())
        whole.update(tensor.numpy().tobytes())
    return whole.hexdigest()


# Hearing many recordings


@torch.inference_mode()
def hear_all(ears: Ears, recordings: Sequence[Recording], shown: str = "") -> dict[str, np.ndarray]:
    """The named vectors of all recordings, (recordings, size) float32, in their order."""
    made: dict[int, dict[str, Tensor]] = {}
    starts = range(0, len(recordings), AHEAD)
    for start in track(starts, shown, disable=not shown, transient=True):
        some = enumerate(recordings[start : start + AHEAD], start)
        for numbers, samples in alike((number, recording.samples(ears.sampling_rate)) for number, recording in some):
            heard = ears.hear(torch.from_numpy(samples))
            for row, number in enumerate(numbers):
                made[number] = {name: vectors[row] for name, vectors in heard.items()}
    rows = [made[number] for number in range(len(recordings))]
    return {name: torch.stack([row[name] for row in rows]).float().numpy() for name in rows[0]}


def alike(clips: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbered clips (samples,) in batches (batch, samples) of one length, without padding."""
    by_length: dict[int, list[tuple[int, np.ndarray]]] = {}
    for number, samples in clips:
        by_length.setdefault(len(samples), []).append((number, samples))
    for same in by_length.values():
        for start in range(0, len(same), AT_ONCE):
            batch = same[start : start + AT_ONCE]
            yield [number for number, _ in batch], np.stack([samples for _, samples in batch])


def kept(ears: Ears, recordings: Sequence[Recording], folder: Path | None, shown: str = "") -> dict[str, np.ndarray]:
    """As `hear_all`; what the folder has of the same weights and recordings is read, what it has not is left there."""
    if folder is None:
        return hear_all(ears, recordings, shown)
    listed = [(r.path, Path(r.path).stat().st_size, r.start_seconds, r.left_only) for r in recordings]
    key = sha256(repr((ears.identity, SECONDS, LEVEL, listed)).encode()).hexdigest()[:20]
    file = folder / f"{ears.name.replace(' ', '-')}-{key}.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".part").open("wb") as part:
            np.savez(part, **hear_all(ears, recordings, shown))
        file.with_suffix(".part").replace(file)
    with np.load(file) as stored:
        return dict(stored)
