"""NSynth as published: three folders of notes with examples.json."""

import json

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers.nsynth import read
from linernotes.corpora.splits import SplitLeakError, split_of


def note(instrument, pitch, velocity):
    """An entry of examples.json with all the published keys."""
    family, source, _ = instrument.rsplit("_", 2)
    return {
        "note": 201034,
        "note_str": f"{instrument}-{pitch:03d}-{velocity:03d}",
        "instrument": 417,
        "instrument_str": instrument,
        "instrument_family": 0,
        "instrument_family_str": family,
        "instrument_source": 2,
        "instrument_source_str": source,
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": 16000,
        "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "qualities_str": ["dark"],
    }


def write_part(folder, write_sound, notes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "examples.json").write_text(json.dumps({note["note_str"]: note for note in notes}))
    for about in notes:
        write_sound(folder / "audio" / f"{about['note_str']}.wav")


@pytest.fixture
def notes(tmp_path, write_sound):
    """Forty training instruments; valid and test share one, as the published parts do."""
    train = [note(f"guitar_acoustic_{i:03d}", 60, 100) for i in range(40)]
    write_part(tmp_path / "nsynth-train", write_sound, train)
    write_part(tmp_path / "nsynth-valid", write_sound, [note("bass_synthetic_033", 22, 25)])
    write_part(
        tmp_path / "nsynth-test",
        write_sound,
        [note("bass_synthetic_033", 22, 50), note("synth_lead_synthetic_001", 60, 127)],
    )
    return tmp_path


def test_notes_are_rows(notes):
    rows = read(notes)
    last = rows[-2]
    assert (last["labels"], last["group"], last["split"]) == (["bass"], "bass_synthetic_033", "test")
    assert (last["pitch"], last["velocity"], last["qualities"]) == (22, 50, ["dark"])
    assert (last["instrument_source"], last["note"]) == ("synthetic", "bass_synthetic_033-022-050")
    assert rows[-1]["labels"] == ["synth_lead"]
    assert {row["licence"] for row in rows} == {"CC BY 4.0"}
    assert with_waveforms(make_manifest(rows), 8_000)[41]["waveform"].shape == (1_600,)


def test_validation_is_dealt_out_of_the_training_instruments(notes):
    train = [row for row in read(notes) if row["split"] != "test"]
    assert len(train) == 40
    assert {row["split"] for row in train} == {"train", "validation"}
    assert all(row["split"] == split_of("nsynth", row["group"]) for row in train)


def test_the_official_validation_leaves_all_of_train_for_training(notes):
    rows = read(notes, ("train", "validation"))
    assert [row["split"] for row in rows] == ["train"] * 40 + ["validation"]


def test_the_official_validation_beside_test_is_a_leak(notes):
    with pytest.raises(SplitLeakError, match="group 'bass_synthetic_033' is in test and validation"):
        read(notes, ("train", "validation", "test"))


def test_notes_without_a_recording_are_counted(notes):
    next(notes.rglob("synth_lead*.wav")).unlink()
    rows = read(notes)
    assert len(rows) == 41
    assert rows.left_out == {"no recording": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instrument_family_str": "kazoo"}, r"note a: instrument_family_str='kazoo', expected one of bass, brass"),
        ({"pitch": "high"}, r"a: pitch='high', expected a number: mend the line"),
        ({"qualities_str": None}, r"note a lacks qualities_str: got the columns note, .*; is it the published file"),
    ],
)
def test_a_note_in_another_form_is_refused(notes, write_sound, changes, message):
    about = note("bass_synthetic_033", 22, 50) | changes
    about = {key: value for key, value in about.items() if value is not None}
    (notes / "nsynth-test" / "examples.json").write_text(json.dumps({"a": about}))
    write_sound(notes / "nsynth-test" / "audio" / "a.wav")
    with pytest.raises(ManifestError, match=message):
        read(notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"examples\.json is not JSON .*: unpack the archive"),
        ("[]", r"examples\.json is a list, expected an object"),
    ],
)
def test_a_list_of_notes_that_is_none_is_refused(notes, text, message):
    (notes / "nsynth-test" / "examples.json").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read(notes)


def test_what_is_missing_or_unknown_is_named(notes):
    with pytest.raises(ValueError, match=r"splits=\('valid',\): choose from train, validation, test, not 'valid'"):
        read(notes, ("valid",))
    (notes / "nsynth-test" / "examples.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"examples\.json is not there: NSynth needs nsynth-train\.jsonwav"):
        read(notes)
