"""A report as JAMS: jams itself reads it, by its schemas, and finds in it what the report says."""

import json
from pathlib import Path

import jams
import numpy as np
import pytest
from joint_reports import caption_answer, full_report, genre_answer, meter_answer, with_timeline

from linernotes.report.jams import as_jams
from linernotes.report.joint import QUESTIONS, Heard, joint_report


def read(report: dict, folder: Path) -> jams.JAMS:
    """What jams makes of the file; it raises where its schema, or a vocabulary's, is not kept."""
    (folder / "song.jams").write_text(json.dumps(as_jams(report), allow_nan=False), encoding="utf-8")
    return jams.load(str(folder / "song.jams"), strict=True)


def of(jam: jams.JAMS, question: str) -> jams.Annotation:
    """The annotation of the model that is believed."""
    return jam.search(question=f"^{question}$")[0]


def report_of(**answers: dict) -> dict:
    """Of a minute, by family what its model said."""
    heard = [
        Heard(family, answer["model"], with_timeline(answer, 60.0, [{}]), 0.1) for family, answer in answers.items()
    ]
    return joint_report("song.wav", heard, decoding_seconds=0.1, timeline=False)


def values(annotation: jams.Annotation) -> list[tuple]:
    return [tuple(each) for each in annotation.data]


def test_every_answer_is_an_annotation_of_the_whole(tmp_path):
    report = full_report()
    jam = read(report, tmp_path)
    assert [each.sandbox.question for each in jam.annotations] == ["genre", *QUESTIONS, "sections"]  # two have genres
    assert (jam.file_metadata.duration, jam.sandbox.path) == (60.0, "My Song.mp3")
    for question in set(QUESTIONS) - {"caption"}:
        annotation, answer = of(jam, question), report[question]
        assert annotation.annotation_metadata.data_source == answer["model"]
        assert annotation.annotation_metadata.annotation_tools.startswith("linernotes ")
        assert annotation.sandbox.uncertain == answer["uncertain"]
        assert dict(annotation.sandbox.probabilities) == answer["probabilities"]
        labels = answer.get("labels", [answer.get("label")])
        assert [each.confidence for each in annotation.data] == [answer["probabilities"][label] for label in labels]
        assert {(each.time, each.duration) for each in annotation.data} <= {(0.0, 60.0)}
    assert values(of(jam, "emotions")) == [(0.0, 60.0, "joy", 0.8), (0.0, 60.0, "calm", 0.6)]
    assert values(of(jam, "meter")) == [(0.0, 60.0, "4", 0.8)]
    assert values(of(jam, "tempo")) == [(0.0, 60.0, "slow", 0.9)]
    assert values(of(jam, "moods")) == []
    assert {each.namespace for each in jam.annotations} == {"tag_gtzan", "key_mode", "tag_open", "segment_open"}


def test_genres_and_keys_are_in_the_vocabularies_of_jams(tmp_path):
    jam = read(full_report(), tmp_path)
    assert (of(jam, "genre").namespace, values(of(jam, "genre"))) == ("tag_gtzan", [(0.0, 60.0, "jazz", 0.74)])
    assert (of(jam, "key").namespace, values(of(jam, "key"))) == ("key_mode", [(0.0, 60.0, "A:minor", 0.8)])


@pytest.mark.parametrize(
    ("genres", "namespace", "value"),
    [(("hiphop", "rock"), "tag_gtzan", "hip-hop"), (("hiphop", "lounge"), "tag_open", "hiphop")],
)
def test_a_genre_is_open_where_the_model_knows_others(tmp_path, genres, namespace, value):
    said = genre_answer() | {
        "predicted_genre": "hiphop", "probabilities": dict(zip(genres, (0.6, 0.4), strict=True)), "confidence": 0.6,
    }  # fmt: skip
    found = of(read(report_of(genre_moe=said), tmp_path), "genre")
    assert (found.namespace, values(found)) == (namespace, [(0.0, 60.0, value, 0.6)])


def test_sections_are_segments_with_all_that_holds_in_them(tmp_path):
    report = full_report()
    annotation = of(read(report, tmp_path), "sections")
    spans, labels = annotation.to_interval_values()
    np.testing.assert_allclose(
        spans, [[each[f"{edge}_seconds"] for edge in ("start", "end")] for each in report["sections"]]
    )
    assert labels[0].startswith("genre: jazz, vibe: chill, intensity: low, tempo: slow, meter: 4, key: A minor")
    assert [label.split(", ")[0] for label in labels] == ["genre: jazz", "genre: blues", "genre: blues"]
    assert "genre-moe, mathrock-pocket, beatmeter-pocket" in annotation.annotation_metadata.data_source


def test_captions_lie_where_they_are_about(tmp_path):
    assert values(of(read(full_report(), tmp_path), "caption")) == [
        (0.0, 30.0, "A slow jazz piece in A minor, with a piano & a double bass.", None)
    ]
    parts = [
        {"start_seconds": 0.0, "end_seconds": 20.5, "caption": "Slow."},
        {"start_seconds": 20.5, "end_seconds": 60.0, "caption": "Fast."},
    ]
    told = caption_answer(segments=parts, story="Slow, then fast.")
    assert values(of(read(report_of(sonicverse=told), tmp_path), "caption")) == [
        (0.0, 20.5, "Slow.", None),
        (20.5, 39.5, "Fast.", None),
    ]


def test_two_models_are_two_annotations_and_no_model_is_none(tmp_path):
    jam = read(report_of(genre_moe=genre_answer(), sonicverse=caption_answer()), tmp_path)
    first, second = jam.search(question="^genre$")
    assert (first.annotation_metadata.data_source, first.namespace) == ("genre-moe", "tag_gtzan")
    assert (second.annotation_metadata.data_source, second.namespace) == ("sonicverse-smol", "tag_open")
    assert not jam.search(question="meter")


def test_a_meter_below_its_threshold_is_none(tmp_path):
    found = of(read(report_of(beatmeter=meter_answer("4", meters=[], uncertain=True)), tmp_path), "meter")
    assert (values(found), found.sandbox.uncertain) == ([], True)


def test_what_was_not_heard_is_not_annotated():
    error = {"code": "empty", "message": "'x.wav': 0 bytes", "path": "x.wav"}
    with pytest.raises(ValueError, match=r"nothing was heard that could be annotated: 'x\.wav': 0 bytes"):
        as_jams({"path": "x.wav", "error": error})
