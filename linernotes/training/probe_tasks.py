"""What probes are asked: excerpts of recordings, real and rendered, with what is learned from and what is answered.

Real sets are folders with `metadata.csv` (file_name, label, split, group, seconds) and their audio; rendered ones are
corpora of `linernotes corpus build`, whose splits share no soundfont family. A set that is not there asks nothing.
Conventions: targets are class indices (n,), 0 or 1 for each label (n, labels), or log2 of beats a minute (n,). Groups
are what is never on both sides and what the intervals resample.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import soundfile

from linernotes.corpora.manifest import MANIFEST, RECIPE, read_excerpt
from linernotes.corpora.score.harmony import NAMES, parse_key
from linernotes.corpora.score.score import Facts, facts_of
from linernotes.modeling.audio import read_audio
from linernotes.training.rows import licences_of

SECONDS = 10.0  # heard of a recording, at most
LEVEL = 0.1  # root mean square that every excerpt is brought to: no probe shall tell classes by their loudness
CLIPS_WITH_VOICE = (90, 60)  # learned from, tested; each is asked about twice
FEWEST = 20  # clips of an instrument, in each of the two parts
METERS = (3, 4, 5, 7, 9, 11)
OTHER_METERS = "6, 8, 10"
KEYS = [f"{name} {mode}" for mode in ("major", "minor") for name in NAMES]
# Families of NSynth (https://magenta.tensorflow.org/datasets/nsynth), by the General MIDI programs that belong to them.
# Not `labelled_sets.FAMILY_PROGRAMS`: the figures of probes were measured with the harp (46) among the strings; there
# it belongs to no family.
PROGRAMS = {
    "bass": range(32, 40), "guitar": range(24, 32), "keyboard": range(8), "reed": range(64, 72),
    "string": range(40, 47),
}  # fmt: skip
LICENCES = {
    "real-notes": "CC0, public domain, CC BY 3.0 and 4.0, by sample library",
    "mir1k-vocals": "none stated; distributed for research",
    "gtzan-music-speech": "none; commercial recordings, for research only",
    "gtzan-audio-mini": "none; commercial recordings, for research only",
}

Row = Mapping[str, str]  # of a metadata.csv


@dataclass(frozen=True)
class Recording:
    """At most 10 s of a file from `start_seconds`, mono; with `left_only` of its left channel, else of all."""

    source: str
    path: str
    start_seconds: float = 0.0
    left_only: bool = False

    def samples(self, sampling_rate: int) -> np.ndarray:
        """(samples,) float32 at `sampling_rate` Hz, with a root mean square of 0.1."""
        if self.left_only:
            whole, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
            part = whole[round(self.start_seconds * rate) :][: round(SECONDS * rate), 0]
            samples = read_audio(part, sampling_rate, source_sampling_rate=rate)
        else:
            samples = read_excerpt(self.path, self.start_seconds, self.start_seconds + SECONDS, sampling_rate)
        return samples * np.float32(LEVEL / max(float(np.sqrt(np.mean(samples**2))), 1e-5))


@dataclass(frozen=True)
class Examples:
    """Recordings with their targets and groups, (n, ...) each."""

    recordings: list[Recording]
    targets: np.ndarray
    groups: list[str]


@dataclass(frozen=True)
class Task:
    """A question: its name, its kind ("classes", "tags" or "tempo"), the names of its classes or tags.

    `test` is None where there is too little to set aside: then every row is held out once, in folds of whole groups.
    """

    name: str
    kind: str
    labels: list[str]
    learn: Examples
    test: Examples | None = None

    @property
    def asked(self) -> Examples:
        """Who is answered about."""
        return self.test or self.learn

    @property
    def sources(self) -> list[str]:
        return sorted({recording.source for part in (self.learn, self.asked) for recording in part.recordings})


# Reading


@dataclass(frozen=True)
class RenderedClip:
    """A row of a rendered corpus; its split is "spare" for training clips that were not drawn, but play alone."""

    recording: Recording
    split: str
    group: str
    facts: Facts


def read_set(data_dirs: Iterable[Path], name: str) -> tuple[Path, list[Row]] | None:
    """Folder and metadata of a real set, from the first of the folders that has it; None where none has."""
    for folder in (Path(place) / name for place in data_dirs):
        if (folder / "metadata.csv").is_file():
            with (folder / "metadata.csv").open(encoding="utf-8", newline="") as lines:
                return folder, list(csv.DictReader(lines))
    return None


def read_rendered(folder: Path, train_clips: int, seed: int) -> list[RenderedClip]:
    """The training clips that `seed` draws, those of the others that play alone, and the whole test split.

    Raises ValueError where the folder is no finished corpus with both splits.
    """
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        raise ValueError(f"{folder} holds no {MANIFEST}; build it by `linernotes corpus build RECIPE --out {folder}`")
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    train, test = ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    if not train or not test:
        raise ValueError(f"{manifest} has {len(train)} train and {len(test)} test clips; probes need both")
    drawn = set(np.random.default_rng(seed).permutation(len(train))[:train_clips].tolist())
    chosen = [("train" if number in drawn else "spare", row) for number, row in enumerate(train)]
    kept = [(split, row) for split, row in chosen if split == "train" or row["labels"] == ["solo"]]
    return [
        RenderedClip(Recording(str(folder), str(Path(folder, row["path"]))), split, row["group"], facts_of(row))
        for split, row in [*kept, *(("test", row) for row in test)]
    ]


def describe_sources(data_dirs: Sequence[Path], corpora: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, version (the digest of what lists the set) and licence of everything that is asked about."""
    described = []
    for name, licence in LICENCES.items():
        if found := read_set(data_dirs, name):
            described.append({"name": name, "version": version(found[0] / "metadata.csv"), "licence": licence})
    for folder in corpora:
        rows = [json.loads(line) for line in (folder / MANIFEST).read_text(encoding="utf-8").splitlines()]
        recipe = json.loads((folder / RECIPE).read_text()) if (folder / RECIPE).is_file() else {}
        described.append(
            {
                "name": f"rendered music, recipe {recipe.get('name', folder.name)}, seed {recipe.get('seed', 0)}",
                "version": version(folder / MANIFEST),
                "licence": licences_of(row["licence"] for row in rows if row["split"] != "validation"),
            }
        )
    return described


def version(path: Path) -> str:
    return f"sha256 {sha256(path.read_bytes()).hexdigest()[:12]}"


# Real recordings


def middle(folder: Path, name: str, rows: Iterable[Row]) -> list[Recording]:
    """The middle ten seconds of each file."""
    return [
        Recording(name, str(folder / row["file_name"]), max(0.0, (float(row["seconds"]) - SECONDS) / 2)) for row in rows
    ]


def column_of(rows: Iterable[Row], column: str) -> list[str]:
    return [row[column] for row in rows]


def classes(recordings: list[Recording], names: Iterable[str], groups: Iterable[str]) -> tuple[list[str], Examples]:
    """The classes in alphabetical order, and the examples with their indices."""
    labels, targets = np.unique(np.array(list(names)), return_inverse=True)
    return labels.tolist(), Examples(recordings, targets, list(groups))


def real_tasks(data_dirs: Sequence[Path]) -> list[Task]:
    """Families of single notes, voice or none, speech or music, genre; of the sets that are there."""
    found = {name: read_set(data_dirs, name) for name in LICENCES}
    tasks = [real_genre(found["gtzan-audio-mini"], found["gtzan-music-speech"])]
    if found["real-notes"]:
        tasks.append(single_notes(*found["real-notes"]))
    if found["mir1k-vocals"]:
        tasks.append(voice_present(*found["mir1k-vocals"]))
    if found["gtzan-music-speech"]:
        folder, rows = found["gtzan-music-speech"]
        recordings = middle(folder, "gtzan-music-speech", rows)
        labelled = classes(recordings, column_of(rows, "label"), column_of(rows, "group"))
        tasks.append(Task("speech_or_music", "classes", *labelled))
    return [task for task in tasks if task is not None]


def single_notes(folder: Path, rows: Sequence[Row]) -> Task:
    """Instrument families; a group is one pitch of one library, because all but one family have a single library."""
    groups = [f"{row['group']} {row['note'] or row['file_name']}" for row in rows]
    labelled = classes(middle(folder, "real-notes", rows), column_of(rows, "label"), groups)
    return Task("instrument_family", "classes", *labelled)


def voice_present(folder: Path, rows: Sequence[Row]) -> Task:
    """Accompaniment alone (left channel) or with the voice (both), of the same clips; unknown singers are tested."""
    parts = []
    for split, count in zip(("train", "validation"), CLIPS_WITH_VOICE, strict=True):
        clips = [row for row in rows if row["split"] == split]
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)]
        sung = middle(folder, "mir1k-vocals", clips)
        alone = [Recording(r.source, r.path, r.start_seconds, left_only=True) for r in sung]
        # two singers are tested, too few to resample: there, songs are
        groups = column_of(clips, "group" if split == "train" else "song")
        parts.append(Examples(alone + sung, np.repeat([0, 1], len(sung)), groups * 2))
    return Task("voice_present", "classes", ["accompaniment alone", "with voice"], *parts)


def real_genre(mini: tuple | None, music_speech: tuple | None) -> Task | None:
    """Genres of which there are two artists or more, of the clips of both sets whose genre is known."""
    names: list[str] = []
    groups: list[str] = []
    recordings: list[Recording] = []
    sets = (("gtzan-audio-mini", mini, "label"), ("gtzan-music-speech", music_speech, "genre_from_name"))
    for name, (folder, rows), column in ((n, found, column) for n, found, column in sets if found):
        rows = [row for row in rows if row[column]]
        recordings += middle(folder, name, rows)
        names += column_of(rows, column)
        groups += column_of(rows, "group")
    artists = {label: {g for g, n in zip(groups, names, strict=True) if n == label} for label in names}
    kept = [number for number, label in enumerate(names) if len(artists[label]) > 1]
    if not kept:
        return None
    return Task("genre", "classes", *classes(*([column[i] for i in kept] for column in (recordings, names, groups))))


# Rendered music, and real recordings asked about by what was learned from it


def rendered_tasks(clips: Sequence[RenderedClip]) -> list[Task]:
    """Style, meter, key, tempo and instruments: learned from one soundfont family, asked about another."""
    meters = [*map(str, METERS), OTHER_METERS]
    styles = sorted({clip.facts.style for clip in clips})
    asked: dict[str, tuple[str, list[str], Callable[[Facts], Any]]] = {
        "style": ("classes", styles, lambda facts: styles.index(facts.style)),
        "meter": ("classes", meters, lambda f: METERS.index(f.meter) if f.meter in METERS else len(METERS)),
        "key": ("classes", KEYS, lambda facts: key_index(facts.key)),
        "tempo": ("tempo", [], lambda facts: float(np.log2(facts.tempo_bpm))),
    }
    tasks = [
        Task(f"rendered_{name}", kind, labels, *(examples(clips, split, target) for split in ("train", "test")))
        for name, (kind, labels, target) in asked.items()
    ]
    if common := common_instruments(clips):
        present = [
            examples(clips, split, lambda facts: [float(name in facts.instruments) for name in common])
            for split in ("train", "test")
        ]
        tasks.append(Task("rendered_instruments", "tags", common, *present))
    return tasks


def examples(clips: Iterable[RenderedClip], splits: str, target: Callable[[Facts], Any]) -> Examples:
    """The clips of a split (or of several, with spaces between) for which there is a target."""
    chosen = [clip for clip in clips if clip.split in splits.split()]
    known = [(clip, answer) for clip in chosen if (answer := target(clip.facts)) is not None]
    targets = np.array([answer for _, answer in known])
    return Examples([clip.recording for clip, _ in known], targets, [clip.group for clip, _ in known])


def key_index(key: str | None) -> int | None:
    """ "Bb major" and "A# major" -> 10; minor keys follow the twelve major ones."""
    return KEYS.index(parse_key(key).name) if key else None


def common_instruments(clips: Sequence[RenderedClip]) -> list[str]:
    """Instruments that play in twenty clips or more of both splits."""
    names = sorted({name for clip in clips for name in clip.facts.instruments})
    playing = {
        split: [set(clip.facts.instruments) for clip in clips if clip.split == split] for split in ("train", "test")
    }
    return [name for name in names if all(sum(name in band for band in bands) >= FEWEST for bands in playing.values())]


def transfer_tasks(clips: Sequence[RenderedClip], data_dirs: Sequence[Path]) -> list[Task]:
    """Tempo and key of real songs, families of real notes: learned from rendered clips, whose label is exact."""
    tasks = []
    if found := read_set(data_dirs, "gtzan-audio-mini"):
        folder, rows = found
        tempo, key = ([row for row in rows if row[column]] for column in ("tempo_bpm", "key_lerch"))
        learn = examples(clips, "train", lambda facts: float(np.log2(facts.tempo_bpm)))
        bpm = np.log2([float(row["tempo_bpm"]) for row in tempo])
        test = Examples(middle(folder, "gtzan-audio-mini", tempo), bpm, column_of(tempo, "group"))
        tasks.append(Task("real_tempo", "tempo", [], learn, test))
        keys = np.array([key_index(row["key_lerch"]) for row in key])
        test = Examples(middle(folder, "gtzan-audio-mini", key), keys, column_of(key, "group"))
        tasks.append(Task("real_key", "classes", KEYS, examples(clips, "train", lambda f: key_index(f.key)), test))
    if found := read_set(data_dirs, "real-notes"):
        folder, rows = found
        names, groups = column_of(rows, "label"), column_of(rows, "group")
        labels, test = classes(middle(folder, "real-notes", rows), names, groups)
        learn = examples(clips, "train spare", lambda facts: solo_family(facts, labels))
        if len(set(learn.targets.tolist())) == len(labels):
            tasks.append(Task("real_instrument_family", "classes", labels, learn, test))
    return tasks


def solo_family(facts: Facts, families: Sequence[str]) -> int | None:
    """The family of whoever plays alone; None for bands, drums, voices and other families."""
    if facts.style != "solo" or len(facts.instruments) != 1 or facts.instruments[0] in ("drums", "voice"):
        return None
    program = pretty_midi.instrument_name_to_program(facts.instruments[0])
    return next((i for i, name in enumerate(families) if program in PROGRAMS.get(name, ())), None)
