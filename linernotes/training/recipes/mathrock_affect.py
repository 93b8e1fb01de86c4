"""Neural Math Rock: emotions, vibe, intensity and tempo, by a WavLM and a CLAP that both learn.

Source: "Neural Math Rock: Dual-Backbone Acoustic and Affective Analysis Pipeline" (rates, weight decay, clipping,
epochs, losses). Rows are of corpora that `linernotes corpus build` made, labelled by rule (docs/mathrock.md), of the
public set of the same name, and of recordings of which a tagger has said something.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from linernotes.corpora.affect import TEMPO_BOUNDS_BPM, tempo_class
from linernotes.corpora.affect_rows import (
    AffectRows,
    as_datasets,
    heard_rows,
    labelled_rows,
    rendered_rows,
    timed_clips,
    timed_rows,
)
from linernotes.corpora.manifest import MANIFEST, read_excerpt, read_manifest
from linernotes.corpora.readers import neural_mathrock
from linernotes.corpora.writing import Writing, numbers_of
from linernotes.modeling.affect import CHOICES, EMOTIONS
from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig as Config
from linernotes.modeling.feature_extraction_mathrock_affect import MathRockAffectFeatureExtractor as Extractor
from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect as Model
from linernotes.modeling.musicnn import MSD_TAGS
from linernotes.training import affect_answers as answers
from linernotes.training import config as shared
from linernotes.training.constant_q import start_as_filter_bank
from linernotes.training.crops import augmented, band_limited, coloured, cropped, loudened
from linernotes.training.plain_affect import beat_tracker_answers, log_mel_answers
from linernotes.training.rows import (
    Data,
    collected,
    find_folder,
    no_pictures,
    no_pretraining,
    refuse_empty,
    save_model,
    unchanged_batches,
)
from linernotes.training.tagger import with_answers
from linernotes.training.tempo_filters import hears_tempi, start_as_tempo_filters
from linernotes.training.written import with_writing

LABEL_NAMES = ("labels", *(f"{task}_labels" for task in CHOICES))
EPOCH_METRICS = ("map", *(f"{task}_macro_f1" for task in CHOICES), "mean_score")
WRITTEN = len(numbers_of(Writing(60.0)))
TOWERS = ("wavlm", "clap")

measure_epoch, batch_maker, pretrain, save = answers.measure_epoch, unchanged_batches, no_pretraining, save_model
pictures = no_pictures


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        corpora: names of rendered corpora in the data folders.
        test_corpora: those of which the test split alone is used.
        neural_mathrock: name of the folder of anggars/neural-mathrock; None for none.
        recordings: names of corpora of recordings without labels, which `teacher` tags.
        recordings_share: of the rows of an epoch; None: as many as there are.
        timed_recordings: names of folders whose metadata.csv tells tempi; they are tested on, never learned from.
        timed_corpora: names of rendered corpora of whose test clips the tempo alone is asked.
        slow_below_bpm, fast_above_bpm: between which a tempo is moderate.
        soft_emotions: whether shares of emotions are learned, or only which of them are true.
        noise_std: standard deviation of noise in training, full scale is 1.
        gain_db: how much louder or softer a clip may be, at most.
        shift_seconds: how far a clip is turned, at most, its end to its beginning.
        band_limit_odds: of a clip whose mel bands above a place in the upper fifth are empty, as in old recordings.
        colour_db: how much louder or softer a part of the mel bands may be, at most: another room, another instrument.
    """

    corpora: list | None = None
    test_corpora: list | None = None
    neural_mathrock: str | None = None
    recordings: list | None = None
    teacher: str = "genre-moe-tags"
    recordings_share: float | None = None
    timed_recordings: list | None = None
    timed_corpora: list | None = None
    slow_below_bpm: float = TEMPO_BOUNDS_BPM[0]
    fast_above_bpm: float = TEMPO_BOUNDS_BPM[1]
    soft_emotions: bool = True
    noise_std: float = 0.003
    gain_db: float = 6.0
    shift_seconds: float = 0.5
    band_limit_odds: float = 0.3
    colour_db: float = 0.0

    @property
    def tempo_bounds_bpm(self) -> tuple[float, float]:
        return self.slow_below_bpm, self.fast_above_bpm


@dataclass(frozen=True)
class TrainingOptions(shared.TrainingOptions):
    """As for any family, with the defaults of "Neural Math Rock", and:

    Args:
        learning_rate: of projections, fusion and heads; backbone_learning_rate: of the two towers.
        class_weights: whether rare vibes, intensities and tempi weigh more in the loss, by the inverse of their share.
        writing_weight: in the loss, of what is written of a clip (`linernotes.training.written`); 0 for none of it.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-4
    backbone_learning_rate: float = 3e-5
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    mixed_precision: bool = True
    eval_batch_size: int = 16
    patience: int | None = None
    best_metric: str | None = "mean_score"
    class_weights: bool = True
    writing_weight: float = 0.0


def fields_of(experiment: Any) -> dict[str, Any]:
    """The fields of the config that the model block sets, without the names of towers that are fetched."""
    named = ("wavlm_name", "clap_name", "labels")
    return {key: value for key, value in experiment.model.items() if key not in named} | {"model_name": experiment.name}


def check(experiment: Any) -> None:
    """Raises ValueError where model, data and training do not fit each other."""
    model, data, training = experiment.model, experiment.data, experiment.training
    for tower in TOWERS:
        if bool(model.get(f"{tower}_name")) == bool(model.get(f"{tower}_config")):
            raise ValueError(f"give model.{tower}_name (pretrained) or model.{tower}_config (new), one of them")
    if bool(model.get("wavlm_name")) != bool(model.get("clap_name")):
        raise ValueError("one tower is pretrained and one is new; name both, or describe both")
    if told := sorted(name for name in ("text_config", "text_name") if model.get(name) not in (None, "")):
        raise ValueError(
            f"model.{told[0]} is set, but no set here has lyrics, and a branch that learned nothing would change every "
            "answer that is given any: leave it out, and teach it from Python (docs/mathrock.md)"
        )
    if model.get("labels", list(EMOTIONS)) != list(EMOTIONS):
        raise ValueError("model.labels must be left out: the rules have the 28 emotions of GoEmotions")
    for task, known in answers.labels_of(Config()).items():
        if task in CHOICES and list(model.get(f"{task}_labels", known)) != known:
            raise ValueError(f"model.{task}_labels must be left out: the rules have {', '.join(known)}")
    Config(**fields_of(experiment))
    if not (data.corpora or data.neural_mathrock):
        raise ValueError("the data block names nothing to learn from; set corpora or neural_mathrock")
    if training.writing_weight and not data.corpora:
        raise ValueError("training.writing_weight needs clips whose notes are known: set it to 0, or name data.corpora")
    named = [*(data.corpora or ()), *(data.recordings or ())]
    named += [*(data.timed_recordings or ()), *(data.timed_corpora or ()), *filter(None, [data.neural_mathrock])]
    if twice := [name for name, count in Counter(named).items() if count > 1]:
        raise ValueError(f"data names {twice[0]!r} twice; each set can be one thing only: leave one of them out")
    if training.folds:
        raise ValueError("training.folds must be 0: affect has a validation split, and nothing to cross-validate")
    if data.band_limit_odds > 1:
        raise ValueError(f"data.band_limit_odds is {data.band_limit_odds}; it is a share of 1")
    if data.recordings_share is not None and not 0 <= data.recordings_share < 1:
        raise ValueError(f"data.recordings_share is {data.recordings_share}; it is a share of 1")
    tempo_class(100.0, data.tempo_bounds_bpm)


# Rows


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """The rows that the experiment names, by split. Raises FileNotFoundError for a set that is in no data folder."""
    found, sources = collected(read_all(experiment.data, data_dirs), experiment.data.test_corpora)
    sets = as_datasets(found)
    refuse_empty(sets["train"], sources)
    return Data(**sets, sources=sources)


def read_all(options: DataOptions, data_dirs: list[Path]) -> dict[str, AffectRows]:
    """The rows of each set that the options name."""
    read, bounds = {}, options.tempo_bounds_bpm
    for name in dict.fromkeys([*(options.corpora or ()), *(options.test_corpora or ())]):
        read[name] = rendered_rows(find_folder(name, data_dirs), bounds)
    if options.neural_mathrock:
        folder = find_folder(options.neural_mathrock, data_dirs)
        read[options.neural_mathrock] = labelled_rows(neural_mathrock.read(folder))
    for name in options.recordings or ():
        folder = find_folder(name, data_dirs)
        manifest = read_manifest(folder / MANIFEST)
        tagged = with_answers(manifest, options.teacher, folder)
        read[name] = heard_rows(manifest, [dict(zip(MSD_TAGS, tags, strict=True)) for tags in tagged["tags"]], name)
    for name in options.timed_recordings or ():
        read[name] = timed_rows(find_folder(name, data_dirs), bounds)
    for name in options.timed_corpora or ():
        read[name] = timed_clips(find_folder(name, data_dirs), bounds)
    return read


def row_weights(rows: Dataset, options: DataOptions) -> list[float] | None:
    """How often each row is drawn, so that recordings are the share that is asked for. None: once an epoch."""
    heard = np.array([len(tags) > 0 for tags in rows["tags"]])
    if options.recordings_share is None or heard.all() or not heard.any():
        return None
    share = options.recordings_share
    return np.where(heard, share / heard.sum(), (1 - share) / (~heard).sum()).tolist()


# Hearing


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=True)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=False)


def view(rows: Dataset, experiment: Any, varied: bool) -> Dataset:
    """Rows as `forward` takes them: input_values and attention_mask (samples,), input_features (1, frames, mels);
    labels (28,), NaN where the emotions are not known; vibe_labels, intensity_labels, tempo_labels, -100 likewise;
    writing_labels (WRITTEN,), NaN likewise."""
    options, config = experiment.data, config_of(experiment)
    extractor = Extractor.of_config(config, pad_to_window=True)  # clips of all lengths are one batch
    rate, classes = extractor.sampling_rate, answers.labels_of(config)

    def prepare(batch: dict[str, list]) -> dict[str, Any]:
        excerpts = zip(batch["audio"], batch["start_seconds"], batch["end_seconds"], strict=True)
        clips = [cropped(read_excerpt(a, s or 0.0, e, rate), extractor.window_samples, varied) for a, s, e in excerpts]
        if varied:
            turned = [augmented(clip, options.noise_std, shift_of(clip, options, rate)) for clip in clips]
            clips = [loudened(clip, options.gain_db) for clip in turned]
        inputs = dict(extractor(clips, sampling_rate=rate, return_tensors="pt"))
        if varied:
            coloured_mel = coloured(inputs["input_features"], options.colour_db)
            inputs["input_features"] = band_limited(coloured_mel, options.band_limit_odds)
        shares = [emotions_of(*row, options) for row in zip(batch["labels"], batch["emotions"], strict=True)]
        told = {f"{task}_labels": [index_of(label, classes[task]) for label in batch[task]] for task in CHOICES}
        written = [row or [float("nan")] * WRITTEN for row in batch["writing"]]
        known = told | {"labels": shares, "writing_labels": written}
        return {**inputs, **{name: torch.tensor(values) for name, values in known.items()}}

    return rows.with_transform(prepare)


def config_of(experiment: Any) -> Config:
    return Config(**fields_of(experiment))


def emotions_of(stated: list[str], shares: list[float], options: DataOptions) -> list[float]:
    if not shares:
        return [float("nan")] * len(EMOTIONS)
    return list(shares) if options.soft_emotions else [float(word in stated) for word in EMOTIONS]


def index_of(label: str | None, labels: list[str]) -> int:
    return answers.UNKNOWN if label is None else labels.index(label)


def shift_of(clip: np.ndarray, options: DataOptions, rate: int) -> int:
    return min(round(options.shift_seconds * rate), len(clip))


# Learning


def create_model(experiment: Any, rows: Dataset) -> Model:
    """A model on the pretrained towers that are named, or on new ones, whose WavLM starts as filter banks.

    Raises FileNotFoundError where a tower is neither here nor can be fetched.
    """
    weights = class_weights(rows) if experiment.training.class_weights else {}
    given, options = experiment.model, fields_of(experiment) | weights
    if given.get("wavlm_name"):
        try:
            return Model.from_backbones(given["wavlm_name"], given["clap_name"], **options)
        except OSError as error:  # transformers' own does not always say of which
            named = f"model.wavlm_name is {given['wavlm_name']!r} and clap_name {given['clap_name']!r}"
            raise FileNotFoundError(f"{named}; one of them cannot be had: give folders, or a network") from error
    weight = experiment.training.writing_weight
    model = with_writing(Config(**options), rows, weight) if weight else Model(Config(**options))
    rate = model.config.wavlm_sampling_rate
    if is_filter_bank(model.config.wavlm_config):
        start_as_filter_bank(model.wavlm, rate)
        # nothing before the filters learns, so that no gradient has to go through them
        model.wavlm.feature_extractor._requires_grad = False
        if hears_tempi(model.wavlm, rate):
            start_as_tempo_filters(model.wavlm, rate)
    return model


def is_filter_bank(config: Any) -> bool:
    """Whether the first convolution is long enough to tell notes apart: 50 ms and more at 16 kHz."""
    return config.conv_kernel[0] >= 800


def class_weights(rows: Dataset) -> dict[str, list[float]]:
    """Of each task, rows / (classes x rows of the class), by the config's name for it; 1 for a class unseen."""
    labels = answers.labels_of(Config())
    weights = {}
    for task in CHOICES:
        counts = Counter(label for label in rows[task] if label is not None)
        total, seen = sum(counts.values()), max(len(counts), 1)
        weights[f"{task}_class_weights"] = [
            round(total / (seen * counts[label]), 4) if counts[label] else 1.0 for label in labels[task]
        ]
    return weights


def parameter_groups(model: Model, experiment: Any) -> list[dict[str, Any]]:
    """The towers, and what is behind them, each with its learning rate."""
    options = experiment.training
    towers = {id(parameter) for tower in TOWERS for parameter in getattr(model, tower).parameters()}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learning if id(p) not in towers], "lr": options.learning_rate},
        {"params": [p for p in learning if id(p) in towers], "lr": options.backbone_learning_rate},
    ]


def finish(model: Model, data: Data, experiment: Any, crossed: dict | None, run: Path) -> None:
    """Calibrates on the validation rows."""
    if data.validation is not None:
        answers.calibrate(model, answers.answer_rows(model, data.validation, experiment))


# Beside the model


def test_baselines(data: Data, experiment: Any) -> dict[str, np.ndarray]:
    """Logistic regression on log-mel statistics, learned from the same rows, and what a beat tracker says of tempo."""
    labels = answers.labels_of(config_of(experiment))
    heard = {name: plain_view(rows, experiment) for name, rows in (("known", data.train), ("asked", data.test))}
    return {
        "logistic regression on the log-mel": log_mel_answers(heard["known"], data.train, heard["asked"], labels),
        "beat tracker": beat_tracker_answers(
            data.test, config_of(experiment), experiment.data.tempo_bounds_bpm, labels
        ),
    }
