"""One row a recording: the same columns for all, every cell of its type, text that any table can hold."""

import json

from joint_reports import full_report, genre_answer, with_timeline

from linernotes.report.joint import Heard, joint_report
from linernotes.report.rows import COLUMNS, row_of


def test_a_full_report_fills_its_row():
    row = row_of("a/song.mp3", full_report(), {"title": "Song"})
    assert list(row) == list(COLUMNS)
    assert all(value is None or type(value) is COLUMNS[name] for name, value in row.items())
    expected = {
        "path": "a/song.mp3", "duration_seconds": 60.0, "genre": "jazz", "genre_confidence": 0.74, "meter": "4",
        "meters": "4", "polyrhythm": False, "emotions": "joy; calm", "moods": "", "instruments": "piano; doublebass",
        "key": "A minor", "caption_model": "sonicverse-smol", "tag_title": "Song", "tag_artist": None,
        "error_code": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["genre_gate_weights"])["jazz"] == 0.7
    assert [section["labels"]["genre"] for section in json.loads(row["sections"])] == ["jazz", "blues", "blues"]


def test_an_error_is_a_row_that_does_not_say_where_the_folder_lies():
    error = {"code": "not_audio", "message": "'/music/a.mp3': no sound can be read", "path": "/music/a.mp3"}
    row = row_of("a.mp3", {"path": "/music/a.mp3", "error": error}, {})
    assert {name: value for name, value in row.items() if value is not None} == {
        "path": "a.mp3",
        "error_code": "not_audio",
        "error_message": "no sound can be read",
    }


def test_what_is_not_answered_is_empty():
    answer = with_timeline(genre_answer(), 60.0, [{}])
    report = joint_report("x", [Heard("genre_moe", "genre-moe", answer, 1.0)], decoding_seconds=0, timeline=False)
    row = row_of("x", report, {})
    assert list(row) == list(COLUMNS)
    assert {row[name] for name in ("meter", "meter_uncertain", "emotions", "key", "caption", "warnings")} == {None}


def test_text_that_is_no_unicode_is_escaped():
    row = row_of("\udcff.wav", full_report(), {"title": "a\0b\udcfe"})
    assert (row["path"], row["tag_title"]) == ("\\udcff.wav", "a\\x00b\\udcfe")
    assert all("\0" not in str(value) and str(value).encode() is not None for value in row.values())
