"""A small SonicVerse that nobody trained, and what its tests ask of it."""

import numpy as np
import torch
from published_sonicverse import RATE, SIZES, TASKS, TINY_AUDIO, TINY_TEXT, noise, tiny_tokenizer

from linernotes.modeling.chat import DEFAULT_PROMPT, conversation, encoded, padded, rendered
from linernotes.modeling.configuration_sonicverse import SonicVerseConfig
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model


def make(**options) -> Model:
    torch.manual_seed(0)
    parts = {"audio_config": TINY_AUDIO, "text_config": TINY_TEXT, "tasks": TASKS}
    model = Model(SonicVerseConfig(**parts | SIZES | options)).eval()
    for name, parameter in model.named_parameters():
        if name.startswith("projector.") and "aggregator" in name:
            torch.nn.init.normal_(parameter)
        elif name.startswith("language_model."):
            torch.nn.init.normal_(parameter, std=0.3 if parameter.dim() > 1 else 1.0)
    if model.language_model is not None:
        model.tokenizer = tiny_tokenizer()
    return model


def inputs_of(model: Model, *recordings: np.ndarray) -> dict[str, torch.Tensor]:
    found = model.feature_extractor(list(recordings), sampling_rate=RATE, padding=True, return_tensors="pt")
    return {"input_values": found.input_values, "audio_attention_mask": found.attention_mask}


def asked(model: Model, *prompts: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Chats of one question each, padded on the left."""
    places = [model.config.audio_token_id] * model.config.audio_tokens
    rows = []
    for prompt in prompts:
        text = rendered(model.tokenizer, [{"role": "user", "content": prompt}], asking=True)
        rows.append(encoded(model.tokenizer, text, places))
    return padded(rows, model.config.text_config.pad_token_id, left=True)


def says(model: Model, *captions: str) -> list[str]:
    """Makes the language model say these, one call after the other (the last for ever); returns what is asked of it."""
    calls, left = [], list(captions)

    def generate(input_ids, **options):
        calls.append(options | {"rows": len(input_ids)})
        texts = [left.pop(0) if len(left) > 1 else left[0] for _ in input_ids]
        return padded([model.tokenizer(text)["input_ids"] for text in texts], 3)[0]

    model.generate = generate
    return calls


def learned(model: Model, *answers: str) -> dict[str, torch.Tensor]:
    rows = [
        conversation(
            model.tokenizer,
            [{"role": "user", "content": DEFAULT_PROMPT}, {"role": "assistant", "content": answer}],
            model.config,
        )
        for answer in answers
    ]
    ids, mask = padded([ids for ids, _ in rows], 3)
    labels, _ = padded([labels for _, labels in rows], -100)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def sure_of(model: Model, **labels: str) -> None:
    """Makes heads sure of a class."""
    for task, label in labels.items():
        head = model.projector.get_submodule(f"{task}_detection")
        torch.nn.init.zeros_(head.output.weight)
        torch.nn.init.constant_(head.output.bias, -20.0)
        with torch.no_grad():
            head.output.bias[TASKS[f"{task}_detection"]["classes"].index(label)] = 20.0


def made_of(*seconds: float) -> np.ndarray:
    """Sections of noise and of tone by turns."""
    parts = []
    for number, length in enumerate(seconds):
        times = np.arange(round(length * RATE)) / RATE
        tone = 0.3 * np.sign(np.sin(2 * np.pi * 110 * times)).astype(np.float32)
        parts.append(noise(length, number, 0.1) if number % 2 == 0 else tone)
    return np.concatenate(parts)
