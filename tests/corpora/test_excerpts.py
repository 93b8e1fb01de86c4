"""Excerpts of recordings without labels: where they are cut, and what is left out."""

import numpy as np
import pytest
import soundfile

from linernotes.corpora.excerpts import cut_excerpts
from linernotes.corpora.manifest import read_manifest

RATE = 8_000


@pytest.fixture
def recordings(tmp_path, tone):
    folder = tmp_path / "recordings"
    (folder / "band").mkdir(parents=True)
    soundfile.write(folder / "band/long.wav", tone(10.0, RATE), RATE)
    soundfile.write(folder / "short.ogg", tone(0.9, RATE), RATE)
    soundfile.write(folder / "silent.flac", np.zeros(5 * RATE), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else")
    (folder / "notes.txt").write_text("no music")
    return folder


def test_excerpts_are_spread_over_a_recording(recordings, tmp_path):
    manifest, left_out = cut_excerpts(
        recordings, tmp_path / "out", "CC0", seconds=1.0, per_recording=3, sampling_rate=RATE
    )
    rows = read_manifest(manifest)
    assert rows["group"] == ["band/long.wav"] * 3
    assert rows["split"] == ["train"] * 3
    assert rows["licence"] == ["CC0"] * 3
    starts = rows["recording_start_seconds"]
    assert starts == pytest.approx([2.25, 4.5, 6.75])
    whole, _ = soundfile.read(recordings / "band/long.wav")
    for start, audio in zip(starts, rows["audio"], strict=True):
        samples, rate = soundfile.read(audio["path"])
        assert rate == RATE
        np.testing.assert_allclose(samples, whole[round(start * RATE) :][:RATE], atol=1e-3)
    assert len(left_out) == 3
    assert [name for name in ("broken", "short", "silent") if any(name in line for line in left_out)] == [
        *("broken", "short", "silent")
    ]


def test_a_recording_gives_no_more_than_it_holds(recordings, tmp_path):
    manifest, _ = cut_excerpts(recordings, tmp_path / "out", "CC0", seconds=4.0, sampling_rate=RATE)
    assert len(read_manifest(manifest)) == 2


def test_a_folder_without_music_and_a_full_folder_are_refused(recordings, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has no recording .* of 10 s or more"):
        cut_excerpts(tmp_path / "empty", tmp_path / "out", "CC0")
    with pytest.raises(ValueError, match="name a new or empty folder"):
        cut_excerpts(recordings, recordings, "CC0")
