"""What a frozen encoder hears of rows of sound, kept on disk: listening costs more than what is learned from it.

Kept are all hidden states of every `frame_stride`-th frame, in half precision, under the encoder's weights, the file
that was listened to and what was done to its sound. A mean over fifty frames is close to that over all of them, and
each frame is one as the encoder gives it, so that what is learned on some holds for all. Rows are listened to in parts,
so that a run that was stopped goes on where it was.
Shapes: states (layers + 1, frames, hidden_size).
"""

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from datasets import Dataset, Features, Value
from transformers import HubertModel, Wav2Vec2FeatureExtractor

from linernotes.modeling.pretrained import load_backbone, preprocessing
from linernotes.modeling.projector import all_hidden_states
from linernotes.training.codec_tokens import Preparation, digest, row_identity, weights_digest
from linernotes.training.rows import find_model

KEPT = Features({"states": Value("binary")})
PART = 250  # rows that are listened to and written at a time
RATE = 24_000  # of an encoder that does not say


def encoder_folder(name: str) -> str:
    """Where an encoder lies: a bundled name's folder, or the folder or Hub id that is given.

    Raises FileNotFoundError where it is none of these.
    """
    return find_model(name, "model.audio_name", "encoder", "allowed besides is a Hub id, such as m-a-p/MERT-v1-95M")


@lru_cache(maxsize=1)
def load_encoder(folder: str) -> HubertModel:
    return load_backbone(HubertModel, folder).eval()


def extractor_of(folder: str) -> Wav2Vec2FeatureExtractor:
    told = preprocessing(folder, ("do_normalize", "sampling_rate"))
    rate = told.get("sampling_rate", RATE)
    return Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=told.get("do_normalize", False))


def with_hidden_states(
    rows: Dataset,
    encoder: str,
    preparation: Preparation,
    *,
    frame_stride: int,
    processes: int = 1,
    kept_in: Path | None = None,
) -> Dataset:
    """Adds `states`: float16, all layers of the kept frames, as bytes.

    Args:
        rows: as `Preparation.sound` takes them, with `clip` and `copy`.
        encoder: as `encoder_folder` takes it. A row without a recording (a text alone) has no states.
        frame_stride: every how many frames one is kept.
        processes: that listen side by side.
        kept_in: where what was heard is kept; a folder beside what `datasets` keeps by default.
    """
    folder = encoder_folder(encoder)
    heard_by = [weights_digest(load_encoder(folder)), extractor_of(folder).to_dict(), asdict(preparation), frame_stride]
    place = Path(kept_in or Path(datasets.config.HF_DATASETS_CACHE) / "linernotes")
    place.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(rows), PART):
        part = rows.select(range(start, min(start + PART, len(rows))))
        told_by = digest([heard_by, [identity_of(row) for row in part]])
        heard = part.map(
            _heard,
            fn_kwargs={"folder": folder, "preparation": preparation, "frame_stride": frame_stride},
            features=KEPT,
            remove_columns=part.column_names,
            num_proc=min(processes, len(part)) if processes > 1 else None,
            cache_file_name=str(place / f"states-{told_by}.arrow"),
            new_fingerprint=told_by,
        )
        parts.append(datasets.concatenate_datasets([part, heard], axis=1))
    return datasets.concatenate_datasets(parts)


def identity_of(row: dict[str, Any]) -> list[Any]:
    """What tells a row's sound from any other's; what is known of the music may change without listening again."""
    return [row["clip"]] if row["audio"]["path"] is None else row_identity(row)


def _heard(row: dict[str, Any], folder: str, preparation: Preparation, frame_stride: int) -> dict[str, bytes]:
    if row["audio"]["path"] is None:
        return {"states": b""}
    extractor = extractor_of(folder)
    sound = preparation.sound(row, extractor.sampling_rate)
    return {"states": listen(sound, folder, frame_stride).numpy().tobytes()}


@torch.inference_mode()
def listen(sound: np.ndarray, folder: str, frame_stride: int) -> torch.Tensor:
    """Hidden states of some frames (layers + 1, frames, hidden_size), float16, of a sound (samples,)."""
    extractor = extractor_of(folder)
    inputs = extractor(sound, sampling_rate=extractor.sampling_rate, return_tensors="pt").input_values
    states, _ = all_hidden_states(load_encoder(folder), inputs)
    first = min(frame_stride // 2, states.shape[2] - 1)
    return states[0, :, first::frame_stride].half()


def states_of(kept: bytes, layers: int, hidden_size: int) -> torch.Tensor:
    """What was kept of a row, (layers, frames, hidden_size) float32; one silent frame where nothing was."""
    if not kept:
        return torch.zeros(layers, 1, hidden_size)
    flat = np.frombuffer(kept, np.float16).astype(np.float32)
    return torch.from_numpy(flat.reshape(layers, -1, hidden_size))


def padded_states(states: list[torch.Tensor], there: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch (rows, layers, frames, hidden_size) and its mask (rows, frames): 0 behind the end, and for no sound."""
    longest = max(each.shape[1] for each in states)
    batch = torch.stack([torch.nn.functional.pad(each, (0, 0, 0, longest - each.shape[1])) for each in states])
    lengths = torch.tensor([each.shape[1] * known for each, known in zip(states, there, strict=True)])
    return batch, (torch.arange(longest) < lengths[:, None]).long()
