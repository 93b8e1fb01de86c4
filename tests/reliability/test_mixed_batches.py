"""Some bad recordings among many: each has its answer or its record, in its place, by `predict` and in a table."""

import json

import pytest
from every_family import EVERY_FAMILY
from mixed_batches import as_answers, make_batch, misplaced

from linernotes.bulk import listen_to_folder


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return make_batch(tmp_path_factory.mktemp("batch"), count=100, bad=10)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_ninety_answers_and_ten_records_in_order(family, batch):
    answers = EVERY_FAMILY[family]().predict([member.path for member in batch], errors="record")
    assert misplaced(batch, answers) == []
    assert sum("error" in answer for answer in answers) == 10


def test_a_table_has_a_row_for_each_in_order(batch, tiny_folder, tmp_path):
    files = [member for member in batch if member.path.is_file()]  # a folder is no recording here
    outcome = listen_to_folder(files[0].path.parent, tmp_path / "notes.jsonl", models=[str(tiny_folder)])
    rows = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert misplaced(files, as_answers(rows, files[0].path.parent)) == []
    assert (outcome.files, outcome.unheard) == (len(files), len(files) - 90)


def test_what_is_in_another_s_place_is_found(batch):
    answers = [
        {"duration_seconds": member.seconds}
        if member.seconds
        else {"error": {"path": str(member.path), "code": min(member.codes)}}
        for member in batch
    ]
    assert misplaced(batch, answers) == []
    answers[20], answers[21] = answers[21], answers[20]
    assert misplaced(batch, answers) == ["0020.wav", "0021.wav"]
