"""NSynth: `nsynth-train`, `nsynth-valid` and `nsynth-test`, each with `examples.json` and `audio/<note_str>.wav`.

examples.json is one object, a note's name to its instrument (instrument_str, instrument_family_str,
instrument_source_str), pitch and velocity (MIDI numbers), qualities_str and more
(https://magenta.tensorflow.org/datasets/nsynth). Groups are instruments. By that page the instruments of valid and of
test are not in train, but valid and test were not kept apart: they share instruments.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from linernotes.corpora.manifest import ManifestError
from linernotes.corpora.readers.records import NO_RECORDING, Rows, check_columns, number, recordings, required
from linernotes.corpora.splits import register_split, split_of

NAME = "nsynth"
PARTS = {"train": "nsynth-train", "validation": "nsynth-valid", "test": "nsynth-test"}
FAMILIES = (  # in the order of their numbers
    *("bass", "brass", "flute", "guitar", "keyboard", "mallet"),
    *("organ", "reed", "string", "synth_lead", "vocal"),
)
COLUMNS = ("instrument_str", "instrument_family_str", "instrument_source_str", "pitch", "velocity", "qualities_str")
register_split(NAME, {"train": 0.95, "validation": 0.05})


def read(folder: Path | str, splits: Sequence[str] = ("train", "test")) -> Rows:
    """Rows of notes: labels are the instrument family; instrument_source, qualities, pitch, velocity, note are beside.

    Args:
        folder: what holds the three folders.
        splits: which of them. Without "validation", a twentieth of the training instruments is for validation, by
            hash. "validation" is nsynth-valid, which cannot stand beside "test": the two share instruments.

    Raises FileNotFoundError for a missing examples.json, ManifestError for a note in another form, SplitLeakError for
    instruments in two splits.
    """
    if unknown := [split for split in splits if split not in PARTS]:
        raise ValueError(f"splits={tuple(splits)}: choose from {', '.join(PARTS)}, not {unknown[0]!r}")
    rows = Rows(NAME)
    for split in splits:
        part = Path(folder) / PARTS[split]
        notes = _notes(required(part / "examples.json", NAME))
        found = recordings(part / "audio")
        deals = split == "train" and "validation" not in splits
        for name, note in notes:
            if name not in found:
                rows.left_out[NO_RECORDING] += 1
                continue
            group = note["instrument_str"]
            rows.add(
                found[name],
                [note["instrument_family_str"]],
                group,
                split_of(NAME, group) if deals else split,
                note=name,
                instrument_source=note["instrument_source_str"],
                qualities=list(note["qualities_str"]),
                pitch=int(number(note, "pitch", name)),
                velocity=int(number(note, "velocity", name)),
            )
    return rows.checked(folder)


def _notes(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path} is not JSON ({error}): unpack the archive again") from error
    if not isinstance(notes, dict):
        raise ManifestError(f"{path} is a {type(notes).__name__}, expected an object of notes by name")
    for name, note in notes.items():
        where = f"{path.parent.name}/{path.name}, note {name}"
        check_columns(note if isinstance(note, dict) else (), COLUMNS, where)
        if note["instrument_family_str"] not in FAMILIES:
            got = note["instrument_family_str"]
            raise ManifestError(f"{where}: instrument_family_str={got!r}, expected one of {', '.join(FAMILIES)}")
        yield name, note
