"""BeatMeter: meters and polyrhythms, from rendered scores, METER2800 and songs besides, by a backbone and LoRA.

Source: "MERT LoRA Multi-Label Experiment" of the BeatMeter project (labels, augmentation, rates, schedule). What it did
by mistake is an option (`pos_weight_cap: null`); the best epoch is kept and measured, not the last.
Rows are of corpora that `linernotes corpus build` made, and of the readers of METER2800 and WIKIMETER.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from matplotlib.figure import Figure
from transformers import HubertModel, Wav2Vec2FeatureExtractor

from linernotes.corpora.manifest import read_excerpt
from linernotes.corpora.meter_rows import MeterRows, as_datasets, recorded_rows, rendered_rows
from linernotes.corpora.meters import METER_CLASSES, multi_hot
from linernotes.corpora.readers import meter2800, wikimeter
from linernotes.modeling.configuration_beatmeter import BeatMeterConfig as Config
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification as Model
from linernotes.modeling.modeling_beatmeter import preprocessing
from linernotes.report.training_pictures import layer_weights
from linernotes.training import config as shared
from linernotes.training import multilabel as answers
from linernotes.training.crops import augmented, cropped
from linernotes.training.head_first import hear
from linernotes.training.head_stages import teach_head
from linernotes.training.lora import add_lora, merge_lora, save_adapter
from linernotes.training.periodicity import logistic_baseline
from linernotes.training.rows import (
    Data,
    collected,
    find_folder,
    find_model,
    labels_of,
    refuse_empty,
    save_model,
    unchanged_batches,
)
from linernotes.training.sampling import balanced_weights

LABEL_NAMES = ("labels",)
EPOCH_METRICS = ("accuracy", "balanced_accuracy", "map")
TUNINGS = ("frozen", "lora", "full")

measure_epoch, batch_maker, save = answers.measure_epoch, unchanged_batches, save_model


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        corpora: names of rendered corpora in the data folders.
        test_corpora: those of which the test split alone is used.
        meter2800: name of METER2800's folder; None for none. meter2800_classes: 4 or 2, its lists.
        extra_data: names of folders with a label file of WIKIMETER's form, of which the share `extra_val_ratio` of the
            songs is for validation. `--extra-data FOLDER` adds to them.
        crop_seconds: what is heard of a recording: at a random place in training, else the middle.
        noise_std: standard deviation of noise in training, full scale is 1.
        shift_seconds: how far a crop is turned, at most, its end to its beginning.
        negative_label: target of the meters that are not there (smooth labels).
        pos_weight_cap: of the weight of a meter's positives in the loss, negatives / positives; None caps nothing.
        balanced: whether rows are drawn such that all meters are drawn alike.
    """

    corpora: list | None = None
    test_corpora: list | None = None
    meter2800: str | None = None
    meter2800_classes: int = 4
    extra_data: list | None = None
    extra_val_ratio: float = wikimeter.VALIDATION_RATIO
    crop_seconds: float = 30.0
    noise_std: float = 0.01
    shift_seconds: float = 0.5
    negative_label: float = 0.1
    pos_weight_cap: float | None = 10.0
    balanced: bool = False


@dataclass(frozen=True)
class TrainingOptions(shared.TrainingOptions):
    """As for any family, with BeatMeter's defaults (for MERT-330M), and:

    Args:
        tuning: what of the backbone learns: nothing ("frozen"), adapters ("lora") or all ("full").
        lora_rank, lora_alpha, lora_dropout, lora_learning_rate: of the adapters.
        backbone_learning_rate: of the backbone where all of it learns.
        head_epochs: epochs in which the head alone learns, before all others, on what the backbone hears of the middle
            of each row, kept in memory; in batches of `head_batch_size`, at `head_learning_rate`. Before these, in
            `event_epochs`, the activations of a tempogram learn beats and onsets from the scores of rendered clips;
            without them they are random until the epochs that follow.
        mask_time_prob: share of the frames that are hidden from a learning backbone, in spans (SpecAugment).
        highest_losses: how many of the rows that are answered worst are listed in RUN/highest_loss.json.
    """

    epochs: int = 80
    batch_size: int = 4
    gradient_accumulation_steps: int = 8
    learning_rate: float = 5e-4
    min_learning_rate: float = 1e-6
    scheduler: str = "plateau"
    eval_batch_size: int = 8
    patience: int | None = 15
    tuning: str = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_learning_rate: float = 5e-5
    backbone_learning_rate: float = 5e-5
    head_epochs: int = 0
    event_epochs: int = 0
    head_batch_size: int = 32
    head_learning_rate: float = 1e-3
    mask_time_prob: float = 0.05
    highest_losses: int = 100


def classes_of(experiment: Any) -> tuple[int, ...]:
    return tuple(int(label) for label in labels_of(experiment))


def fields_of(experiment: Any) -> dict[str, Any]:
    """The fields of the config that the model block sets, by `backbone_name` alone what the backbone is."""
    options = {key: value for key, value in experiment.model.items() if key not in ("labels", "backbone_name")}
    return options | {"id2label": dict(enumerate(labels_of(experiment))), "model_name": experiment.name}


def check(experiment: Any) -> None:
    """Raises ValueError where model, data and training do not fit each other."""
    data, training, labels = experiment.data, experiment.training, labels_of(experiment)
    known = [str(meter) for meter in METER_CLASSES]
    if not isinstance(labels, list) or len(labels) < 2 or not set(labels) <= set(known):
        raise ValueError(f"labels are {labels!r}; give a list of two or more of {', '.join(known)}")
    if not experiment.model.get("backbone_name"):
        raise ValueError("model.backbone_name is not set; name a bundled backbone, a folder, or a Hub id")
    Config(**fields_of(experiment))
    if not (data.corpora or data.meter2800 or data.extra_data):
        raise ValueError("the data block names nothing to learn from; set corpora, meter2800 or extra_data")
    if training.tuning not in TUNINGS:
        raise ValueError(f"training.tuning is {training.tuning!r}; allowed are {', '.join(TUNINGS)}")
    if training.folds:
        raise ValueError("training.folds must be 0: meters have a validation split, and nothing to cross-validate")
    if data.crop_seconds < Config.min_seconds:
        raise ValueError(f"data.crop_seconds is {data.crop_seconds}; it must be {Config.min_seconds} or more")
    if not 0 <= data.negative_label < 0.5:
        raise ValueError(f"data.negative_label is {data.negative_label}; it must be 0 or more and less than 0.5")


# Rows


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """The rows that the experiment names, by split. Raises FileNotFoundError for a set that is in no data folder."""
    read = read_all(experiment.data, data_dirs, classes_of(experiment))
    found, sources = collected(read, experiment.data.test_corpora)
    sets = as_datasets(found)
    refuse_empty(sets["train"], sources)
    return Data(**sets, sources=sources)


def read_all(options: DataOptions, data_dirs: list[Path], classes: tuple[int, ...]) -> dict[str, MeterRows]:
    """The rows of each set that the options name."""
    read = {}
    for name in dict.fromkeys([*(options.corpora or ()), *(options.test_corpora or ())]):
        read[name] = rendered_rows(find_folder(name, data_dirs), classes)
    if options.meter2800:
        rows = meter2800.read(find_folder(options.meter2800, data_dirs), options.meter2800_classes)
        read[options.meter2800] = recorded_rows(rows, classes)
    for name in options.extra_data or ():
        rows = wikimeter.extra_entries(find_folder(name, data_dirs), options.extra_val_ratio)
        read[name] = recorded_rows(rows, classes)
    return read


def row_weights(rows: Dataset, options: DataOptions) -> list[float] | None:
    """How often each row is drawn; of several meters the one that is drawn least decides. None: once an epoch."""
    if not options.balanced:
        return None
    labels = list(rows["labels"])
    counts = Counter(label for stated in labels for label in stated)
    rarest = [min(stated, key=counts.__getitem__) for stated in labels]
    return balanced_weights(rarest, rows["group"], [1.0] * len(rarest), group_exponent=0.0)


# Hearing


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=True)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    return view(rows, experiment, varied=False)


def view(rows: Dataset, experiment: Any, varied: bool) -> Dataset:
    """Rows as `forward` takes them: input_values and attention_mask (samples,), labels (classes,)."""
    options, classes = experiment.data, classes_of(experiment)
    config = Config(**preprocessing(backbone_of(experiment)) | fields_of(experiment))
    rate, length = config.sampling_rate, round(options.crop_seconds * config.sampling_rate)
    extractor = Wav2Vec2FeatureExtractor(
        sampling_rate=rate, do_normalize=config.do_normalize, return_attention_mask=True
    )

    def prepare(batch: dict[str, list]) -> dict[str, Any]:
        waveforms = [
            read_excerpt(source, start or 0.0, end, rate)
            for source, start, end in zip(batch["audio"], batch["start_seconds"], batch["end_seconds"], strict=True)
        ]
        crops = [cropped(samples, length, varied) for samples in waveforms]
        if varied:
            crops = [augmented(samples, options.noise_std, round(options.shift_seconds * rate)) for samples in crops]
        inputs = extractor(crops, sampling_rate=rate, padding="max_length", max_length=length, return_tensors="pt")
        labels = np.stack([multi_hot(stated, options.negative_label, classes) for stated in batch["labels"]])
        return {**inputs, "labels": torch.from_numpy(labels)}

    return rows.with_transform(prepare)


# Learning


def backbone_of(experiment: Any) -> str:
    """Where the backbone lies: a bundled name's folder, or the folder or Hub id that is given.

    Raises FileNotFoundError where it is none of these.
    """
    name = experiment.model["backbone_name"]
    return find_model(name, "model.backbone_name", "backbone", "allowed besides is a Hub id (user/name)")


def create_model(experiment: Any, rows: Dataset) -> Model:
    """A model on the pretrained backbone, of which only what `tuning` says learns."""
    weights = pos_weights(rows, experiment)
    model = Model.from_backbone(backbone_of(experiment), pos_weight=weights, **fields_of(experiment))
    options = experiment.training
    set_masking(model.backbone, options.mask_time_prob)
    if options.tuning == "frozen":
        model.freeze_backbone()
        # it hears as it was published: no dropout, nothing masked, whatever mode the model is in
        model.backbone.register_forward_pre_hook(lambda backbone, inputs: backbone.eval() and None)
    elif options.tuning == "lora":
        add_lora(model, options.lora_rank, options.lora_alpha, options.lora_dropout)
    return model


def set_masking(backbone: HubertModel, mask_time_prob: float) -> None:
    """How much a backbone that learns hides from itself; a HubertModel has a weight for it where it hides anything."""
    config = backbone.config
    config.mask_time_prob, config.mask_feature_prob = mask_time_prob, 0.0
    known = hasattr(backbone, "masked_spec_embed")
    if known and not mask_time_prob:
        del backbone.masked_spec_embed
    elif mask_time_prob and not known:
        backbone.masked_spec_embed = torch.nn.Parameter(torch.rand(config.hidden_size))


def pos_weights(rows: Dataset, experiment: Any) -> list[float]:
    """Of each class negatives / positives among the rows as they are drawn, at most the cap; 1 for a class unseen."""
    drawn = np.array(row_weights(rows, experiment.data) or [1.0] * len(rows))
    cap = experiment.data.pos_weight_cap
    weights = []
    for label in labels_of(experiment):
        stated = np.array([label in labels for labels in rows["labels"]])
        positive, negative = drawn[stated].sum(), drawn[~stated].sum()
        weight = negative / positive if positive > 0 and negative > 0 else 1.0
        weights.append(round(float(weight if cap is None else min(weight, cap)), 4))
    return weights


def pretrain(model: Model, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """The head alone, where the experiment asks for it."""
    if not experiment.training.head_epochs:
        return {}
    heard, labels = hear(model, plain_view(rows, experiment), experiment.training.head_batch_size)
    return teach_head(model, rows, heard, labels, experiment)


def parameter_groups(model: Model, experiment: Any) -> list[dict[str, Any]]:
    """The head, and what learns of the backbone, each with its learning rate."""
    options = experiment.training
    rate = options.lora_learning_rate if options.tuning == "lora" else options.backbone_learning_rate
    inside = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
    own = {id(parameter) for parameter in inside}
    head = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in own]
    groups = [{"params": head, "lr": options.learning_rate}, {"params": inside, "lr": rate}]
    return [group for group in groups if group["params"]]


def finish(model: Model, data: Data, experiment: Any, crossed: dict | None, run: Path) -> None:
    """Keeps the adapter apart and merges it; calibrates on the validation rows; lists the rows answered worst."""
    if experiment.training.tuning == "lora":
        save_adapter(model, run / "adapter")
        merge_lora(model)
    if data.validation is not None:
        answers.calibrate(model, answers.answer_rows(model, data.validation, experiment))
    if experiment.training.highest_losses:
        answered = answers.answer_rows(model, data.train, experiment)
        listed = answers.highest_losses(answered, model.config.labels, experiment.training.highest_losses)
        (run / "highest_loss.json").write_text(json.dumps(listed, indent=1) + "\n")


# Beside the model


def test_baselines(data: Data, experiment: Any) -> dict[str, np.ndarray]:
    """Logistic regression on statistics of the onset strength's periods, learned from the same rows."""
    return {"logistic regression on the tempogram": logistic_baseline(data.train, data.test, labels_of(experiment))}


def pictures(model: Model, data: Data, experiment: Any) -> dict[str, Figure]:
    return {"layer_weights": layer_weights(model.layer_weights().tolist())}
