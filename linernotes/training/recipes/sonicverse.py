"""SonicVerse: captions, and the key, vocals, instruments, moods and genres that they are told of.

Source: "SonicVerse: Multi-Task Learning for Music Feature-Informed Captioning" (arXiv 2506.15154): two stages, first
projectors and heads with the language model frozen, then the heads frozen as well (`requires_grad: false`); the loss
is that of the words plus a tenth of each head's. Besides, heads may learn alone first (`head_epochs`): without the
language model a step costs a sixtieth. docs/sonicverse_data.md has the data.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from matplotlib.figure import Figure
from safetensors.torch import load_file

import linernotes
from linernotes.corpora.caption_rows import READERS, CaptionRows, as_dataset, as_datasets
from linernotes.corpora.labelled_sets import spread
from linernotes.corpora.music_facts import MusicFacts, task_labels
from linernotes.corpora.sung_rows import sung_rows
from linernotes.modeling.configuration_sonicverse import SonicVerseConfig as Config
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model
from linernotes.report.training_pictures import layer_weights
from linernotes.training import caption_answers as answers
from linernotes.training import caption_heads as heads
from linernotes.training import caption_views as views
from linernotes.training import config as shared
from linernotes.training.hidden_states import encoder_folder
from linernotes.training.rows import (
    Data,
    collected,
    find_folder,
    find_model,
    one_learning_rate,
    refuse_empty,
    save_model,
    unchanged_batches,
)
from linernotes.training.speaker_lora import add_speaker_lora, merge_speaker_lora

LABEL_NAMES = ("labels",)
SHARED = ("voices", "sung", "named", "text")  # origins of rows whose share can be set
EPOCH_METRICS = ()

measure_epoch, batch_maker, parameter_groups = answers.measure_epoch, unchanged_batches, one_learning_rate
collate, pretrain = views.collate, heads.pretrain


@dataclass(frozen=True)
class DataOptions:
    """What is listened to.

    Args:
        corpora: names of rendered corpora in the data folders; test_corpora: those of which the test alone is used.
        voices: name of MIR-1K's folder; test_singers and validation_singers are kept for these.
        voice_copies: varied in pitch, room, tone and noise, of each row of `voices` that is learned from.
        sung: share of the instrumental clips of `corpora` that come once more with a singer of `voices` over them.
        named: name of the folder of recordings whose names tell a style.
        real: name of GTZAN's recordings with key and caption; tested on, never learned from.
        musicbench, musiccaps: names of their folders. test_list: MusicBench's, A or B.
        texts: name of a folder of captions without recordings; learned from where adapters learn.
        shares: of the rows that are drawn for an epoch, by origin: voices, sung, named, text; others come as they are.
        at_most: training rows of each rendered corpus. validation_rows: of all sets together.
        seconds: heard of a row, from its middle. frame_stride: of the frames that the encoder hears every how many one
            is kept on disk; None keeps nothing and listens anew each time.
        max_tokens: of a conversation; what is longer is cut.
        test_captions: test rows of each evaluation that are described, None for all; heads answer all.
        processes: that listen.
    """

    corpora: list | None = None
    test_corpora: list | None = None
    voices: str | None = None
    test_singers: list | None = None
    validation_singers: list | None = None
    voice_copies: int = 0
    sung: float = 0.0
    named: str | None = None
    real: str | None = None
    musicbench: str | None = None
    test_list: str = "A"
    musiccaps: str | None = None
    texts: str | None = None
    shares: dict = field(default_factory=dict)
    at_most: int | None = None
    validation_rows: int | None = None
    seconds: float = 10.0
    frame_stride: int | None = 15
    max_tokens: int = 160
    test_captions: int | None = None
    processes: int = 1


@dataclass(frozen=True)
class TrainingOptions(shared.TrainingOptions):
    """As for any family, with SonicVerse's defaults, and:

    Args:
        language_model: folder or Hub id of the language model; None for `model.text_name`, fetched or from the Hub.
        start: folder of an earlier stage, whose projector and heads are taken over; None starts anew.
        baseline: folder of a model without tasks, that is measured beside this one; None for none.
        head_epochs: in which the heads alone learn, before all else, in batches of `head_batch_size`.
        lora_rank: of adapters in the language model, 0 for none. lora_alpha, lora_dropout: theirs.
        unseen_classes: whether a head may have classes without an example, as the published one does.
    """

    epochs: int = 3
    batch_size: int = 1
    gradient_accumulation_steps: int = 32
    eval_batch_size: int = 1
    learning_rate: float = 1e-4
    min_learning_rate: float = 0.0
    weight_decay: float = 0.0
    warmup_ratio: float = 0.03
    patience: int | None = None
    best_metric: str | None = None
    language_model: str | None = None
    start: str | None = None
    baseline: str | None = None
    head_epochs: int = 0
    head_batch_size: int = 32
    head_learning_rate: float = 1e-3
    lora_rank: int = 0
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    unseen_classes: bool = False


def check(experiment: Any) -> None:
    """Raises ValueError where model, data and training do not fit each other."""
    data, training = experiment.data, experiment.training
    if "labels" in experiment.model:
        raise ValueError("model.labels must be left out; classes stand in model.tasks")
    config = Config(**views.fields_of(experiment))
    if not (data.corpora or data.musicbench or data.musiccaps):
        raise ValueError("the data block names nothing to describe; set corpora, musicbench or musiccaps")
    if data.texts and not training.lora_rank:
        raise ValueError(
            "data.texts teaches language, and nothing of the language model learns; set training.lora_rank"
        )
    if training.folds:
        raise ValueError("training.folds must be 0: sets bring their splits, and nothing is cross-validated")
    if data.frame_stride == 0 or data.max_tokens <= config.audio_tokens:
        raise ValueError(
            f"data.frame_stride is {data.frame_stride} and max_tokens {data.max_tokens}; they must be above 0, and "
            f"above {config.audio_tokens}, the tokens of the sound"
        )
    if training.head_epochs and data.frame_stride is None:
        raise ValueError("training.head_epochs needs data.frame_stride: heads learn on what is kept")
    if unknown := sorted(data.shares.keys() - SHARED):
        raise ValueError(f"data.shares has {unknown[0]!r}; allowed are {', '.join(SHARED)}")
    if sum(data.shares.values()) >= 1 or any(share <= 0 for share in data.shares.values()):
        raise ValueError("data.shares are each above 0, and together below 1: they must leave some for the rest")
    if (data.sung or data.voice_copies) and not data.voices:
        raise ValueError("data.sung and voice_copies need data.voices, which names the recordings of singers")


# Rows


def load_data(experiment: Any, data_dirs: list[Path]) -> Data:
    """The rows that the experiment names, by split. Raises FileNotFoundError for a set that is in no data folder."""
    options = experiment.data
    found, sources = collected(read_all(options, data_dirs), options.test_corpora, of_learned=True)
    if options.validation_rows:
        validation = spread([row for row in found if row["split"] == "validation"], options.validation_rows)
        found = [row for row in found if row["split"] != "validation"] + validation
    sets = as_datasets(found)
    refuse_empty(sets["train"], sources)
    tests = [row for row in found if row["split"] == "test"]
    by_name = {name: [row for row in tests if row["evaluation"] == name] for name in ("test", "voices", "real")}
    asked = {name: as_dataset(rows) for name, rows in by_name.items() if rows}
    return Data(sets["train"], sets["validation"], asked.pop("test", None), others=asked, sources=sources)


def read_all(options: DataOptions, data_dirs: list[Path]) -> dict[str, CaptionRows]:
    """The rows of each set that the options name."""
    read = {}
    for name in dict.fromkeys([*(options.corpora or ()), *(options.test_corpora or ())]):
        rows, left_out = READERS["rendered"](find_folder(name, data_dirs))
        learned = [row for row in rows if row["split"] == "train"]
        others = [row for row in rows if row["split"] != "train"]
        read[name] = CaptionRows(spread(learned, options.at_most) + others, left_out)
    rendered = [row for name in options.corpora or () for row in read[name].rows]
    singers = options.test_singers or (), options.validation_singers or ()
    for kind, name, given in (
        ("voices", options.voices, (*singers, options.voice_copies)),
        ("named", options.named, ()),
        ("gtzan", options.real, ()),
        ("musicbench", options.musicbench, (options.test_list,)),
        ("musiccaps", options.musiccaps, ()),
        ("text", options.texts, ()),
    ):
        if name:
            read[name] = READERS[kind](find_folder(name, data_dirs), *given)
    if options.sung:
        read["singers over rendered clips"] = sung_rows(rendered, read[options.voices].rows, options.sung)
    return read


def row_weights(rows: Dataset, options: DataOptions) -> list[float] | None:
    """How often each row is drawn, so that each origin has the share that is asked for. None: once an epoch."""
    origins = np.array(rows["origin"])
    shares = {origin: share for origin, share in options.shares.items() if (origins == origin).any()}
    if not shares:
        return None
    rest = ~np.isin(origins, list(shares))
    weights = np.where(rest, (1 - sum(shares.values())) / max(rest.sum(), 1), 0.0)
    for origin, share in shares.items():
        weights[origins == origin] = share / (origins == origin).sum()
    return weights.tolist()


# Hearing


def training_view(rows: Dataset, experiment: Any) -> Dataset:
    return views.view(rows, experiment, varied=True)


def plain_view(rows: Dataset, experiment: Any) -> Dataset:
    return views.view(rows, experiment, varied=False)


# Learning


def create_model(experiment: Any, rows: Dataset) -> Model:
    """A model on its encoder and language model, both frozen, its projector new or that of an earlier stage.

    Raises ValueError where a head has a class without an example, or the earlier stage is of another form.
    """
    if not experiment.training.unseen_classes:
        refuse_unseen(rows, views.config_of(experiment))
    encoder = encoder_folder(experiment.model["audio_name"])
    model = Model.from_backbones(encoder, views.speaker_of(experiment), **views.fields_of(experiment))
    if experiment.training.start:
        take_over(model, experiment.training.start)
    options = experiment.training
    if options.lora_rank:
        add_speaker_lora(model, options.lora_rank, options.lora_alpha, options.lora_dropout)
    return model


def refuse_unseen(rows: Dataset, config: Config) -> None:
    seen = {name: np.zeros(len(task["classes"]), bool) for name, task in config.tasks.items()}
    for text in rows["facts"]:
        for name, labels in task_labels(MusicFacts.of_json(text), config.tasks).items():
            seen[name] |= np.array(labels) == 1
    for name, there in seen.items():
        if missing := [each for each, known in zip(config.tasks[name]["classes"], there, strict=True) if not known]:
            raise ValueError(
                f"no training row has {', '.join(missing)}: leave {'it' if len(missing) == 1 else 'them'} out of "
                f"model.tasks.{name}.classes, or set training.unseen_classes"
            )


def take_over(model: Model, start: str) -> None:
    """The projector and heads of an earlier stage."""
    folder = Path(find_model(start, "training.start", "model", "train the first stage and give its `model` folder"))
    state = load_file(folder / "model.safetensors")
    learned = {name.removeprefix("projector."): w for name, w in state.items() if name.startswith("projector.")}
    expected = model.projector.state_dict()
    if wrong := sorted(n for n in expected.keys() | learned.keys() if _shape(learned, n) != _shape(expected, n)):
        raise ValueError(
            f"{folder} has another projector ({wrong[0]} and {len(wrong) - 1} more differ); give the model block the "
            "same sizes and tasks"
        )
    model.projector.load_state_dict({name: weight.float() for name, weight in learned.items()})


def _shape(state: dict[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def finish(model: Model, data: Data, experiment: Any, crossed: dict | None, run: Path) -> None:
    """Keeps adapters apart and merges them; calibrates the heads on the validation rows."""
    if experiment.training.lora_rank:
        merge_speaker_lora(model, run / "adapter")
    if data.validation is not None and model.config.tasks:
        answers.calibrate(model.config, *heads.judged(model, data.validation, experiment))


def save(model: Model, folder: Path, experiment: Any) -> None:
    """What was trained, and the encoder; a language model only where its own weights have changed."""
    if not experiment.training.lora_rank:
        model.drop_language_model()
    save_model(model, folder, experiment)


# Beside the model


def give_words(model: Any, experiment: Any) -> None:
    """Its language model, to a folder that was published without."""
    if model.language_model is None:
        model.add_language_model(views.speaker_of(experiment))


def test_baselines(data: Data, experiment: Any) -> dict[str, list[str]]:
    """Captions of the same recordings by the model without tasks, where there is one."""
    if not experiment.training.baseline:
        return {}
    remedy = "train configs/sonicverse/smol_no_tasks.yaml first, or set it to null"
    other = linernotes.load(find_model(experiment.training.baseline, "training.baseline", "model", remedy))
    return {"without task tokens": answers.answer_rows(other, data.test, experiment)["caption"]}


def pictures(model: Model, data: Data, experiment: Any) -> dict[str, Figure]:
    """How much each layer of the encoder counts for the content."""
    weights = model.projector.layer_weights()["lmm_projector"]
    return {"layer_weights": layer_weights(weights.tolist())}
