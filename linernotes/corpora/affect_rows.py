"""Rows of music with its affect as labels: rendered clips, the public set, and recordings of which something is known.

Columns: audio, start_seconds, end_seconds, labels (the emotions that are true), group, split, licence, and
emotions (28 shares in the order of EMOTIONS; empty where nobody knows), vibe, intensity, tempo (None likewise),
tempo_bpm, writing (`numbers_of` what is written), tags (a tagger's probabilities; both empty without), clip, source,
origin (composed, real scores, recordings; the name of a corpus of which the tempo alone is known).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pretty_midi
from datasets import Dataset, Features, List, Value

from linernotes.corpora import writing
from linernotes.corpora.affect import emotions_of_tags, labels_of, tempo_class, true_of
from linernotes.corpora.frame_targets import notes_file
from linernotes.corpora.manifest import FEATURES, MANIFEST, ManifestError, make_manifest, read_manifest
from linernotes.corpora.readers.records import Rows, number, read_table
from linernotes.corpora.score.score import facts_of
from linernotes.corpora.splits import SPLIT_NAMES, register_split, split_of
from linernotes.corpora.writing import Writing, numbers_of, read_writing
from linernotes.modeling.affect import CHOICES, EMOTIONS, INTENSITIES, TEMPOS, VIBES

CLASSES = dict(zip(CHOICES, (VIBES, INTENSITIES, TEMPOS), strict=True))
LISTS = ("emotions", "tags", "writing")
TEXTS = (*CHOICES, "clip", "source", "origin")
ROW = Features(
    {
        **FEATURES,
        **{name: List(Value("float32")) for name in LISTS},
        **dict.fromkeys(TEXTS, Value("string")),
        "tempo_bpm": Value("float64"),
    }
)
WRITING = Features(
    {
        **dict.fromkeys(Writing.__dataclass_fields__, Value("float64")),
        "mode": Value("string"),
        "uneven": Value("bool"),
        "has_notes": Value("bool"),
    }
)
UNKNOWN = {name: [] if name in LISTS else None for name in set(ROW) - set(FEATURES)}
TABLE, TABLE_COLUMNS = "metadata.csv", ("file_name", "group", "tempo_bpm")
HEARD = "recordings heard by a tagger"
register_split(HEARD, {"train": 0.8, "test": 0.2})


class AffectRows(NamedTuple):
    """Rows as dicts, and how many records gave none, by reason."""

    rows: list[dict[str, Any]]
    left_out: Counter


def rendered_rows(folder: Path, tempo_bounds_bpm: Sequence[float]) -> AffectRows:
    """Rows of a corpus with facts and notes, labelled by the rules of `linernotes.corpora.affect`."""
    rows, left_out = [], Counter()
    manifest = read_manifest(folder / MANIFEST)
    for row, clip in zip(manifest, writings(manifest, folder), strict=True):
        if clip is None:
            left_out[f"{row['split']}: no notes"] += 1
            continue
        path = Path(row["audio"]["path"])
        told = labels_of(clip, tempo_bounds_bpm)
        about = {
            "clip": f"{folder.name}/{path.relative_to(folder)}",
            "source": row.get("source") or "composer",
            "origin": "real scores" if row.get("piece") else "composed",
            "tempo_bpm": clip.tempo_bpm,
            "writing": numbers_of(clip),
        }
        shares = told.pop("emotions")
        rows.append(row_of(row, **about, **told, labels=true_of(shares), emotions=list(shares.values())))
    return AffectRows(rows, left_out)


def writings(manifest: Dataset, folder: Path) -> Iterator[Writing | None]:
    """What is written of each clip of a corpus, None of one without a note.

    To read thousands takes minutes, so what was read is kept beside the corpus.
    """
    read_by = sha256(Path(writing.__file__).read_bytes() + (folder / MANIFEST).read_bytes()).hexdigest()[:12]
    kept = folder / f"written-{read_by}.arrow"
    read = manifest.map(
        written,
        features=WRITING,
        remove_columns=manifest.column_names,
        cache_file_name=str(kept),
        new_fingerprint=kept.stem,
    )
    for row in read:
        yield Writing(**row) if row.pop("has_notes") else None


def written(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a clip's `Writing`, and whether it has_notes: without them they are those of silence."""
    midi = pretty_midi.PrettyMIDI(str(notes_file(row["audio"]["path"])))
    facts, has_notes = facts_of(row), any(part.notes for part in midi.instruments)
    clip = read_writing(midi, facts) if has_notes else Writing(facts.tempo_bpm)
    return asdict(clip) | {"has_notes": has_notes}


def labelled_rows(read: Rows) -> AffectRows:
    """Rows of neural-mathrock as its reader gives them. vibe, intensity and tempo may be absent; mbti is dropped."""
    rows, left_out = [], Counter(read.left_out)
    for row in make_manifest(read):
        told = {task: _class(row.get(task), task, left_out) for task in CHOICES}
        shares = [float(word in row["labels"]) for word in EMOTIONS]
        rows.append(row_of(row, **told, emotions=shares, clip=row["chunk"], source=read.name, origin="recordings"))
    return AffectRows(rows, left_out)


def _class(name: str | None, task: str, left_out: Counter) -> str | None:
    if name is None or name.lower() in CLASSES[task]:
        return name and name.lower()
    left_out[f"{task} {name} is no class"] += 1
    return None


def heard_rows(manifest: Dataset, tags: Sequence[Mapping[str, float]], name: str) -> AffectRows:
    """Rows of recordings of which only a tagger has said something: weak emotions from its tags, nothing else.

    A fifth of the recordings (by a hash of the group) is for the test; of these nothing is taken for true.
    """
    rows, left_out = [], Counter()
    for row, said in zip(manifest, tags, strict=True):
        row["split"] = split_of(HEARD, row["group"])
        shares = emotions_of_tags(said) if row["split"] == "train" else {}
        if shares is None:
            left_out["the tagger says nothing of the mood"] += 1
            continue
        about = {"clip": Path(row["audio"]["path"]).name, "source": name, "origin": "recordings"}
        told = {"labels": true_of(shares), "emotions": list(shares.values()), "tags": list(said.values())}
        rows.append(row_of(row, **about, **told))
    return AffectRows(rows, left_out)


def timed_rows(folder: Path, tempo_bounds_bpm: Sequence[float]) -> AffectRows:
    """Test rows of recordings whose tempo is known: folder/metadata.csv with file_name, group and tempo_bpm.

    Raises FileNotFoundError without the table, ManifestError for other columns or a tempo that is no number.
    """
    if not (folder / TABLE).is_file():
        raise FileNotFoundError(f"{folder / TABLE} is not there: it lists {', '.join(TABLE_COLUMNS)}")
    rows, left_out = [], Counter()
    for where, record in read_table(folder / TABLE, TABLE_COLUMNS):
        if not record["tempo_bpm"]:
            left_out["no tempo"] += 1
            continue
        path, tempo_bpm = folder / record["file_name"], number(record, "tempo_bpm", where)
        if tempo_bpm <= 0.0:
            raise ManifestError(f"{where}: tempo_bpm={tempo_bpm}, expected beats a minute above 0: mend the line")
        row = {"audio": {"path": str(path), "bytes": None}, "start_seconds": 0.0, "end_seconds": None, "labels": []}
        row |= {"group": record["group"], "split": "test", "licence": record.get("licence") or "see its README"}
        about = {"clip": record["file_name"], "source": folder.name, "origin": "recordings", "tempo_bpm": tempo_bpm}
        rows.append(row_of(row, **about, tempo=tempo_class(tempo_bpm, tempo_bounds_bpm)))
    return AffectRows(rows, left_out)


def timed_clips(folder: Path, tempo_bounds_bpm: Sequence[float]) -> AffectRows:
    """Rows of the test clips of a corpus, of which the tempo alone is known."""
    rows = []
    for row in read_manifest(folder / MANIFEST):
        if row["split"] == "test":
            tempo_bpm, path = facts_of(row).tempo_bpm, Path(row["audio"]["path"])
            about = {"clip": f"{folder.name}/{path.relative_to(folder)}", "source": folder.name, "origin": folder.name}
            tempo = tempo_class(tempo_bpm, tempo_bounds_bpm)
            rows.append(row_of(row, **about, labels=[], tempo_bpm=tempo_bpm, tempo=tempo))
    return AffectRows(rows, Counter())


def row_of(row: Mapping[str, Any], **known: Any) -> dict[str, Any]:
    """A row with the columns of ROW: those of a manifest, what is known besides, and nothing for the rest."""
    return {name: row[name] for name in FEATURES} | UNKNOWN | known


def as_datasets(rows: Iterable[dict[str, Any]]) -> dict[str, Dataset | None]:
    """Rows by split, None for one that has none."""
    dealt: dict[str, list] = {split: [] for split in SPLIT_NAMES}
    for row in rows:
        dealt[row["split"]].append(row)
    return {split: Dataset.from_list(part, features=ROW) if part else None for split, part in dealt.items()}
