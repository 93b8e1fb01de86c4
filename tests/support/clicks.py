"""Small corpora whose meter is beyond doubt: notes, of which every third, fourth or fifth is higher."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from published_beatmeter import tiny_backbone

from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.score.score import Facts, Span

RATE = 24_000
SECONDS = 3.0
GROUPINGS = {3: (1, 1, 1), 4: (1, 1, 1, 1), 5: (3, 2), 6: (3, 3), 7: (2, 2, 3)}


def click_track(meter: int, rng: np.random.Generator, seconds: float = SECONDS) -> np.ndarray:
    """Eight to ten notes a second, the first of each bar high, the others low, from any place in a bar on: (samples,).

    The notes follow each other without a gap: an ear that scales every frame would hear the noise between them.
    """
    times = np.arange(round(seconds * RATE)) / RATE
    place = times * rng.uniform(8, 10) + rng.uniform(0, meter)
    pitch_hz = np.where(place % meter < 1, 3000, 700)
    tone = np.sin(2 * np.pi * pitch_hz * times) * (1 - 0.5 * (place % 1))
    return (0.3 * tone + 0.003 * rng.standard_normal(len(times))).astype(np.float32)


def facts(meter: int, polyrhythm: str | None = None, tempo_bpm: float = 100.0) -> Facts:
    grouping = GROUPINGS[meter]
    span = Span(0.0, SECONDS, f"{meter}/8 {'+'.join(map(str, grouping))}")
    return Facts(
        style="neutral", meter=meter, grouping=grouping, pulse=0.5, tempo_bpm=tempo_bpm, swing_ratio=1.0, key="C major",
        polyrhythm=polyrhythm, beats=[], downbeats=[], meters=[span], chords=[], sections=[], instruments=[],
        has_drums=False, has_voice=False, identity="",
    )  # fmt: skip


def row(path: str, split: str, group: str, of: Facts, **more) -> dict:
    told = {"source": "composer", "piece": None, "facts": json.dumps(asdict(of))}
    return {"path": path, "labels": [of.style], "group": group, "split": split, "licence": "CC0", **told, **more}


def write_corpus(folder: Path, clips: dict[str, int], meters: tuple[int, ...] = (3, 4, 5), seed: int = 0) -> Path:
    """So many clips a meter in each split, each of a group of its own."""
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True)
    for split, count in clips.items():
        for number in range(count * len(meters)):
            meter, name = meters[number % len(meters)], f"{split}-{number:03}"
            soundfile.write(folder / f"{name}.flac", click_track(meter, rng), RATE)
            rows.append(row(f"{name}.flac", split, name, facts(meter, tempo_bpm=60 + 10 * number)))
    write_manifest(rows, folder / "manifest.jsonl")
    return folder


def write_backbone(folder: Path) -> Path:
    """A tiny HuBERT that nobody trained, as a folder."""
    tiny_backbone(hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0).save_pretrained(folder)
    return folder
