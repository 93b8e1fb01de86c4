"""pocket-codec: a small EnCodec at 24 kHz, 75 frames a second, that learns to say music and speech again.

Rows are of corpora of real recordings, some of whose songs are held out, and of rendered music. What is published is a
plain EncodecModel in half precision: its numbers are rounded before anybody listens to its codes, so that nothing that
learned from them hears others. `linernotes corpus excerpts` cuts recordings, `linernotes corpus build` renders.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from transformers import EncodecConfig as Config
from transformers import EncodecFeatureExtractor

from linernotes.corpora.manifest import MANIFEST, by_split, read_excerpt, read_manifest
from linernotes.corpora.splits import register_split, split_of
from linernotes.training.codec_training import EncodecForReconstruction as Model
from linernotes.training.crops import cropped
from linernotes.training.lapped_start import start_as_lapped_transform
from linernotes.training.residual_quantizer import start_from
from linernotes.training.rows import (
    Data,
    find_folder,
    halved,
    no_calibration,
    no_measuring,
    one_learning_rate,
    source_of,
    unchanged_batches,
)

LABEL_NAMES = ("input_values",)  # a codec is asked for what it is given
COLUMNS = ("audio", "group", "split", "licence")
HELD_OUT = "pocket-codec"
register_split(HELD_OUT, {"train": 0.9, "test": 0.1})

EPOCH_METRICS = ()
answers = None  # a codec answers nothing
batch_maker, parameter_groups = unchanged_batches, one_learning_rate
measure_epoch, finish = no_measuring, no_calibration


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        recordings: names of corpora of real recordings in the data folders; a tenth of their songs is held out.
        rendered: names of corpora of rendered music, with splits of their own; None for none.
        rendered_share: of the excerpts of an epoch.
        crop_seconds: length of the excerpts that are learned from, rounded to whole frames.
        gain_db: by how much an excerpt is made louder or softer, at most.
        first_excerpts: how many are listened to before training, for the codebooks to start from.
        loss_weights: over those of `EncodecForReconstruction`.
    """

    recordings: list = None
    rendered: list | None = None
    rendered_share: float = 0.3
    crop_seconds: float = 1.0
    gain_db: float = 6.0
    first_excerpts: int = 240
    loss_weights: dict | None = None


def config_of(experiment: Any) -> Config:
    return Config(**experiment.model)


def check(experiment: Any) -> None:
    """Raises ValueError where model and data do not fit each other."""
    config, data = config_of(experiment), experiment.data
    known = Model(config).weights
    if not data.recordings:
        raise ValueError("data.recordings names no corpus; give a list, such as [recordings]")
    if config.audio_channels != 1 or config.normalize or config.chunk_length_s is not None:
        raise ValueError("the codec is to be mono, without normalisation and without chunks, as encodec_24khz is")
    if unknown := sorted(set(data.loss_weights or {}) - set(known)):
        raise ValueError(f"data.loss_weights names {unknown[0]!r}; there are losses {', '.join(known)}")
    if not 0 <= data.rendered_share < 1:
        raise ValueError(f"data.rendered_share is {data.rendered_share}; it is a share of 1")
    if crop_samples(experiment) < config.hop_length:
        raise ValueError(
            f"data.crop_seconds is {data.crop_seconds}; it must hold a frame of {config.hop_length} samples"
        )


def crop_samples(experiment: Any) -> int:
    """Samples of an excerpt: whole frames, so that nothing is padded and said again."""
    config = config_of(experiment)
    return round(experiment.data.crop_seconds * config.sampling_rate / config.hop_length) * config.hop_length


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """Rows of the corpora. Raises FileNotFoundError where one is in none of the data folders."""
    options, learned, held_out, sources = experiment.data, [], [], []
    for name in options.recordings:
        rows = read_manifest(find_folder(name, data_dirs) / MANIFEST).select_columns(list(COLUMNS))
        tested = np.array([split_of(HELD_OUT, group) == "test" for group in rows["group"]])
        parts = [rows.select(np.flatnonzero(chosen)) for chosen in (~tested, tested)]
        learned.append(marked(parts[0], real=True))
        held_out.append(marked(parts[1], real=True))
        sources.append(source_of(name, *parts))
    for name in options.rendered or []:
        rows = by_split(read_manifest(find_folder(name, data_dirs) / MANIFEST))["train"].select_columns(list(COLUMNS))
        learned.append(marked(rows, real=False))
        sources.append(source_of(name, rows))
    return Data(concatenate_datasets(learned), test=concatenate_datasets(held_out), sources=sources)


def marked(rows: Dataset, real: bool) -> Dataset:
    return rows.add_column("real", [real] * len(rows))


def row_weights(rows: Dataset, options: DataOptions) -> list[float]:
    """Rendered music is drawn as often as the experiment says, whatever its number."""
    real = np.array(rows["real"])
    share = options.rendered_share if not real.all() else 0.0
    return np.where(real, (1 - share) / real.sum(), share / max((~real).sum(), 1)).tolist()


def create_model(experiment: Any, rows: Dataset) -> Model:
    model = Model(config_of(experiment))
    start_as_lapped_transform(model.codec)
    model.weights |= experiment.data.loss_weights or {}
    return model


def pretrain(model: Model, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """Fills the codebooks with what the encoder makes of some excerpts; that has no losses."""
    options, size = experiment.data, experiment.training.batch_size
    drawn = torch.multinomial(torch.tensor(row_weights(rows, options)), options.first_excerpts, replacement=True)
    view, frames = training_view(rows, experiment), []
    for batch in drawn.split(size):
        sound = torch.from_numpy(np.stack(view[batch.tolist()]["input_values"])).to(model.device)
        with torch.no_grad():
            frames.append(model.codec.encoder(sound[:, None]).transpose(1, 2).flatten(0, 1).cpu())
    frames_of_a_step = size * crop_samples(experiment) // model.config.hop_length
    start_from(model.codec.quantizer, torch.cat(frames), frames_of_a_step, experiment.training.seed)
    return {}


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows as `forward` takes them: an excerpt at a random place, at another level."""
    options, length, rate = experiment.data, crop_samples(experiment), config_of(experiment).sampling_rate

    def prepare(batch: dict[str, list]) -> dict[str, list]:
        return {"input_values": [crop(source) for source in batch["audio"]]}

    def crop(source: dict[str, Any]) -> np.ndarray:
        heard = cropped(read_excerpt(source, 0.0, None, rate), length, varied=True)
        heard = np.pad(heard, (0, length - len(heard)))
        gain_db = options.gain_db * (2 * torch.rand(()).item() - 1)
        return np.clip(heard * 10 ** (gain_db / 20), -1.0, 1.0).astype(np.float32)

    return rows.with_transform(prepare)


plain_view = training_view  # nothing is measured between the steps: see benchmarks/codec_quality.py


def save(model: Model, folder: Path, experiment: Any) -> None:
    """The codec alone, in half precision that loads as float32, and how its input is prepared."""
    codec = model.codec.half().float()
    codec.config.architectures = ["EncodecModel"]
    codec.save_pretrained(folder, state_dict=halved(codec))
    EncodecFeatureExtractor(feature_size=1, sampling_rate=codec.config.sampling_rate).save_pretrained(folder)
