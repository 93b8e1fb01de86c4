"""What contradicts heads that are sure, which caption is taken, what is left of it."""

import pytest

from linernotes.modeling.caption_facts import statements
from linernotes.modeling.grounding import Known, agreeing, best, confirms, contradictions, known

SURE = Known(
    {
        "key": {"A minor": 0.85, "C major": 0.1, "E minor": 0.05},
        "vocals": {"instrumental": 0.1, "female": 0.88, "male": 0.02},
        "instrument": {"piano": 0.9, "acousticguitar": 0.01, "electricguitar": 0.02, "drums": 0.03, "bass": 0.4},
        "style": {"jazz": 0.95, "rock": 0.01},
    }
)


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("A jazz song in A minor with piano, sung by a woman.", []),
        ("It is in C major.", ["C major"]),
        ("The piece is instrumental.", ["instrumental"]),
        ("There are no vocals.", ["instrumental"]),
        ("A male voice sings.", ["male"]),
        ("There are vocals.", []),
        ("A guitar plays.", ["guitar"]),
        ("Drums play.", ["drums"]),
        ("A bass plays.", []),
        ("A sitar plays.", []),
        ("There is no piano.", ["piano"]),
        ("There is no guitar.", []),
        ("A rock song.", ["rock"]),
        ("A salsa song.", []),
        ("A slow tempo in 3/4.", []),
    ],
)
def test_statements_contradict_what_is_sure_and_nothing_else(caption, wrong):
    assert [statement.value for statement in contradictions(caption, SURE)] == wrong


def test_a_voice_among_the_instruments_is_not_denied_either():
    unsure = {"instrumental": 0.6, "female": 0.4}
    heard = Known({"vocals": unsure, "instrument": {"voice": 0.9}})
    assert [each.value for each in contradictions("There are no vocals.", heard)] == ["instrumental"]
    assert contradictions("There are no vocals.", Known({"vocals": unsure, "instrument": {"voice": 0.5}})) == []


def test_a_mixed_caption_contradicts_by_the_voice_that_is_not_there():
    found = contradictions("A man and a woman sing.", SURE)
    assert [statement.value for statement in found] == ["male"]


def test_what_is_not_sure_contradicts_nothing():
    assert contradictions("A rock song in C major with drums and a male voice.", Known()) == []


def test_a_head_that_is_not_sure_rules_out_only_what_is_surely_not_so():
    answer = {
        "key": {"probabilities": {"A minor": 0.79, "C major": 0.17, "E minor": 0.04}},
        "vocals": {"probabilities": {"instrumental": 0.94, "female": 0.03, "male": 0.03}},
        "moods": {"probabilities": {"sad": 1.0}},
    }
    sure = known(answer, above=0.95, below=0.05)
    assert set(sure.heard) == {"key", "vocals"}
    wrong = contradictions("In A minor. In C major. In E minor. In F major. A man sings. There is a voice.", sure)
    assert [statement.value for statement in wrong] == ["E minor", "male"], "the voices together are 0.06"
    assert known({}, 0.8, 0.05) == Known()


def test_the_caption_that_agrees_most_is_taken_and_of_equals_the_first():
    wrong, plain, right = "A rock song.", "A song.", "A jazz song with piano."
    assert best([wrong, plain, right], SURE) == right
    assert best([wrong, plain], SURE) == plain
    assert best(["A nice song.", plain], SURE) == "A nice song."
    assert [confirms(each, SURE) for each in statements("jazz, rock, salsa, no piano, A minor? in A minor")] == [
        True, False, False, False, True,
    ]  # fmt: skip


def test_sentences_that_contradict_are_taken_out():
    kept, withheld = agreeing("It is jazz. A man sings it. The mood is warm!", SURE)
    assert kept == "It is jazz. The mood is warm!"
    assert withheld == ["A man sings it."]
    assert agreeing("A man sings.", SURE) == ("", ["A man sings."])
