"""pocket-mert: a small Hubert that learns music from rendered clips, whose score says what is true of every frame, and
from real recordings, of which a published tagger says what it hears.

Sources: MERT (arXiv 2306.00107: masked frames, their constant-Q spectrum, a teacher's targets); musicnn as the teacher.
`linernotes corpus build` makes the rendered clips, `linernotes corpus excerpts` cuts the recordings.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import torch
from datasets import Dataset, Features, Value, concatenate_datasets
from transformers import HubertConfig as Config
from transformers import Wav2Vec2FeatureExtractor

from linernotes.corpora.frame_targets import CLASSES, FLAGS, UNKNOWN, notes_file, targets_of_row
from linernotes.corpora.manifest import MANIFEST, by_split, read_excerpt, read_manifest
from linernotes.modeling.chunks import geometry
from linernotes.training.frame_heads import WEIGHTS
from linernotes.training.frame_heads import HubertForFrames as Model
from linernotes.training.rows import (
    Data,
    find_folder,
    halved,
    no_calibration,
    no_measuring,
    no_pretraining,
    one_learning_rate,
    source_of,
    unchanged_batches,
)
from linernotes.training.tagger import ANSWER_COLUMNS, with_answers

LABEL_NAMES = ("scored",)
COLUMNS = ("audio", "facts", "group", "split", "licence")

EPOCH_METRICS = ()
answers = None  # a backbone answers nothing
batch_maker, pretrain, parameter_groups = unchanged_batches, no_pretraining, one_learning_rate
measure_epoch, finish = no_measuring, no_calibration


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        rendered: names of corpora with exact facts, in the data folders.
        recordings: names of corpora of real recordings without labels; None for none.
        teacher: the published model whose musicnn says what is in the recordings.
        recordings_share: of the excerpts of an epoch.
        sampling_rate: in Hz.
        crop_seconds: length of the excerpts that are learned from.
        noise: standard deviation of noise on the normalised signal, at most; drawn for each excerpt.
        loss_weights: by head, over `frame_heads.WEIGHTS`.
    """

    rendered: list = None
    recordings: list | None = None
    teacher: str = "genre-moe-tags"
    recordings_share: float = 0.2
    sampling_rate: int = 24_000
    crop_seconds: float = 6.0
    noise: float = 0.03
    loss_weights: dict | None = None


def config_of(experiment: Any) -> Config:
    return Config(**experiment.model)


def check(experiment: Any) -> None:
    """Raises ValueError where model and data do not fit each other."""
    config, data = config_of(experiment), experiment.data
    if not data.rendered:
        raise ValueError("data.rendered names no corpus; give a list, such as [backbone]")
    if unknown := sorted(set(data.loss_weights or {}) - set(WEIGHTS)):
        raise ValueError(f"data.loss_weights names {unknown[0]!r}; there are heads for {', '.join(WEIGHTS)}")
    if not 0 <= data.recordings_share < 1:
        raise ValueError(f"data.recordings_share is {data.recordings_share}; it is a share of 1")
    if frame_count(config, round(data.crop_seconds * data.sampling_rate)) < 2:
        raise ValueError(f"data.crop_seconds is {data.crop_seconds}; the convolutions need more for two frames")


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """Rows of the corpora. Raises FileNotFoundError where one is in none of the data folders."""
    options: DataOptions = experiment.data
    splits, sources = {}, []
    for name in options.rendered:
        rows = read_manifest(find_folder(name, data_dirs) / MANIFEST)
        parts = by_split(rows)
        for split, part in parts.items():
            splits.setdefault(split, []).append(without_answers(part.select_columns(list(COLUMNS))))
        sources.append(source_of(name, parts["train"]))
    for name in options.recordings or []:
        folder = find_folder(name, data_dirs)
        rows = read_manifest(folder / MANIFEST)
        sources.append(source_of(name, rows))
        rows = rows.add_column("facts", [None] * len(rows), feature=Value("string"))
        splits["train"].append(with_answers(rows.select_columns(list(COLUMNS)), options.teacher, folder))
    parts = {split: concatenate_datasets(part) for split, part in splits.items()}
    return Data(parts["train"], parts.get("validation"), parts.get("test"), sources=sources)


def without_answers(rows: Dataset) -> Dataset:
    """Rows that no teacher has heard: their score says more."""
    return rows.map(lambda row: {"tags": [], "embedding": []}, features=Features({**rows.features, **ANSWER_COLUMNS}))


def row_weights(rows: Dataset, options: DataOptions) -> list[float]:
    """Recordings are drawn as often as the experiment says, whatever their number."""
    real = np.array([facts is None for facts in rows["facts"]])
    share = options.recordings_share if real.any() else 0.0
    return np.where(real, share / max(real.sum(), 1), (1 - share) / max((~real).sum(), 1)).tolist()


def create_model(experiment: Any, rows: Dataset) -> Model:
    options: DataOptions = experiment.data
    model = Model(config_of(experiment))
    model.set_filters(options.sampling_rate)
    model.weights |= options.loss_weights or {}
    return model


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=True)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=False)


def view(rows: Dataset, experiment: Any, varied: bool) -> Dataset:
    """Rows as `forward` takes them: a crop at a random place, or from the start, and what is true of its frames."""
    options, config = experiment.data, config_of(experiment)
    length = round(options.crop_seconds * options.sampling_rate)
    centres = frame_centres(config, frame_count(config, length)) / options.sampling_rate

    def prepare(batch: dict[str, list]) -> dict[str, list]:
        made = [crop(dict(zip(batch, row, strict=True))) for row in zip(*batch.values(), strict=True)]
        return {name: [each[name] for each in made] for name in made[0]}

    def crop(row: dict[str, Any]) -> dict[str, np.ndarray]:
        samples = read_excerpt(row["audio"], 0.0, None, options.sampling_rate)
        room = max(len(samples) - length, 0)
        start = int(torch.randint(room + 1, ()).item()) if varied else 0
        heard = np.pad(samples[start : start + length], (0, max(length - len(samples), 0)))
        heard = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
        if varied:
            heard = heard + options.noise * torch.rand(()).item() * torch.randn(length).numpy()
        return {"input_values": heard.astype(np.float32), **truth(row, centres + start / options.sampling_rate)}

    return rows.with_transform(prepare)


def truth(row: dict[str, Any], times: np.ndarray) -> dict[str, np.ndarray]:
    """The targets of a row, of the right shapes where there are none; `scored` and `tagged` say which there are."""
    scored, tagged = row["facts"] is not None, len(row["tags"]) > 0
    targets = {name: np.full(len(times), UNKNOWN, np.int64) for name in CLASSES}
    targets |= {name: np.zeros((len(times), size), np.uint8) for name, size in FLAGS.items()}
    if scored:
        targets |= targets_of_row(row, pretty_midi.PrettyMIDI(str(notes_file(row["audio"]["path"]))), times)
    heard = {
        "tags": np.array(row["tags"] if tagged else np.zeros(50), np.float32),
        "embedding": np.array(row["embedding"] if tagged else np.zeros(200), np.float32),
    }
    return targets | heard | {"scored": np.float32(scored), "tagged": np.float32(tagged)}


def frame_count(config: Config, samples: int) -> int:
    reach, hop = geometry(config)
    return (samples - reach) // hop + 1


def frame_centres(config: Config, frames: int) -> np.ndarray:
    """The sample in the middle of what each frame hears."""
    reach, hop = geometry(config)
    return np.arange(frames) * hop + (reach - 1) / 2


def save(model: Model, folder: Path, experiment: Any) -> None:
    """The backbone alone, in half precision that loads as float32, and how its input is prepared."""
    model.hubert.config.architectures = ["HubertModel"]
    model.hubert.save_pretrained(folder, state_dict=halved(model.hubert))
    extractor = Wav2Vec2FeatureExtractor(
        sampling_rate=experiment.data.sampling_rate, do_normalize=True, return_attention_mask=False
    )
    extractor.save_pretrained(folder)
