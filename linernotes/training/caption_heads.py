"""The heads of SonicVerse by themselves: how they learn before all else, and what they say of rows.

Without the language model a step costs a sixtieth of one with it.
"""

from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import DataLoader

from linernotes.corpora.music_facts import MusicFacts, task_labels
from linernotes.modeling.projector import task_loss
from linernotes.training.caption_views import collate, listened, view
from linernotes.training.head_first import descend
from linernotes.training.hidden_states import padded_states, states_of

HEAD_FRAMES = 4  # of the kept frames, while heads learn alone: as good as all of them, in a quarter of the time


def pretrain(model: Any, rows: Dataset, experiment: Any) -> dict[str, list[float]]:
    """The heads alone, without the language model, where the experiment asks for it.

    Every class of every head counts the same: with a mean over its 24 keys, a head hardly learns the one that holds.
    Of the kept frames each batch hears every `HEAD_FRAMES`-th, from another one on each time.
    """
    options, projector = experiment.training, model.projector
    if not options.head_epochs or not projector.tasks:
        return {}
    heard, config = listened(rows, experiment), model.config
    layers, size = config.audio_config.num_hidden_layers + 1, config.audio_config.hidden_size
    facts = [task_labels(MusicFacts.of_json(text), config.tasks) for text in rows["facts"]]
    known = {name: torch.tensor([each[name] for each in facts]) for name in config.tasks}

    def loss_of(numbers: list[int]) -> torch.Tensor:
        first, kept = int(torch.randint(HEAD_FRAMES, ())), heard[numbers]["states"]
        some = [states_of(each, layers, size) for each in kept]
        some = [each[:, min(first, each.shape[1] - 1) :: HEAD_FRAMES] for each in some]
        states, mask = padded_states(some, [bool(each) for each in kept])
        said = projector.judge(projector.pool(states.to(model.device), mask.to(model.device)))
        return sum(logits.shape[1] * task_loss(logits, known[name][numbers]) for name, logits in said.items())

    parts = [projector.backbone, *(projector.get_submodule(name) for name in projector.tasks)]
    learning = [p for part in parts for p in part.parameters() if p.requires_grad]
    model.train()
    taught = options.head_epochs, options.head_batch_size, options.head_learning_rate
    return {"heads": descend("heads", learning, loss_of, len(heard), *taught)}


@torch.inference_mode()
def judged(model: Any, rows: Dataset, experiment: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the heads say of rows (logits, without temperature), and what is known, by task (rows, classes)."""
    model.eval()
    said, known = ({name: [] for name in model.config.tasks} for _ in range(2))
    loader = DataLoader(
        view(rows, experiment, varied=False), batch_size=experiment.training.eval_batch_size, collate_fn=collate
    )
    for batch in loader:
        if "input_values" in batch:
            states, mask = model.encode(*(batch[n].to(model.device) for n in ("input_values", "audio_attention_mask")))
        else:
            states, mask = (batch[name].to(model.device) for name in ("audio_hidden_states", "frame_mask"))
        for name, logits in model.projector.judge(model.projector.pool(states, mask)).items():
            said[name].append(logits.cpu().numpy())
            known[name].append(batch["task_labels"][name].numpy())
    return tuple({name: np.concatenate(parts) for name, parts in every.items()} for every in (said, known))
