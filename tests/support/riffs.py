"""A small corpus whose affect is beyond doubt: fast dense distorted riffs in major, slow single notes in minor."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile

from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.score.score import Facts, Span

RATE = 16_000
SECONDS = 3.0
KINDS = {  # tempo, key, program, pitches, notes a beat, velocity
    "riff": (170.0, "E major", 30, (64, 68, 71), 2, 120),
    "held": (100.0, "C major", 89, (60, 64, 67), 0.25, 70),
    "lament": (60.0, "A minor", 0, (45,), 1, 45),
}


def write_corpus(folder: Path, clips: dict[str, int], seed: int = 0) -> Path:
    """So many clips a kind in each split, each a group of its own: sound, notes and facts, as a build leaves them."""
    rng, rows = np.random.default_rng(seed), []
    for split, count in clips.items():
        for kind in ("audio", "midi"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count * len(KINDS)):
            name = list(KINDS)[number % len(KINDS)]
            midi, facts = clip(name, rng)
            soundfile.write(folder / f"audio/{split}/{number:06d}.flac", sounded(midi, rng), RATE)
            midi.write(str(folder / f"midi/{split}/{number:06d}.mid"))
            about = {"path": f"audio/{split}/{number:06d}.flac", "labels": ["rock"], "group": f"{split} {number}"}
            rows.append({**about, "split": split, "licence": "CC0", "facts": json.dumps(asdict(facts))})
    write_manifest(rows, folder / "manifest.jsonl")
    return folder


def clip(name: str, rng: np.random.Generator) -> tuple[pretty_midi.PrettyMIDI, Facts]:
    tempo_bpm, key, program, pitches, a_beat, velocity = KINDS[name]
    tempo_bpm *= float(rng.uniform(0.97, 1.03))
    every, midi = 60.0 / tempo_bpm / a_beat, pretty_midi.PrettyMIDI()
    part = pretty_midi.Instrument(program)
    for start in np.arange(0.0, SECONDS - 0.1, every):
        end = min(start + 0.9 * every, SECONDS)
        part.notes += [pretty_midi.Note(velocity, pitch, start, end) for pitch in pitches]
    midi.instruments.append(part)
    if name == "riff":
        kit = pretty_midi.Instrument(0, is_drum=True)
        kit.notes = [pretty_midi.Note(120, 38, t, t + 0.1) for t in np.arange(0.0, SECONDS - 0.1, every / 2)]
        midi.instruments.append(kit)
    span = Span(0.0, SECONDS, "4/4 2+2")
    facts = Facts(
        style="rock", meter=4, grouping=(2, 2), pulse=1.0, tempo_bpm=tempo_bpm, swing_ratio=1.0, key=key,
        polyrhythm=None, beats=[], downbeats=[], meters=[span], chords=[], sections=[], instruments=[],
        has_drums=name == "riff", has_voice=False, identity="",
    )  # fmt: skip
    return midi, facts


def sounded(midi: pretty_midi.PrettyMIDI, rng: np.random.Generator) -> np.ndarray:
    """Tones that decay, clipped where the guitar is distorted, and bursts of noise for drums: (samples,), float32."""
    mix = 0.002 * rng.standard_normal(round(SECONDS * RATE))
    for part in midi.instruments:
        for note in part.notes:
            place = slice(round(note.start * RATE), round(note.end * RATE))
            times = np.arange(place.stop - place.start) / RATE
            hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
            tone = rng.standard_normal(len(times)) if part.is_drum else np.sin(2 * np.pi * hz * times)
            tone = np.tanh(8 * tone) if part.program == 30 and not part.is_drum else tone
            mix[place] += 0.1 * note.velocity / 127 * tone[: len(mix[place])] * np.exp(-3 * times)[: len(mix[place])]
    return mix.astype(np.float32)
