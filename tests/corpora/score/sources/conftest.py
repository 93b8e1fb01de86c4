"""Miniatures of the sets, written in exactly the published form."""

import csv
from io import BytesIO
from zipfile import ZipFile

import pretty_midi
import pytest


def _packaged(folder, rows, archive, files):
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with ZipFile(folder / archive, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return folder


def _midi(tracks, tempo=120.0):
    """The bytes of a MIDI file: (name, program or "drums", notes as (start, end, pitch), control changes)."""
    midi = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=tempo)
    for name, program, notes, changes in tracks:
        is_drum = program == "drums"
        part = pretty_midi.Instrument(0 if is_drum else program, is_drum, name)
        part.notes = [pretty_midi.Note(80, pitch, start, end) for start, end, pitch in notes]
        part.control_changes = [pretty_midi.ControlChange(*change) for change in changes]
        midi.instruments.append(part)
    written = BytesIO()
    midi.write(written)
    return written.getvalue()


@pytest.fixture
def packaged(tmp_path):
    """packaged(rows of metadata.csv, archive, {name: content}) -> the folder that holds them."""
    return lambda rows, archive, files: _packaged(tmp_path, rows, archive, files)


@pytest.fixture(scope="session")
def midi_file():
    """midi_file([(name, program or "drums", notes, control changes)]) -> bytes."""
    return _midi
