"""Mega-AudioFormer, pre-trained: a quarter of the codec tokens of unlabelled sound is hidden and asked for.

Source: the poster "Multi-scale Transformer Language Modeling for Music", which pre-trains on AudioSet. Rows are of
corpora with a manifest: `linernotes corpus read audioset`, `corpus excerpts`, `corpus build`.
`linernotes.training.recipes.mega_audioformer` fine-tunes what comes of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from linernotes.corpora.labelled_sets import SetOptions, as_dataset, labelled_rows, parse_sets
from linernotes.modeling.codec import masked
from linernotes.modeling.configuration_mega_audioformer import MegaAudioFormerConfig as Config
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForMaskedLM as Model
from linernotes.training.code_views import code_view
from linernotes.training.codec_tokens import Preparation, codec_config, codec_folder, decoded, with_codes
from linernotes.training.rows import (
    Data,
    find_folder,
    licences_of,
    no_calibration,
    no_measuring,
    no_pretraining,
    one_learning_rate,
    save_model,
)

LABEL_NAMES = ("labels",)
EPOCH_METRICS = ()
answers = None  # tokens are no answer that anybody asks for
UNLABELLED = "unlabelled"
pretrain, parameter_groups, save = no_pretraining, one_learning_rate, save_model
measure_epoch, finish = no_measuring, no_calibration


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        sets: the sets, each a mapping (`linernotes.corpora.labelled_sets.SetOptions`), whose labels are not looked at.
        codec, codec_bandwidth_kbps, processes, seconds, level_db: as for fine-tuning.
        validation_share: of each set's training groups, by hash, on which the loss is measured.
        crop_seconds: length of the excerpts that are learned from.
        weights: by name of a set, how often it is drawn; 1 where it is not named, whatever its number of rows.
    """

    sets: list = None
    codec: str = "pocket-codec"
    codec_bandwidth_kbps: float = 12.0
    processes: int = 1
    seconds: float = 10.0
    level_db: list | None = None
    validation_share: float = 0.05
    crop_seconds: float = 5.0
    weights: dict | None = None


def config_of(experiment: Any, **over: Any) -> Config:
    known = {"codec_config": codec_config(experiment.data.codec), "model_name": experiment.name}
    return Config(**experiment.model | known | over)


def check(experiment: Any) -> None:
    """Raises ValueError where model and data do not fit each other."""
    data = experiment.data
    Config(**{key: value for key, value in experiment.model.items() if key != "labels"})
    if not data.sets:
        raise ValueError("data.sets names nothing to learn from; give a list of sets, such as [{name: audioset}]")
    preparation_of(experiment)
    for name, given in {"processes": data.processes, "crop_seconds": data.crop_seconds}.items():
        if given <= 0:
            raise ValueError(f"data.{name} is {given}; it must be {'1 or more' if name == 'processes' else 'above 0'}")
    named = {chosen.name for chosen in parse_sets(data.sets)}
    if unknown := sorted(set(data.weights or {}) - named):
        raise ValueError(f"data.weights names {unknown[0]!r}, which is none of data.sets: {', '.join(sorted(named))}")


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """The training rows of the sets with their codes. Raises FileNotFoundError for a set in none of the folders."""
    options, rows, sources = experiment.data, [], []
    for chosen in parse_sets(options.sets):
        learned = SetOptions(
            chosen.name,
            label=UNLABELLED,
            splits={"train": "train"},
            validation_share=options.validation_share,
            channel=chosen.channel,
            at_most=chosen.at_most,
            licence=chosen.licence,
        )
        found, _ = labelled_rows(find_folder(chosen.name, data_dirs), learned, [UNLABELLED])
        rows += found
        counts = {split: sum(row["split"] == split for row in found) for split in ("train", "validation")}
        sources.append({"name": chosen.name, "licence": licences_of(r["licence"] for r in found), "rows": counts})
    parts = {split: as_dataset([row for row in rows if row["split"] == split]) for split in ("train", "validation")}
    heard = {split: part if part is None else with_tokens(part, experiment) for split, part in parts.items()}
    return Data(heard["train"], heard["validation"], sources=sources)


def preparation_of(experiment: Any) -> Preparation:
    """What is done to the sound of every row."""
    level_db = experiment.data.level_db
    return Preparation(experiment.data.seconds, tuple(level_db) if level_db else None)


def with_tokens(rows: Dataset, experiment: Any) -> Dataset:
    options = experiment.data
    return with_codes(
        rows,
        options.codec,
        preparation_of(experiment),
        bandwidth_kbps=options.codec_bandwidth_kbps,
        processes=options.processes,
    )


def row_weights(rows: Dataset, options: DataOptions) -> list[float]:
    """Sets are drawn as often as the experiment says, whatever the number of their rows."""
    sources = np.array(rows["source"])
    counts = {name: (sources == name).sum() for name in set(sources.tolist())}
    return [(options.weights or {}).get(name, 1.0) / counts[name] for name in sources.tolist()]


def create_model(experiment: Any, rows: Dataset) -> Model:
    options = experiment.model | {"model_name": experiment.name}
    return Model.from_codec(codec_folder(experiment.data.codec), **options)


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=True)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows of each of which the same tokens are hidden every time."""
    heard = view(rows, experiment, varied=False)[:]
    codes, mask = torch.stack(heard["codes"]), torch.stack(heard["attention_mask"])
    codes, labels = masked(codes, mask, config_of(experiment), generator=torch.Generator().manual_seed(0))
    columns = {"codes": codes, "attention_mask": mask, "labels": labels}
    numbers = Dataset.from_dict({"index": range(len(codes))})
    return numbers.with_transform(lambda batch: {name: part[batch["index"]] for name, part in columns.items()})


def view(rows: Dataset, experiment: Any, varied: bool) -> Dataset:
    config = config_of(experiment)
    kept = config_of(experiment, bandwidth_kbps=experiment.data.codec_bandwidth_kbps).num_codebooks
    codes = decoded(rows, config.num_codebooks, kept)
    return code_view(codes, round(experiment.data.crop_seconds * config.frame_rate), varied, {})


def batch_maker(model: Model, rows: Dataset, experiment: Any) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Hides a share of the tokens of every batch anew."""

    def make(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        codes, labels = model.mask(batch["codes"], batch["attention_mask"])
        return {**batch, "codes": codes, "labels": labels}

    return make
