"""Genre mixture of experts: generated songs, real feature rows, and the way they are mixed into batches.

Sources: "Music Genre MoE" (generators, 120/30/30 split, hyper-parameters); GTZAN's statistics and musicnn taggrams.
A row is raw: 59 `features` (NaN where the source has none), or a `taggram` (frames, 50); the model normalises.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from linernotes.corpora import gtzan
from linernotes.corpora.feature_rows import as_features, crop, decoded, raw_features
from linernotes.corpora.generated import generated_set
from linernotes.corpora.generators import SAMPLING_RATE, generate_clip
from linernotes.modeling.configuration_genre_moe import GenreMoeConfig as Config
from linernotes.modeling.feature_extraction_genre_moe import FEATURE_GROUPS
from linernotes.modeling.mixture import TAGGRAM_STATISTICS
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification as Model
from linernotes.modeling.modeling_genre_moe import before_z_score
from linernotes.modeling.musicnn import MSD_TAGS
from linernotes.report.pictures import feature_importance, waveforms_and_spectrograms
from linernotes.training import answers, teachers, triplets
from linernotes.training.asking import plain_answers
from linernotes.training.rows import Data, find_folder, labels_of, no_baselines, one_learning_rate, save_model
from linernotes.training.sampling import balanced_weights

GENERATED = "generated"
LABEL_NAMES = ("labels",)
TABLE = "table"  # the column of all numbers that a published table has of a song
NO_LABEL = -1  # of a genre that the model has no word for

EPOCH_METRICS = ("accuracy",)
measure_epoch, finish, save = answers.measure_epoch, answers.calibrate, save_model
parameter_groups, test_baselines = one_learning_rate, no_baselines


@dataclass(frozen=True)
class DataOptions:
    """Which rows, and how they are varied.

    Args:
        generated_per_genre: procedural clips a genre, split 4 : 1 : 1 (180 are 120 / 30 / 30); 0 for none.
        generated_seconds: their length.
        statistics, taggrams: names of the GTZAN folders in the data folders; None for none.
        musicnn: weights file of the musicnn front end, made by `python -m linernotes.convert_musicnn`.
        other_genres: whether rows of genres that the model has no label for are heard too: the teacher learns to tell
            them from ours, the model learns the teacher's answers for them, the gate nothing.
        real_share: share of real rows among the rows drawn by weight; None draws every row once an epoch.
        artist_exponent: an artist counts (rows of the artist)^(1 - exponent) where rows are drawn by weight.
        noise, generated_noise: standard deviation of Gaussian noise on the z-scores of real and of generated rows.
        mixup: alpha of the Beta distribution by which two rows and their labels are mixed; 0 for none.
        mask_chroma: share of the rows that lose their twelve chroma means, as the real tables have none.
        min_crop_frames: taggrams are cut to a random stretch of at least so many seconds; None keeps them whole.
        teacher: whether real rows are learned from a linear teacher's answers (`linernotes.training.teachers`).
        teacher_strength, teacher_temperature: its C, and by what its logits are divided.
        pretrain_epochs: epochs of triplet pre-training of each expert before the mixture is trained.
    """

    generated_per_genre: int = 0
    generated_seconds: float = 10.0
    statistics: str | None = None
    taggrams: str | None = None
    musicnn: str | None = None
    other_genres: bool = False
    real_share: float | None = None
    artist_exponent: float = 0.5
    noise: float = 0.0
    generated_noise: float = 0.0
    mixup: float = 0.0
    mask_chroma: float = 0.0
    min_crop_frames: int | None = None
    teacher: bool = False
    teacher_strength: float = 0.05
    teacher_temperature: float = 2.0
    pretrain_epochs: int = 0


def config_of(experiment: Any, **learned: Any) -> Config:
    """The config that the model block describes, with what was learned from rows."""
    options = {key: value for key, value in experiment.model.items() if key != "labels"}
    return Config(**options, id2label=dict(enumerate(labels_of(experiment))), model_name=experiment.name, **learned)


def check(experiment: Any) -> None:
    """Raises ValueError where model, data and training do not fit each other."""
    labels, data = labels_of(experiment), experiment.data
    if not isinstance(labels, list) or len(labels) < 2:
        raise ValueError(f"labels are {labels!r}; give a list of two genres or more")
    config = config_of(experiment)
    if config.encoder_type != "mlp":
        raise ValueError(f"encoder_type is {config.encoder_type!r}; this recipe trains on feature rows: 'mlp'")
    if config.gate_alignment_weight and config.num_experts != len(labels):
        raise ValueError(f"gate alignment needs one expert a genre: {config.num_experts} experts, {len(labels)} genres")
    if not (data.generated_per_genre or data.statistics or data.taggrams):
        raise ValueError("the data block names no data; set generated_per_genre, statistics or taggrams")
    if data.real_share is not None and not 0 <= data.real_share <= 1:
        raise ValueError(f"data.real_share is {data.real_share}; it is a share of 1")
    if experiment.training.folds and not (data.statistics or data.taggrams):
        raise ValueError(
            "training.folds cross-validates real rows; set data.statistics or data.taggrams, or folds to 0"
        )


# Rows


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """The rows that the experiment names. Raises FileNotFoundError where a table is in none of the data folders."""
    options: DataOptions = experiment.data
    generated, sources = {}, []
    if options.generated_per_genre:
        generated = generated_set(
            labels_of(experiment), options.generated_per_genre, options.generated_seconds, experiment.training.seed
        )
        sources.append(
            {
                "name": "procedural generators of linernotes",
                "licence": "Apache-2.0",
                "rows": {split: len(rows) for split, rows in generated.items()},
            }
        )
    parts = {GENERATED: generated.get("train")}
    real = real_rows(options, data_dirs)
    if real is not None:
        is_ours = np.isin(real["label"], labels_of(experiment))
        parts["real"] = real.select(np.flatnonzero(is_ours))
        if options.other_genres and not is_ours.all():
            parts["others"] = real.select(np.flatnonzero(~is_ours))
        counts = {kind: len(part) for kind, part in parts.items() if kind != GENERATED}
        sources.append({"name": options.statistics or options.taggrams, "licence": gtzan.LICENCE, "rows": counts})
    parts = {kind: part for kind, part in parts.items() if part is not None}
    uncrossed = [part for kind, part in parts.items() if kind != "real"]
    return Data(
        train=concatenate_datasets([without_table(part) for part in parts.values()]),
        validation=generated.get("validation"),
        test=generated.get("test"),
        crossed=parts.get("real"),
        uncrossed=concatenate_datasets([without_table(part) for part in uncrossed]) if uncrossed else None,
        sources=sources,
    )


def without_table(rows: Dataset) -> Dataset:
    """Rows with the columns that all sources have."""
    return rows.remove_columns(TABLE) if TABLE in rows.column_names else rows


def real_rows(options: DataOptions, data_dirs: list[Path]) -> Dataset | None:
    """Rows of the table that the options name, of all its genres."""
    if options.statistics:
        folder = find_folder(options.statistics, data_dirs)
        rows, table = gtzan.load_statistics(folder), gtzan.load_table(folder)
        rows = rows.add_column(TABLE, [table[clip] for clip in rows["clip"]])
    elif options.taggrams:
        rows = gtzan.load_taggrams(find_folder(options.taggrams, data_dirs))
    else:
        return None
    return rows.remove_columns("split").add_column("source", ["gtzan"] * len(rows))


def row_weights(rows: Dataset, options: DataOptions) -> list[float] | None:
    """How often each row is drawn; None for every row once an epoch."""
    if options.real_share is None:
        return None
    shares = [1 - options.real_share if source == GENERATED else options.real_share for source in rows["source"]]
    return balanced_weights(rows["label"], rows["group"], shares, options.artist_exponent)


# Hearing


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows as `forward` takes them, taggrams cut to a random stretch."""
    return view(rows, experiment, experiment.data.min_crop_frames)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows as `forward` takes them, whole."""
    return view(rows, experiment, None)


def view(rows: Dataset, experiment: Any, min_crop_frames: int | None) -> Dataset:
    label2id = {label: index for index, label in enumerate(labels_of(experiment))}
    inputs = decoded(rows)  # once: reading a row of Arrow lists costs more than a training step

    def prepare(batch: dict[str, list]) -> dict[str, Any]:
        features = as_features([crop(inputs[index], min_crop_frames) for index in batch["index"]])
        labels = [label2id.get(label, NO_LABEL) for label in batch["label"]]
        return {"input_values": features, "labels": labels, "real": [source != GENERATED for source in batch["source"]]}

    rows = rows.select_columns(["label", "source"]).add_column("index", range(len(rows)))
    return rows.with_transform(prepare)


# Learning


def create_model(experiment: Any, rows: Dataset) -> Model:
    """A fresh model whose normalisation is that of the rows it will learn from."""
    mean, deviation = statistics(rows, config_of(experiment))
    model = Model(config_of(experiment, feat_mean=mean.tolist(), feat_std=deviation.tolist()))
    if experiment.data.musicnn:
        model.musicnn.load_state_dict(load_file(experiment.data.musicnn))
    return model


def statistics(rows: Dataset, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every feature: of real rows where they have it, of generated ones where they do not."""
    # in double precision: by rounding, even a column of one number would deviate
    features = before_z_score(torch.from_numpy(raw_features(rows)), config).double().numpy()
    real = np.array([source != GENERATED for source in rows["source"]]) & np.isin(rows["label"], config.labels)
    best = np.where(real[:, None] | np.isnan(features[real]).all(0), features, np.nan)
    best[:, np.isnan(best).all(0)] = 0.0  # no row has it: the model will take it for the mean, whatever that is
    mean, deviation = np.nanmean(best, axis=0), np.nanstd(best, axis=0)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


def batch_maker(model: Model, rows: Dataset, experiment: Any) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """What is done to a batch in training: missing chroma, mixup, noise, the teacher's answers in place of labels."""
    options: DataOptions = experiment.data
    teacher = teacher_of(rows, model, options) if options.teacher else None

    def make(batch: dict[str, Tensor]) -> dict[str, Any]:
        real, z_scores = batch["real"], model.normalise(batch["input_values"])
        known = batch["labels"] != NO_LABEL
        labels = model.as_shares(batch["labels"].clamp(min=0)) * known[:, None]
        if options.mask_chroma:
            masked = torch.rand(len(z_scores), device=real.device) < options.mask_chroma
            z_scores[:, FEATURE_GROUPS["chroma"]] *= ~masked[:, None]
        if options.mixup:
            share = torch.distributions.Beta(options.mixup, options.mixup).sample((len(real), 1)).to(real.device)
            partner = partners(real)
            z_scores = share * z_scores + (1 - share) * z_scores[partner]
            labels = share * labels + (1 - share) * labels[partner]
        noise = torch.where(real, options.noise, options.generated_noise)[:, None]
        z_scores = z_scores + noise * torch.randn_like(z_scores)
        targets = labels
        if teacher is not None:
            answers = ((z_scores @ teacher[0] + teacher[1]) / options.teacher_temperature).softmax(-1)
            targets = torch.where(real[:, None], answers, labels)
        return {"input_values": z_scores, "already_normalised": True, "labels": targets, "gate_labels": labels}

    return make


def partners(real: Tensor) -> Tensor:
    """For each row of a batch another one of its own kind, at random: the teacher knows real rows only."""
    partner = torch.arange(len(real), device=real.device)
    for kind in (real, ~real):
        members = kind.nonzero().squeeze(-1)
        partner[members] = members[torch.randperm(len(members), device=real.device)]
    return partner


def teacher_of(rows: Dataset, model: Model, options: DataOptions) -> tuple[Tensor, Tensor]:
    """Weights and bias of the linear teacher, fitted on the real rows among those that the model learns from."""
    plain = rows.select([index for index, source in enumerate(rows["source"]) if source != GENERATED])
    with torch.no_grad():
        z_scores = model.normalise(torch.from_numpy(raw_features(plain))).cpu().numpy().astype(np.float64)
    genres = [*model.config.labels, *sorted(set(plain["label"]) - set(model.config.labels))]
    targets = np.array([genres.index(label) for label in plain["label"]])
    weights = np.array(row_weights(plain, replace(options, real_share=1.0)))
    weights *= len(weights) / weights.sum()
    if "taggram" in plain.column_names:
        log_odds = TAGGRAM_STATISTICS.index("log-odds") * len(MSD_TAGS)
        first = teachers.logistic(z_scores[:, :log_odds], targets, weights, options.teacher_strength)
        second = teachers.shrinkage_lda(z_scores[:, log_odds:], targets, weights, shrinkage=0.2)
        teacher = teachers.blend(first, second, share=0.35)
    else:
        teacher = teachers.logistic(z_scores, targets, weights, options.teacher_strength)
    ours = (teacher.weights[:, : model.config.num_labels], teacher.bias[: model.config.num_labels])
    return tuple(torch.tensor(part, dtype=torch.float32, device=model.device) for part in ours)


def pretrain(model: Model, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """Triplet pre-training of the experts, where the experiment asks for it."""
    if not experiment.data.pretrain_epochs:
        return {}
    rows = rows.select(np.flatnonzero(np.isin(rows["label"], labels_of(experiment))))
    features = torch.from_numpy(raw_features(rows)).to(model.device)
    labels = torch.tensor([model.config.label2id[label] for label in rows["label"]], device=model.device)
    return {"experts": triplets.pretrain_experts(model, features, labels, experiment.data.pretrain_epochs)}


# Beside the model


def baselines(known: Dataset, unknown: Dataset, labels: list[str]) -> dict[str, np.ndarray]:
    """Probabilities (rows, labels) of plain logistic regression by what it is given: the figures to beat."""
    heard = [raw_features(rows) for rows in (known, unknown)]
    if "taggram" in known.column_names:
        plain = TAGGRAM_STATISTICS.index("log-odds") * len(MSD_TAGS)
        given = {"means and deviations of the tags": [features[:, :plain] for features in heard]}
    else:
        present = ~np.isnan(heard[0]).all(0)
        given = {f"{present.sum()} of the features": [features[:, present] for features in heard]}
    if TABLE in known.column_names:
        tables = [np.array(rows[TABLE]) for rows in (known, unknown)]
        given[f"all {tables[0].shape[1]} statistics of the table"] = tables
    return {
        f"logistic regression on {name}": logistic_answers(learned, known["label"], asked, labels)
        for name, (learned, asked) in given.items()
    }


def logistic_answers(learned: np.ndarray, genres: list[str], asked: np.ndarray, labels: list[str]) -> np.ndarray:
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(learned, genres)
    return plain_answers(classifier, asked, labels)


def pictures(model: Model, data: Data, experiment: Any) -> dict[str, Any]:
    """What only this family draws, by name: what the features count for, and what the generated genres look like."""
    rows = data.test if data.test is not None else data.crossed
    with torch.no_grad():
        features = torch.from_numpy(raw_features(rows)).to(model.device)
    strength = model.attribute(features).abs().mean(0).cpu().numpy()
    drawn = {"feature_importance": feature_importance(strength, model.feature_names, model.feature_groups)}
    if data.test is not None:
        clips = {genre: generate_clip(genre, experiment.training.seed) for genre in labels_of(experiment)}
        drawn["genre_spectrograms"] = waveforms_and_spectrograms(clips, SAMPLING_RATE)
    return drawn
