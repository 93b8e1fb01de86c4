"""Rows to be described, as SonicVerse's `forward` takes them: a conversation, what the encoder hears, heads' labels.

What is heard comes from disk where it is kept (`linernotes.training.hidden_states`). In training questions and captions
are drawn anew each time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import HubertConfig, PreTrainedTokenizerBase

from linernotes.corpora.caption_grammar import PROMPTS
from linernotes.corpora.caption_writer import captions_of, write_caption
from linernotes.corpora.music_facts import MusicFacts, task_labels
from linernotes.modeling.chat import DEFAULT_PROMPT, IGNORED, MARK, conversation, padded
from linernotes.modeling.configuration_sonicverse import SonicVerseConfig as Config
from linernotes.modeling.language_models import located
from linernotes.modeling.pretrained import load_tokenizer, name_of_backbone
from linernotes.training.codec_tokens import Preparation
from linernotes.training.hidden_states import (
    encoder_folder,
    extractor_of,
    padded_states,
    states_of,
    with_hidden_states,
)

PARTS = ("audio_name", "text_name")
SEEDS = 2**31  # of captions that are drawn in training
ABOUT = "Describe music with these traits: {}. {}"  # asked of a text without a recording


def fields_of(experiment: Any) -> dict[str, Any]:
    """The fields of the config that the model block sets; of a part in a folder its name, not where it lies."""
    names = {key: name_of_backbone(value) for key, value in experiment.model.items() if key in PARTS}
    return experiment.model | names | {"model_name": experiment.name}


def config_of(experiment: Any) -> Config:
    """The config on its encoder, whose folder says what it is."""
    encoder = HubertConfig.from_pretrained(encoder_folder(experiment.model["audio_name"]))
    return Config(**fields_of(experiment) | {"audio_config": encoder.to_dict() | {"model_type": "hubert"}})


def speaker_of(experiment: Any) -> str:
    """Where the language model lies: a folder, that of one which `linernotes fetch-llm` has fetched, or a Hub id."""
    return str(located(experiment.training.language_model or experiment.model["text_name"]))


def view(rows: Dataset, experiment: Any, varied: bool) -> Dataset:
    """Rows as `collate` takes them.

    ids and labels of a conversation, states (layers + 1, frames, hidden_size) or samples (samples,), whether there is a
    sound, and by task its labels.
    """
    prepare = Preparer(experiment, config_of(experiment), load_tokenizer(speaker_of(experiment)), varied)
    return listened(rows, experiment).with_transform(prepare)


@dataclass(frozen=True)
class Preparer:
    """Makes examples of rows. A class and no closure, of which `datasets` would read every function that it reaches."""

    experiment: Any
    config: Config
    tokenizer: PreTrainedTokenizerBase
    varied: bool

    def __call__(self, batch: dict[str, list]) -> dict[str, list]:
        examples = [self.example(dict(zip(batch, row, strict=True))) for row in zip(*batch.values(), strict=True)]
        return {name: [each[name] for each in examples] for name in examples[0]}

    def example(self, row: dict[str, Any]) -> dict[str, Any]:
        config, options, facts = self.config, self.experiment.data, MusicFacts.of_json(row["facts"])
        ids, labels = conversation(self.tokenizer, messages_of(row, facts, self.varied), config)
        heard = {"there": has_sound(row)}
        if options.frame_stride is None:
            heard["samples"] = samples_of(row, self.experiment)
        else:
            layers, size = config.audio_config.num_hidden_layers + 1, config.audio_config.hidden_size
            heard["states"] = states_of(row["states"], layers, size)
        cut = slice(options.max_tokens)
        return {"ids": ids[cut], "labels": labels[cut], "task_labels": task_labels(facts, config.tasks), **heard}


def has_sound(row: dict[str, Any]) -> bool:
    return row["audio"]["path"] is not None or row["audio"]["bytes"] is not None


def listened(rows: Dataset, experiment: Any) -> Dataset:
    """The rows with what the encoder hears of them, from disk where it is kept."""
    options = experiment.data
    if options.frame_stride is None:
        return rows
    return with_hidden_states(
        rows,
        experiment.model["audio_name"],
        Preparation(options.seconds),
        frame_stride=options.frame_stride,
        processes=options.processes,
    )


def samples_of(row: dict[str, Any], experiment: Any) -> torch.Tensor:
    """What the encoder is to hear of a row, scaled; nothing of a text alone, where one frame's worth stands in."""
    extractor = extractor_of(encoder_folder(experiment.model["audio_name"]))
    rate = extractor.sampling_rate
    if not has_sound(row):
        return torch.zeros(rate)
    samples = Preparation(experiment.data.seconds).sound(row, rate)
    return torch.tensor(extractor(samples, sampling_rate=rate)["input_values"][0])


def messages_of(row: dict[str, Any], facts: MusicFacts, varied: bool) -> list[dict[str, str]]:
    """What is asked and answered: in training any of the phrasings and captions, else always the same of a row."""
    if row["aspects"]:
        prompt, caption = ABOUT.format(", ".join(row["aspects"]), MARK), row["captions"][0]
    elif varied:
        rng = np.random.default_rng(int(torch.randint(SEEDS, ()).item()))
        prompt = PROMPTS[rng.integers(len(PROMPTS))]
        told = row["captions"]
        caption = told[rng.integers(len(told))] if told else write_caption(facts, rng)
    else:
        prompt, caption = DEFAULT_PROMPT, (row["captions"] or captions_of(facts, row["clip"], 1))[0]
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": caption}]


def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Examples of a view as `forward` takes them; of one without a sound every frame is masked."""
    ids, mask = padded([each["ids"] for each in examples], 0)
    labels, _ = padded([each["labels"] for each in examples], IGNORED)
    there = [each["there"] for each in examples]
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    names = examples[0]["task_labels"]
    batch["task_labels"] = {name: torch.tensor([each["task_labels"][name] for each in examples]) for name in names}
    if "states" in examples[0]:
        batch["audio_hidden_states"], batch["frame_mask"] = padded_states([each["states"] for each in examples], there)
        return batch
    lengths = torch.tensor([len(each["samples"]) for each in examples])
    batch["input_values"] = torch.nn.utils.rnn.pad_sequence([each["samples"] for each in examples], batch_first=True)
    batch["audio_attention_mask"] = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    return batch
