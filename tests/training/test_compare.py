"""What one model would add to another: counts by hand, the gate on both sides of its bounds, forms of files."""

import json
from pathlib import Path

import pytest

from linernotes.training.compare import compare_files, told


def write(path: Path, predicted: str, truths: str, clips: list[str] | None = None, column: str = "label") -> Path:
    """A row for each letter: what is predicted, and what is true."""
    rows = []
    for number, (said, true) in enumerate(zip(predicted, truths, strict=True)):
        clip = clips[number] if clips else f"MAG/{number:03}"
        truth = {"label": true} if column == "label" else {"labels": [true, "z"]}
        probabilities = {letter: 0.7 if letter == said else 0.1 for letter in "abz"}
        rows.append({"evaluation": "test", "clip": clip, "group": clip, **truth, "probabilities": probabilities})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def snapshot(path: Path, predicted: str) -> Path:
    files = [{"fname": f"MAG/{number:03}.mp3", "predicted": said} for number, said in enumerate(predicted)]
    path.write_text(json.dumps({"files": files, "commit": "x"}))
    return path


TRUTHS = "aaaaaaaaaabbbbbbbbbb"
ENGINE = "aaaaaaaaaaaaaaaabbba"  # 10 a and 3 b right: 13
MERT = "aaaaaaaabbbbbbbbbbba"  # 8 a and 9 b right: 17


def test_counts_and_shares_by_hand(tmp_path):
    compared = compare_files(write(tmp_path / "a.json", ENGINE, TRUTHS), write(tmp_path / "b.json", MERT, TRUTHS))
    assert (compared["both_right"], compared["both_wrong"], compared["gains"], compared["losses"]) == (11, 1, 6, 2)
    assert compared["agreement"]["value"] == 12 / 20
    assert (compared["accuracy_a"]["value"], compared["accuracy_b"]["value"]) == (13 / 20, 17 / 20)
    assert compared["accuracy_either"]["value"] == 19 / 20
    assert compared["b_minus_a"]["value"] == 4 / 20
    assert compared["b_minus_a"]["low"] < 4 / 20 < compared["b_minus_a"]["high"]
    assert compared["complementarity"] == 3.0
    assert compared["worth_having"] is True
    assert "complementarity 3.00 (gate: above 1.5): B is worth having beside A" in told(compared)


def test_the_other_way_round_gains_are_losses(tmp_path):
    compared = compare_files(write(tmp_path / "a.json", MERT, TRUTHS), write(tmp_path / "b.json", ENGINE, TRUTHS))
    assert (compared["gains"], compared["losses"]) == (2, 6)
    assert compared["worth_having"] is False


@pytest.mark.parametrize(
    ("engine", "mert", "worth"),
    [
        ("b" * 4 + "a" * 16, "a" * 20, True),  # agreement 80 %, nothing lost
        ("b" * 3 + "a" * 17, "a" * 20, False),  # agreement 85 %, not below
        ("b" * 3 + "a" * 17, "a" * 18 + "bb", False),  # gains / losses is 1.5, not above
        ("z" * 10, "b" * 10, False),  # both wrong, each in its way
    ],
)
def test_the_gate_has_two_bounds(tmp_path, engine, mert, worth):
    truths = "a" * len(engine)
    a, b = write(tmp_path / "a.json", engine, truths), write(tmp_path / "b.json", mert, truths)
    assert compare_files(a, b)["worth_having"] is worth


def test_a_run_snapshot_takes_its_truths_from_the_other_file(tmp_path):
    mert = write(tmp_path / "b.json", MERT, TRUTHS)
    compared = compare_files(snapshot(tmp_path / "engine.json", ENGINE), mert)
    assert (compared["n"], compared["gains"], compared["losses"]) == (20, 6, 2)
    assert compare_files(mert, snapshot(tmp_path / "engine.json", ENGINE))["gains"] == 2


def test_any_of_several_labels_is_right(tmp_path):
    said = write(tmp_path / "a.json", "az", "aa", column="labels")
    assert compare_files(said, said)["both_right"] == 2


def test_repeated_answers_to_a_clip_are_averaged(tmp_path):
    path = tmp_path / "a.json"
    rows = [
        {"clip": "x", "group": "x", "label": "a", "probabilities": {"a": a, "b": round(1 - a, 1)}} for a in (0.4, 0.9)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    compared = compare_files(path, path)
    assert (compared["n"], compared["both_right"]) == (1, 1)


def test_clips_of_one_file_alone_are_counted(tmp_path):
    a, b = write(tmp_path / "a.json", "aab", "aaa"), write(tmp_path / "b.json", "aa", "aa")
    compared = compare_files(a, b)
    assert (compared["n"], compared["only_in_a"], compared["only_in_b"]) == (2, 1, 0)
    assert "1 clips are in one file only" in told(compared)


def test_what_cannot_be_compared_is_refused(tmp_path):
    a = write(tmp_path / "a.json", "aa", "aa")
    with pytest.raises(ValueError, match="have no clip in common; evaluate both models on the same data"):
        compare_files(a, write(tmp_path / "b.json", "aa", "aa", clips=["OWN/1", "OWN/2"]))
    engine = snapshot(tmp_path / "engine.json", "aa")
    with pytest.raises(ValueError, match="are run snapshots; one of both must have labels"):
        compare_files(engine, engine)
    with pytest.raises(ValueError, match="has clips of the same file name, which a run snapshot cannot tell apart"):
        compare_files(engine, write(tmp_path / "b.json", "aa", "aa", clips=["MAG/1", "OWN/1"]))
    (tmp_path / "c.json").write_text('{"results": 3}\n')
    with pytest.raises(ValueError, match=r"is in no known form \(KeyError"):
        compare_files(a, tmp_path / "c.json")
    (tmp_path / "song.wav").write_bytes(b"RIFF\xff\xfe\0\0WAVE")
    for files in ((a, tmp_path / "song.wav"), (tmp_path / "song.wav", a)):
        with pytest.raises(ValueError, match=r"song\.wav is in no known form \(UnicodeDecodeError.* give what `linern"):
            compare_files(*files)
