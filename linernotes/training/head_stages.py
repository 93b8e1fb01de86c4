"""What a BeatMeter learns before everything learns: first what events are, from scores, then meters by the head alone.

Both on what the backbone hears, which is computed once: see `linernotes.training.head_first`.
"""

from typing import Any

import numpy as np
import pretty_midi
import soundfile
import torch
from datasets import Dataset
from torch import Tensor

from linernotes.corpora.frame_targets import notes_file, targets_of_row
from linernotes.modeling.chunks import Heard
from linernotes.modeling.music_model import MusicModel
from linernotes.training.frame_heads import EVENTS
from linernotes.training.head_first import train_events, train_head


def teach_head(
    model: MusicModel, rows: Dataset, heard: list[Heard], labels: Tensor, experiment: Any
) -> dict[str, list[float]]:
    """First what events are, as far as scores say, then meters; of rows as `hear` heard them. Each epoch's losses."""
    options, losses = experiment.training, {}
    taught = options.head_batch_size, options.head_learning_rate
    if options.event_epochs:
        events = [events_of(*each, experiment, model) for each in zip(rows, heard, strict=True)]
        losses["events"] = train_events(model, heard, events, options.event_epochs, *taught)
    losses["head"] = train_head(model, heard, labels, options.head_epochs, *taught)
    return losses


def events_of(row: dict[str, Any], heard: Heard, experiment: Any, model: MusicModel) -> Tensor | None:
    """What begins in each frame of the middle of a rendered clip, (frames, EVENTS) uint8; None where nobody knows."""
    if row["facts"] is None:
        return None
    rate, listener = model.config.sampling_rate, model.listener
    seconds = soundfile.info(row["audio"]["path"]).duration
    start = max(seconds - experiment.data.crop_seconds, 0.0) / 2
    frames = torch.arange(len(heard.frame_chunks)).numpy()
    times = start + (frames * listener.hop + (listener.reach - 1) / 2) / rate
    truth = targets_of_row(row, pretty_midi.PrettyMIDI(str(notes_file(row["audio"]["path"]))), times)
    return torch.from_numpy(np.concatenate([truth[name] for name in EVENTS], axis=1))
