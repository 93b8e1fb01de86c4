"""Plain methods for affect, to be beaten: logistic regression on log-mel statistics, and a beat tracker for the tempo.

Answers are columns: the emotions, then vibe, intensity and tempo; NaN in those that a method does not answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader

from linernotes.corpora.affect import tempo_class
from linernotes.corpora.manifest import read_excerpt
from linernotes.modeling.affect import CHOICES
from linernotes.modeling.spectral import mel_spectrogram, onset_strength, power_to_db, spectrogram, tempo
from linernotes.training.asking import plain_answers
from linernotes.training.crops import cropped
from linernotes.training.periodicity import learned_answers

RATE_HZ, N_FFT, HOP, BANDS = 22_050, 2048, 512, 128  # as librosa has them
STRENGTH = 0.1  # scikit-learn's C: smaller is smoother
BATCH = 16


def log_mel_answers(known: Dataset, truths: Dataset, asked: Dataset, labels: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Probabilities (rows, all labels) for the rows of `asked`, learned from those of `known`.

    Args:
        known, asked: views of rows, with the log-mel that the model hears.
        truths: the rows of `known`, with what is true of them.
        labels: of each task.
    """
    learned, new = statistics(known), statistics(asked)
    told = np.array([len(shares) > 0 for shares in truths["emotions"]])
    stated = [row for row, is_known in zip(truths["labels"], told, strict=True) if is_known]
    columns = [learned_answers(learned[told], stated, new, labels["emotion"]) if told.any() else None]
    columns += [choice_answers(learned, truths[task], new, labels[task]) for task in CHOICES]
    sizes = [len(names) for names in labels.values()]
    unanswered = [np.full((len(new), size), np.nan) for size in sizes]
    return np.concatenate([u if c is None else c for c, u in zip(columns, unanswered, strict=True)], axis=1)


def choice_answers(learned: np.ndarray, stated: Sequence[str | None], asked: np.ndarray, labels) -> np.ndarray | None:
    """Probabilities (rows, labels) of a task with one answer; None where fewer than two classes are known."""
    told = np.array([label is not None for label in stated])
    names = [label for label in stated if label is not None]
    if len(set(names)) < 2:
        return None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000, class_weight="balanced"))
    classifier.fit(learned[told], names)
    return plain_answers(classifier, asked, labels)


def statistics(view: Dataset) -> np.ndarray:
    """(rows, 4 x mels): mean and deviation of each log-mel band, how much it rises, and how much it moves."""
    found = []
    for batch in DataLoader(view, batch_size=BATCH):
        frames = batch["input_features"][:, 0]
        steps = frames.diff(dim=1)
        parts = frames.mean(1), frames.std(1), steps.clamp(min=0).mean(1), steps.std(1)
        found.append(torch.cat(parts, dim=1).numpy())
    return np.concatenate(found)


def beat_tracker_answers(
    rows: Dataset, config: Any, bounds_bpm: Sequence[float], labels: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Columns as `log_mel_answers`, of which the tempo's alone are answered: 1 for the class of the tempo found.

    The tempo is that of librosa.beat.beat_track with its defaults, on the middle of each row, as long as a window.
    """
    sizes = [len(names) for names in labels.values()]
    columns = np.full((len(rows), sum(sizes)), np.nan)
    columns[:, -sizes[-1] :] = 0.0
    excerpts = zip(rows["audio"], rows["start_seconds"], rows["end_seconds"], strict=True)
    for row, (audio, start, end) in enumerate(excerpts):
        samples = read_excerpt(audio, start or 0.0, end, RATE_HZ)
        found = beat_tracker_tempo(cropped(samples, round(config.window_seconds * RATE_HZ), varied=False))
        columns[row, sum(sizes[:-1]) + list(labels["tempo"]).index(tempo_class(found, bounds_bpm))] = 1.0
    return columns


def beat_tracker_tempo(samples: np.ndarray) -> float:
    """Beats a minute of (samples,) at RATE_HZ, as librosa.beat.beat_track finds them; 0 where nothing sets in."""
    power = spectrogram(torch.from_numpy(samples)[None], N_FFT, HOP)
    onsets = onset_strength(power_to_db(mel_spectrogram(power, RATE_HZ, BANDS)), N_FFT, HOP, aggregate="median")
    return float(tempo(onsets, RATE_HZ, HOP)[0])
