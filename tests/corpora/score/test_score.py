import json
from dataclasses import asdict

import pretty_midi
import pytest

from linernotes.corpora.score.score import Facts, Score, Span, identity_of


def notes_of(*notes, program=0, is_drum=False):
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(program, is_drum))
    midi.instruments[0].notes = [pretty_midi.Note(90, *note) for note in notes]
    return midi


def test_identity_is_that_of_the_notes():
    midi = notes_of((60, 0.0, 1.0), (64, 1.0, 2.0))
    assert identity_of(midi) == identity_of(notes_of((64, 1.0, 2.0), (60, 0.0, 1.0)))
    assert len(identity_of(midi)) == 64


@pytest.mark.parametrize(
    "other",
    [
        notes_of((60, 0.0, 1.0)),
        notes_of((60, 0.0, 1.0), (65, 1.0, 2.0)),
        notes_of((60, 0.0, 1.0), (64, 1.001, 2.0)),
        notes_of((60, 0.0, 1.0), (64, 1.0, 2.5)),
        notes_of((60, 0.0, 1.0), (64, 1.0, 2.0), program=1),
        notes_of((60, 0.0, 1.0), (64, 1.0, 2.0), is_drum=True),
    ],
)
def test_identity_tells_other_notes_apart(other):
    assert identity_of(other) != identity_of(notes_of((60, 0.0, 1.0), (64, 1.0, 2.0)))


def test_facts_are_plain_json(clip):
    facts = clip("jazz", 0).facts
    again = json.loads(json.dumps(asdict(facts)))
    assert again["meters"][0] == {"start_seconds": 0.0, "end_seconds": 20.0, "label": facts.meters[0].label}
    assert again["grouping"] == list(facts.grouping)
    assert set(again) == set(Facts.__annotations__)


def test_a_score_lasts_as_long_as_its_last_meter(clip):
    facts = clip("rock", 1).facts
    facts.meters = [Span(0.0, 7.5, "4/4 2+2")]
    assert Score(pretty_midi.PrettyMIDI(), facts).duration_seconds == 7.5
