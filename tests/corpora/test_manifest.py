"""Manifests: what is written is read back, undecoded; excerpts are the samples they name; bad rows are named."""

import io
import json

import numpy as np
import pytest
import soundfile
from datasets import Audio
from torch.utils.data import DataLoader

from linernotes.corpora.manifest import (
    ManifestError,
    by_split,
    make_manifest,
    read_excerpt,
    read_manifest,
    with_waveforms,
    write_manifest,
)
from linernotes.corpora.splits import SplitLeakError
from linernotes.modeling.audio import AudioError

RATE = 8_000


def ramp(seconds=4.0):
    """A signal in which every sample tells its position."""
    return np.linspace(-0.9, 0.9, int(seconds * RATE), dtype=np.float32)


def row(**changes):
    base = {"path": "a.wav", "labels": ["jazz"], "group": "bill evans", "split": "train", "licence": "CC0-1.0"}
    return {name: value for name, value in (base | changes).items() if value is not None}


def as_bytes(signal):
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_is_written_is_read_back(tmp_path, form):
    rows = [
        row(start_seconds=1.0, end_seconds=2.5, labels=["jazz", "slow"], tempo_bpm=62.0),
        row(path="/elsewhere/b.flac", split="test", group="björk", labels=[]),
    ]
    manifest = read_manifest(write_manifest(rows, tmp_path / f"list.{form}"))
    assert manifest.features["audio"] == Audio(decode=False)
    first, second = manifest[0], manifest[1]
    assert first["audio"] == {"path": str(tmp_path / "a.wav"), "bytes": None}
    assert (first["start_seconds"], first["end_seconds"], first["labels"]) == (1.0, 2.5, ["jazz", "slow"])
    assert first["tempo_bpm"] == 62.0
    assert second["audio"]["path"] == "/elsewhere/b.flac"
    assert (second["start_seconds"], second["end_seconds"], second["labels"]) == (0.0, None, [])
    assert (second["group"], second["split"], second["tempo_bpm"]) == ("björk", "test", None)


def test_parquet_holds_bytes_and_jsonl_refuses_them(tmp_path):
    data = as_bytes(ramp())
    manifest = read_manifest(write_manifest([row(path=None, bytes=data)], tmp_path / "list.parquet"))
    assert manifest[0]["audio"] == {"path": None, "bytes": data}
    np.testing.assert_array_equal(with_waveforms(manifest, RATE)[0]["waveform"], ramp())
    with pytest.raises(ManifestError, match=r"list\.jsonl cannot hold bytes: write a \.parquet"):
        write_manifest([row(path=None, bytes=data)], tmp_path / "list.jsonl")


def test_waveforms_are_the_excerpts_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(), RATE, subtype="FLOAT")
    excerpts = [(0.0, None), (1.0, 2.0), (3.5, None), (3.0, 9.0)]
    rows = [row(start_seconds=start, end_seconds=end) for start, end in excerpts]
    heard = with_waveforms(make_manifest(rows, root=tmp_path), RATE)
    for item, (start, end) in zip(heard, excerpts, strict=True):
        expected = ramp()[int(start * RATE) : None if end is None else int(end * RATE)]
        np.testing.assert_array_equal(item["waveform"], expected)
    assert [w.dtype for w in heard[:2]["waveform"]] == [np.float32] * 2


def test_waveforms_come_at_the_rate_asked_for(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(), RATE)
    heard = with_waveforms(make_manifest([row(start_seconds=1.0, end_seconds=3.0)], root=tmp_path), 16_000)
    assert heard[0]["waveform"].shape == (32_000,)
    assert heard[0]["waveform"][16_000] == pytest.approx(0.0, abs=1e-3)  # the middle of the ramp


def test_an_excerpt_over_several_blocks_has_no_seam(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(35.0), RATE, subtype="FLOAT")
    excerpt = read_excerpt(str(tmp_path / "a.wav"), 5.0, 31.0, RATE)
    np.testing.assert_array_equal(excerpt, ramp(35.0)[5 * RATE : 31 * RATE])


def test_an_excerpt_after_the_end_is_too_short(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(), RATE)
    with pytest.raises(AudioError, match=r"it lasts 4\.00 s, and the excerpt starts at 5\.0 s") as caught:
        with_waveforms(make_manifest([row(start_seconds=5.0)], root=tmp_path), RATE)[0]
    assert (caught.value.code, caught.value.path) == ("too_short", str(tmp_path / "a.wav"))


@pytest.fixture
def twelve(tmp_path):
    """Excerpts of a ramp, half a second each, of which the first sample tells the number."""
    soundfile.write(tmp_path / "a.wav", ramp(6.0), RATE, subtype="FLOAT")
    rows = [row(start_seconds=n / 2, end_seconds=(n + 1) / 2, number=n) for n in range(12)]
    return read_manifest(write_manifest(rows, tmp_path / "list.jsonl"))


def gathered(items):
    """A batch as a DataLoader's process hands it over."""
    return [(item["number"], item["waveform"]) for item in items]


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_of_a_loader_decode_the_rows_in_order(twelve, workers):
    heard = with_waveforms(twelve, RATE)
    batches = list(DataLoader(heard, batch_size=5, num_workers=workers, collate_fn=gathered))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    for number, (found, waveform) in enumerate(item for batch in batches for item in batch):
        assert found == number
        np.testing.assert_array_equal(waveform, ramp(6.0)[number * RATE // 2 : (number + 1) * RATE // 2])


def test_streamed_shards_hold_every_row_once_in_any_number_of_processes(twelve):
    stream = with_waveforms(twelve.to_iterable_dataset(num_shards=4), RATE)
    assert stream.num_shards == 4
    for workers in (0, 2):
        loader = DataLoader(stream, batch_size=2, num_workers=workers, collate_fn=gathered)
        found = dict(item for batch in loader for item in batch)
        assert sorted(found) == list(range(12))
        for number, waveform in found.items():
            np.testing.assert_array_equal(waveform, ramp(6.0)[number * RATE // 2 : (number + 1) * RATE // 2])


def test_a_stream_is_shuffled_and_begins_where_it_was_left(twelve):
    stream = with_waveforms(twelve.to_iterable_dataset(num_shards=3).shuffle(seed=1, buffer_size=4), RATE)
    numbers = [item["number"] for item in stream]
    assert sorted(numbers) == list(range(12)) != numbers
    assert [item["number"] for item in stream.skip(5)] == numbers[5:]


def test_splits_come_apart_in_order():
    rows = [row(split="test", group="a"), row(split="train", group="b"), row(split="train", group="c")]
    splits = by_split(make_manifest(rows))
    assert {name: part["group"][:] for name, part in splits.items()} == {"train": ["b", "c"], "test": ["a"]}
    assert list(splits) == ["train", "test"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "row 2: no labels: every row needs labels, group, split, licence"),
        ({"group": ""}, "row 2: no group"),
        ({"licence": None}, "row 2: no licence"),
        ({"path": None}, "row 2: give path or bytes, one of them"),
        ({"bytes": b"RIFF"}, "row 2: give path or bytes, one of them"),
        ({"labels": "jazz"}, r"row 2: labels='jazz' must be a list of names, such as \['jazz'\]"),
        ({"labels": [3]}, r"row 2: labels=\[3\] must be a list of names"),
        ({"labels": 3}, "row 2: labels=3 must be a list of names"),
        ({"split": "dev"}, "row 2: split='dev': choose from train, validation, test"),
        ({"start_seconds": -1.0}, "row 2: start_seconds=-1.0 and end_seconds=None are no excerpt"),
        ({"start_seconds": float("nan")}, "row 2: start_seconds=nan"),
        ({"start_seconds": 2.0, "end_seconds": 2.0}, "row 2: start_seconds=2.0 and end_seconds=2.0"),
        ({"end_seconds": float("inf")}, "row 2: start_seconds=0.0 and end_seconds=inf"),
        ({"end_seconds": "3"}, "row 2: start_seconds=0.0 and end_seconds=3"),
    ],
)
def test_a_bad_row_is_named(changes, message):
    with pytest.raises(ManifestError, match=message):
        make_manifest([row(), row(**changes)])


@pytest.mark.parametrize("build", [make_manifest, lambda rows: write_manifest(rows, "never-written.jsonl")])
def test_a_group_in_two_splits_is_refused(build):
    with pytest.raises(SplitLeakError, match="group 'bill evans' is in test and train"):
        build([row(), row(split="test")])


def test_a_file_that_is_no_manifest_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.jsonl is not a file: give a \.jsonl or \.parquet manifest"):
        read_manifest(tmp_path / "none.jsonl")
    table = tmp_path / "list.csv"
    table.write_text("a,b\n")
    with pytest.raises(ManifestError, match=r"list\.csv is no manifest: its name must end in \.jsonl or \.parquet"):
        read_manifest(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the manifest has no rows"),
        ('{"path": \n', "line 1 of .* is not JSON"),
        ("\n[1, 2]\n", r"row 1: \[1, 2\] is no object with columns"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, message):
    (tmp_path / "list.jsonl").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_manifest(tmp_path / "list.jsonl")


def test_jsonl_is_one_plain_object_a_line(tmp_path):
    path = write_manifest([row(group="björk"), row(path="b.wav", group="sun ra")], tmp_path / "list.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["group"] for line in lines] == ["björk", "sun ra"]
    assert set(lines[0]) == {"path", "start_seconds", "end_seconds", "labels", "group", "split", "licence"}
    assert "björk" in path.read_text(encoding="utf-8")
