"""A small data folder for captioning: two kinds of rendered clips, singers, and recordings that people described."""

import csv
import json
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile

RATE = 24_000
KINDS = {
    "jazz": {"key": "C major", "tempo_bpm": 70.0, "instruments": ["Acoustic Grand Piano"], "has_drums": False},
    "rock": {"key": "A minor", "tempo_bpm": 150.0, "instruments": ["Overdriven Guitar", "drums"], "has_drums": True},
}
SPLITS = ("train",) * 5 + ("validation", "test")


def facts(kind: str, /, seconds: float = 1.0, **other) -> dict:
    told = {
        "style": kind, "meter": 4, "grouping": [2, 2], "pulse": 1.0, "swing_ratio": 1.0, "polyrhythm": None,
        "beats": [0.0], "downbeats": [0.0], "chords": [], "sections": [], "has_voice": False, "identity": "x",
        "meters": [{"start_seconds": 0.0, "end_seconds": seconds, "label": "4/4 2+2"}],
    }  # fmt: skip
    return told | KINDS[kind] | other


def sound(style: str, seed: int, seconds: float = 1.0) -> np.ndarray:
    rng, times = np.random.default_rng(seed), np.arange(int(seconds * RATE)) / RATE
    tone = 0.1 * np.sin(2 * np.pi * (200 + 5 * seed) * times)
    return tone if style == "jazz" else 0.1 * rng.standard_normal(len(times))


def make_corpus(folder: Path, clips_a_split: int = 2) -> Path:
    """Tones are jazz on a piano in C major, noise is rock with drums in A minor."""
    rows, number = [], 0
    for split in SPLITS:
        for _ in range(clips_a_split):
            for style in KINDS:
                place = folder / "audio" / split / f"{number:06d}.flac"
                place.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(place, sound(style, number), RATE)
                write_midi(folder / "midi" / split / f"{number:06d}.mid", style)
                about = {"labels": [style], "group": f"song {number}", "split": split, "licence": "CC0"}
                rows.append({"path": str(place.relative_to(folder)), **about, "facts": json.dumps(facts(style))})
                number += 1
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_midi(path: Path, style: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    midi = pretty_midi.PrettyMIDI()
    part = pretty_midi.Instrument(0 if style == "jazz" else 29)
    part.notes = [pretty_midi.Note(80, 60, 0.0, 0.5), pretty_midi.Note(80, 64, 0.5, 1.0)]
    midi.instruments.append(part)
    midi.write(str(path))


def write_table(path: Path, columns: list[str], rows: list[list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def make_voices(folder: Path, singers: tuple[str, ...] = ("heycat", "davidson", "amy", "abjones")) -> Path:
    """Stereo: noise on the left, as accompaniment, a tone on the right, as singing."""
    rows = []
    for number, singer in enumerate(singers):
        for take in range(2):
            name = f"audio/{singer}_{take}.wav"
            (folder / "audio").mkdir(parents=True, exist_ok=True)
            both = np.stack([sound("rock", 50 + take), sound("jazz", 60 + 10 * number + take)], axis=1)
            soundfile.write(folder / name, both, RATE)
            rows.append([name, "vocals", "train", singer, 1.0])
    write_table(folder / "metadata.csv", ["file_name", "label", "split", "group", "seconds"], rows)
    return folder


def make_named(folder: Path) -> Path:
    """Recordings of 2.5 excerpts' length, whose names tell a style, none, or that they are speech."""
    rows = []
    for number, (name, label, style, split) in enumerate(
        [("mingus", "music", "jazz", "train"), ("beat", "music", "", "train"), ("news", "speech", "", "train"),
         ("opera", "music", "classical", "validation")]
    ):  # fmt: skip
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "audio" / f"{name}.wav", sound("jazz", 95 + number, 25.0), RATE)
        rows.append([f"audio/{name}.wav", label, split, f"{label}:{name}", style, "25.0"])
    columns = ["file_name", "label", "split", "group", "genre_from_name", "seconds"]
    write_table(folder / "metadata.csv", columns, rows)
    return folder


def make_real(folder: Path) -> Path:
    rows = []
    for number, (style, key, caption) in enumerate(
        [("jazz", "A# major", "A slow jazz piece with a piano. A woman sings."), ("rock", "", "")]
    ):
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "audio" / f"{number}.wav", sound(style, 90 + number), RATE)
        rows.append([f"audio/{number}.wav", style, "train", f"band {number}", 72.0, "4/4", key, caption])
    columns = ["file_name", "label", "split", "group", "tempo_bpm", "meter", "key_lerch", "caption"]
    write_table(folder / "metadata.csv", columns, rows)
    return folder


def make_texts(folder: Path) -> Path:
    rows = [
        ["aaaaaaaaaaa", "['slow tempo', 'piano']", "A slow song with a piano.", "train", "0"],
        ["bbbbbbbbbbb", "['rock', 'drums']", "Rock with drums.", "train", "0"],
        ["ccccccccccc", "['jazz']", "Jazz.", "test", "0"],
    ]
    write_table(folder / "metadata.csv", ["ytid", "aspect_list", "caption", "split", "group"], rows)
    return folder
