"""Mega-AudioFormer, fine-tuned: one label a recording, from codec tokens that are encoded once and kept.

Source: the poster "Multi-scale Transformer Language Modeling for Music": the global encoder of a pre-training, and one
linear layer; its third row adds augmentation. `pretrained: null` is its row "Scratch". What comes before is
`linernotes.training.recipes.mega_audioformer_pretraining`.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression

from linernotes.corpora.labelled_sets import as_dataset, labelled_rows, parse_sets, share_of
from linernotes.modeling.configuration_mega_audioformer import MegaAudioFormerConfig as Config
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification as Model
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerModel
from linernotes.training import answers
from linernotes.training import config as shared
from linernotes.training.asking import plain_answers
from linernotes.training.code_views import code_view, hidden_spans
from linernotes.training.codec_tokens import Preparation, code_shares, codec_config, codec_folder, decoded, with_codes
from linernotes.training.rows import (
    Data,
    find_folder,
    find_model,
    labels_of,
    licences_of,
    no_pictures,
    no_pretraining,
    refuse_empty,
    save_model,
    unchanged_batches,
)
from linernotes.training.sampling import balanced_weights

LABEL_NAMES = ("labels",)
EPOCH_METRICS = ("accuracy",)
BASELINE_STRENGTH = 0.1  # C of the logistic regression on code shares, which are many and mostly 0

measure_epoch, finish, save = answers.measure_epoch, answers.calibrate, save_model
batch_maker, pretrain, pictures = unchanged_batches, no_pretraining, no_pictures


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        sets: the labelled sets, each a mapping (`linernotes.corpora.labelled_sets.SetOptions`).
        codec: a bundled codec's name, its folder or Hub id.
        codec_bandwidth_kbps: at which rows are encoded; the model hears the first of these books.
        processes: that encode.
        seconds, level_db, highest_hz, recode: what is done to all rows alike (`codec_tokens.Preparation`).
        copies: varied copies of each training row, with noise, another level and another place; 0 for none.
        mask_share: of a training row's frames that are hidden, in spans (SpecAugment on tokens).
        label_share: of the training rows that are learned from, of each label.
        balanced: whether rows are drawn such that labels are drawn alike.
        untaught: labels that no training row need have; any other without one is refused.
    """

    sets: list = None
    codec: str = "pocket-codec"
    codec_bandwidth_kbps: float = 12.0
    processes: int = 1
    seconds: float = 10.0
    level_db: list | None = None
    highest_hz: float | None = None
    recode: bool = False
    copies: int = 0
    mask_share: float = 0.0
    label_share: float = 1.0
    balanced: bool = True
    untaught: list | None = None


@dataclass(frozen=True)
class TrainingOptions(shared.TrainingOptions):
    """As for any family, and:

    Args:
        pretrained: bundled name, folder or Hub id of a pre-trained Mega-AudioFormer, whose global encoder is taken
            over; null starts from random weights.
        encoder_learning_rate: of all but the classifier; None for the same as the classifier's.
    """

    pretrained: str | None = None
    encoder_learning_rate: float | None = None


def fields_of(experiment: Any) -> dict[str, Any]:
    """The fields of the config that the model block sets; the codec's are its own."""
    options = {key: value for key, value in experiment.model.items() if key != "labels"}
    return options | {"id2label": dict(enumerate(labels_of(experiment))), "model_name": experiment.name}


def check(experiment: Any) -> None:
    """Raises ValueError where model, data and training do not fit each other."""
    labels, data = labels_of(experiment), experiment.data
    if not isinstance(labels, list) or len(labels) < 2:
        raise ValueError(f"labels are {labels!r}; give a list of two or more")
    Config(**fields_of(experiment))
    if not data.sets:
        raise ValueError("data.sets names nothing to learn from; give a list of sets, such as [{name: gtzan}]")
    parse_sets(data.sets)
    preparation_of(experiment, learned=True)
    if data.processes < 1:
        raise ValueError(f"data.processes is {data.processes}; it must be 1 or more")
    if unknown := [label for label in data.untaught or () if label not in labels]:
        raise ValueError(f"data.untaught names {unknown[0]!r}, which is none of model.labels: {', '.join(labels)}")
    if not 0 < data.label_share <= 1 or not 0 <= data.mask_share < 1:
        raise ValueError(f"data.label_share is {data.label_share}, mask_share {data.mask_share}; they are shares of 1")
    if experiment.training.folds:
        raise ValueError("training.folds must be 0: sets bring their splits, and nothing is cross-validated")


# Rows


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """Rows of the sets with their codes, by split. Raises FileNotFoundError for a set that is in no data folder."""
    options, rows, sources = experiment.data, [], []
    for chosen in parse_sets(options.sets):
        found, left_out = labelled_rows(find_folder(chosen.name, data_dirs), chosen, labels_of(experiment))
        rows += found
        counts = Counter(row["split"] for row in found)
        learned = [row for row in found if row["split"] == "train"]
        licence = licences_of(row["licence"] for row in learned or found)  # those of what is learned from
        sources.append({"name": chosen.name, "licence": licence, "rows": dict(counts), "left_out": dict(left_out)})
    train = as_dataset([row for row in rows if row["split"] == "train"])
    refuse_empty(train, sources)
    kept = share_of(train, options.label_share, experiment.training.seed)
    encoded = with_tokens(train, experiment, options.copies)  # of all rows, so that every share finds its codes there
    tests = {name: [r for r in rows if r["split"] == "test" and r["evaluation"] == name] for name in evaluations(rows)}
    heard = {name: with_tokens(as_dataset(part), experiment) for name, part in tests.items()}
    validation = as_dataset([row for row in rows if row["split"] == "validation"])
    return Data(
        encoded.select([number + copy * len(train) for copy in range(1 + options.copies) for number in kept]),
        validation if validation is None else with_tokens(validation, experiment),
        heard.pop("test", None),
        others=heard,
        sources=sources,
    )


def evaluations(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["evaluation"] for row in rows if row["split"] == "test"))


def preparation_of(experiment: Any, learned: bool = False) -> Preparation:
    """What is done to the sound of every row; one that is not learned from is heard at the model's own level."""
    options, level = experiment.data, experiment.model.get("level_db")
    level_db = tuple(options.level_db) if options.level_db else None
    if level is not None and not learned:
        level_db = (level, level)
    return Preparation(options.seconds, level_db, options.highest_hz, options.recode)


def with_tokens(rows: Dataset, experiment: Any, copies: int | None = None) -> Dataset:
    """Rows with their codes; `copies` of those that are learned from, None of others."""
    options = experiment.data
    return with_codes(
        rows,
        options.codec,
        preparation_of(experiment, learned=copies is not None),
        bandwidth_kbps=options.codec_bandwidth_kbps,
        copies=copies or 0,
        processes=options.processes,
    )


def row_weights(rows: Dataset, options: DataOptions) -> list[float] | None:
    """How often each row is drawn: labels alike, and within a label groups by the root of their rows."""
    if not options.balanced:
        return None
    return balanced_weights(rows["label"], rows["group"], [1.0] * len(rows), group_exponent=0.5)


# Hearing


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows as `forward` takes them, cut at a random place, some frames of them hidden."""
    config, share = config_of(experiment), experiment.data.mask_share
    vary = (lambda codes: hidden_spans(codes, share, config)) if share else None
    return view(rows, experiment, varied=True, change=vary)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    """Rows as `forward` takes them, of each the middle."""
    return view(rows, experiment, varied=False)


def view(rows: Dataset, experiment: Any, varied: bool, change: Any = None) -> Dataset:
    config, label2id = config_of(experiment), {label: number for number, label in enumerate(labels_of(experiment))}
    codes = codes_of(rows, experiment, config.num_codebooks)
    labels = [label2id[label] for label in rows["label"]]
    frames = round(config.window_seconds * config.frame_rate)
    return code_view(codes, frames, varied, {"labels": labels}, change)


def codes_of(rows: Dataset, experiment: Any, num_codebooks: int) -> list[np.ndarray]:
    step = config_of(experiment, bandwidth_kbps=experiment.data.codec_bandwidth_kbps)
    return decoded(rows, num_codebooks, step.num_codebooks)


def config_of(experiment: Any, **over: Any) -> Config:
    """The config of the model on its codec, of which the folder says what it is."""
    return Config(**fields_of(experiment) | {"codec_config": codec_config(experiment.data.codec)} | over)


# Learning


def pretrained_folder(experiment: Any) -> str | None:
    """Where the pre-trained model lies. Raises FileNotFoundError where it is nowhere."""
    name = experiment.training.pretrained
    if name is None:
        return None
    remedy = (
        "train configs/mega_audioformer_pretraining/pocket.yaml first and give its `model` folder, or set it to null"
    )
    return find_model(name, "training.pretrained", "model", remedy)


def create_model(experiment: Any, rows: Dataset) -> Model:
    """A new classifier on the codec, its encoder random or taken over from a pre-training.

    Raises ValueError where the pre-trained encoder is of another form, or a label has no row.
    """
    check_taught(rows, experiment)
    model = Model.from_codec(codec_folder(experiment.data.codec), **fields_of(experiment))
    folder = pretrained_folder(experiment)
    if folder is None:
        return model
    learned = MegaAudioFormerModel.from_pretrained(folder).state_dict()
    expected = model.model.state_dict()
    if wrong := sorted(n for n in expected if n not in learned or learned[n].shape != expected[n].shape):
        raise ValueError(
            f"{folder} was pre-trained in another form ({wrong[0]} and {len(wrong) - 1} more differ); give the model "
            "block the same sizes, codec and bandwidth_kbps"
        )
    if not all(torch.equal(learned[n], expected[n]) for n in expected if n.startswith("codec.")):
        raise ValueError(f"{folder} was pre-trained on another codec than {experiment.data.codec}; give that one")
    model.model.load_state_dict(learned)
    return model


def check_taught(rows: Dataset, experiment: Any) -> None:
    """Raises ValueError for a label that nothing would be learned of, unless `data.untaught` says so.

    Not where rows are read: what is measured of a model that was trained so is still told.
    """
    known = {*rows["label"], *(experiment.data.untaught or ())}
    if missing := [label for label in labels_of(experiment) if label not in known]:
        raise ValueError(
            f"no training row is labelled {missing[0]!r}; allowed in model.labels are those of the rows "
            f"({', '.join(sorted(set(rows['label'])))}): take it out, give a set with it, or name it in data.untaught"
        )


def parameter_groups(model: Model, experiment: Any) -> list[dict[str, Any]] | None:
    """The classifier and all below it, each with its learning rate, where they differ."""
    options = experiment.training
    if options.encoder_learning_rate is None:
        return None
    below = [parameter for parameter in model.model.parameters() if parameter.requires_grad]
    return [
        {"params": list(model.classifier.parameters()), "lr": options.learning_rate},
        {"params": below, "lr": options.encoder_learning_rate},
    ]


# Beside the model


def test_baselines(data: Data, experiment: Any) -> dict[str, np.ndarray]:
    """Logistic regression on how often each code occurs, learned from the same rows."""
    config, labels = config_of(experiment), labels_of(experiment)
    known, asked = (
        code_shares(codes_of(rows, experiment, config.num_codebooks), config.codec_config.codebook_size)
        for rows in (data.train, data.test)
    )
    classifier = LogisticRegression(C=BASELINE_STRENGTH, max_iter=1000, class_weight="balanced")
    spread = known.std(0) + 1e-4
    classifier.fit(known / spread, data.train["label"])
    return {"logistic regression on code counts": plain_answers(classifier, asked / spread, labels)}
