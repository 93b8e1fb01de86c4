"""What a caption rests on: how likely it is to be said, and by how much less without some of what was heard.

Shapes: ids and labels (1, tokens); the sound's tokens (1, audio_tokens, width).
"""

from typing import Any

import torch
from torch import Tensor

from .chat import IGNORED
from .music_tags import ANSWER_KEYS
from .projector import word_loss
from .sections import Section, mean_of


def reasons(
    model: Any, ids: list[int], labels: list[int], windows: list[Section], seconds: list[float]
) -> dict[str, Any]:
    """`log_probability`, `tokens` and `windows` of SonicVerse's `explain`.

    Args:
        model: a CaptioningModel with its language model, in eval mode.
        ids, labels: of a chat in which the caption is said.
        windows, seconds: what the caption is about, and what each window counts.
    """
    words = torch.tensor([ids], device=model.device), torch.tensor([labels], device=model.device)
    tokens = told(model, mean_of(windows, seconds)).requires_grad_()
    whole = log_probability(model, *words, tokens)
    (slope,) = torch.autograd.grad(whole, tokens)
    with torch.no_grad():
        carried = (slope * tokens).sum(-1)[0]
        return {
            "log_probability": float(whole),
            "tokens": reasons_of_tokens(model, *words, tokens, carried, whole),
            "windows": [
                {**span_of(window), "fall": fall_without(model, *words, windows, seconds, number, whole)}
                for number, window in enumerate(windows)
            ],
        }


def reasons_of_tokens(
    model: Any, ids: Tensor, labels: Tensor, tokens: Tensor, carried: Tensor, whole: Tensor
) -> dict[str, dict[str, float]]:
    """For the content's tokens and each task's: by how much the caption's log-probability falls when they are hidden.

    carried: (audio_tokens,), gradient x input.
    """
    config, found, start = model.config, {}, 0
    places = (ids[0] == config.audio_token_id).nonzero().flatten()
    tasks = {ANSWER_KEYS[name]: config.task_tokens for name in config.tasks}
    for name, size in {"content": config.content_tokens, **tasks}.items():
        group = slice(start, start + size)
        fall = whole - log_probability(model, ids, labels, tokens, places[group])
        found[name] = {"fall": float(fall), "gradient_x_input": float(carried[group].sum())}
        start += size
    return found


def fall_without(
    model: Any, ids: Tensor, labels: Tensor, windows: list[Section], seconds: list[float], number: int, whole: Tensor
) -> float:
    """The fall when one window is left out of the mean over time; 0 where it is the only one."""
    rest = [other for other in range(len(windows)) if other != number]
    if not rest:
        return 0.0
    without = mean_of([windows[other] for other in rest], [seconds[other] for other in rest])
    return float(whole - log_probability(model, ids, labels, told(model, without)))


def told(model: Any, stretch: Section) -> Tensor:
    """The sound's tokens of a stretch, without gradients."""
    with torch.no_grad():
        pooled = model.pooled([stretch])
        return model.projector.tokens(pooled, model.projector.judge(pooled))


def log_probability(model: Any, ids: Tensor, labels: Tensor, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Of what the labels say, a scalar. hidden: places that the language model does not see."""
    mask = torch.ones_like(ids)
    if hidden is not None:
        mask[:, hidden] = 0
    said = model.language_model(inputs_embeds=model.embedded(ids, tokens), attention_mask=mask, use_cache=False)
    return -word_loss(said.logits, labels) * (labels[:, 1:] != IGNORED).sum()


def span_of(window: Section) -> dict[str, float]:
    return {"start_seconds": round(window.start_seconds, 3), "end_seconds": round(window.end_seconds, 3)}
