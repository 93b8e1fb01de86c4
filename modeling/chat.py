"""A conversation about a sound as tokens: the model's own chat template, and places for the sound's tokens in it.

Source: SonicVerse marks the sound by `<sound>` in what the user says; here as there the mark becomes as many
placeholders as the sound has tokens, and only what the assistant says is learned.
Shapes: token ids (batch, tokens); labels likewise, -100 where nothing is asked.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

MARK = "<sound>"
DEFAULT_PROMPT = f"Describe the music. {MARK}"
IGNORED = -100
# Mistral-7B-Instruct-v0.1's, for tokenizers without a template
INSTRUCT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)


def with_mark(prompt: str | None) -> str:
    """What the user says: a prompt with the mark in it once, behind it where it has none.

    Raises ValueError where the prompt is not text or has the mark more than once.
    """
    if prompt is None:
        return DEFAULT_PROMPT
    if not isinstance(prompt, str) or not prompt.strip() or prompt.count(MARK) > 1:
        raise ValueError(f"prompt is {prompt!r}; it must be text, with {MARK} in it once at most")
    return prompt if MARK in prompt else f"{prompt} {MARK}"


def rendered(tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], asking: bool) -> str:
    """The conversation as one string; asking: up to where the assistant is to speak."""
    template = tokenizer.chat_template or INSTRUCT
    return tokenizer.apply_chat_template(
        list(messages), chat_template=template, tokenize=False, add_generation_prompt=asking
    )


def encoded(tokenizer: PreTrainedTokenizerBase, text: str, sound: Sequence[int]) -> list[int]:
    """Ids of a rendered text, with the ids `sound` in the place of the mark."""
    before, mark, after = text.partition(MARK)
    words = [tokenizer(part, add_special_tokens=False)["input_ids"] if part else [] for part in (before, after)]
    return [*words[0], *(sound if mark else ()), *words[1]]


def conversation(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], config: Any
) -> tuple[list[int], list[int]]:
    """Ids and labels of a conversation to learn from: labels are the ids of the assistant's words and what ends them.

    Args:
        messages: {"role", "content"}, user and assistant by turns; the mark once in what a user says.
        config: a SonicVerseConfig.

    Raises ValueError where the mark is missing or there more than once, or the template rewrites what it has said.
    """
    marks = [message["content"].count(MARK) for message in messages]
    if sum(marks) != 1 or any(count for count, m in zip(marks, messages, strict=True) if m["role"] == "assistant"):
        raise ValueError(f"the conversation has {MARK} {sum(marks)} times; a user must say it, once")
    sound, ids, labels, said = [config.audio_token_id] * config.audio_tokens, [], [], ""
    for number, message in enumerate(messages):
        answers = message["role"] == "assistant"
        next_answers = number + 1 < len(messages) and messages[number + 1]["role"] == "assistant"
        text = rendered(tokenizer, messages[: number + 1], asking=not answers and next_answers)
        if not text.startswith(said):
            raise ValueError("the tokenizer's chat template changes earlier messages when others follow: use another")
        new = encoded(tokenizer, text[len(said) :], sound)
        ids, labels, said = ids + new, labels + (new if answers else [IGNORED] * len(new)), text
    return ids, labels


def padded(rows: Sequence[Sequence[int]], value: int, left: bool = False) -> tuple[Tensor, Tensor]:
    """Rows of one length (batch, tokens), filled up with `value`, and a mask, 1 where there was something.

    left: what a batch is filled up with comes first, as generation needs it.
    """
    size = max(map(len, rows))
    ids, mask = torch.full((len(rows), size), value), torch.zeros(len(rows), size, dtype=torch.long)
    for row, given in enumerate(rows):
        place = slice(size - len(given), size) if left else slice(len(given))
        ids[row, place], mask[row, place] = torch.tensor(given), 1
    return ids, mask


def answer_of(text: str, is_whole: bool = True) -> str:
    """What was generated, as one line. Of an answer that was cut off, the sentences that are whole, if any is."""
    text = " ".join(text.split())
    ended = None if is_whole else re.match(r".*[.!?](?= )", f"{text} ")
    return ended[0] if ended else text
