"""What captions state: hand-judged sentences of MusicCaps, keys and meters by name, denial, likeness, purpose."""

import pytest
from judged_captions import DRAWN, QUOTED, SETS, judged

from linernotes.modeling.caption_facts import Statement, facts_of, sentences, statements
from linernotes.modeling.music_tags import KEYS
from linernotes.modeling.music_words import INSTRUMENTS, STYLES, meant_by, squashed

# sentences of MusicCaps that are read otherwise than by a human: what is missed, and what is found too much
MISREAD = {
    "There's a chilling piano motif, some knocking sounds and a low sustained synth that almost sounds like orchestral "
    "cello.",
    "This sounds like a harp or an acoustic guitar.",
    "The drum pattern is intricate and there are other percussive elements like an occasional bongo and a wooden "
    "percussion instrument.",
}


def as_pairs(facts: dict) -> set[tuple[str, str]]:
    """(fact, value) of all that is stated."""
    pairs = {(name, value) for name in SETS for value in facts[name]}
    return pairs | {(name, value) for name, value in facts.items() if name not in SETS and value is not None}


def test_there_are_a_hundred_judged_sentences_and_all_but_a_few_are_read_as_a_human_reads_them():
    rows = judged()
    assert len(rows) >= 100
    assert all(len(set(sentence.split())) < 40 for sentence, _ in rows)
    wrong = {sentence: vars(facts_of(sentence)) for sentence, facts in rows if vars(facts_of(sentence)) != facts}
    assert wrong.keys() == MISREAD, wrong


@pytest.mark.parametrize(
    ("quoted", "least", "count"), [(QUOTED, 0.97, 150), (DRAWN, 0.88, 45)], ids=["mended", "drawn"]
)
def test_precision_and_recall_on_the_judged_sentences(quoted, least, count):
    found, stated = set(), set()
    for number, (sentence, facts) in enumerate(judged(quoted)):
        found |= {(number, *pair) for pair in as_pairs(vars(facts_of(sentence)))}
        stated |= {(number, *pair) for pair in as_pairs(facts)}
    assert len(stated) >= count
    assert len(found & stated) / len(found) >= least, found - stated
    assert len(found & stated) / len(stated) >= least, stated - found


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The song is in the key of A minor.", "A minor"),
        ("This song is played in Db major.", "C# major"),
        ("a ballad in F# minor", "F# minor"),
        ("in B-flat major", "Bb major"),
        ("in b flat major", None),
        ("in the key of b flat major", "Bb major"),
        ("It is in C♯ minor, later in E major.", "C# minor"),
        ("The key is G major.", "G major"),
        ("A minor chord begins it.", None),
        ("played in a minor key", None),
        ("Mood changes play a major role.", None),
        ("D maj7 chords", None),
        ("Written in E♭ minor", "Eb minor"),
    ],
)
def test_keys_go_by_one_name_each(text, key):
    assert facts_of(text).key == key
    assert key is None or key in KEYS


@pytest.mark.parametrize(
    ("text", "meter"),
    [
        ("a march in 4/4", "4/4"),
        ("The time signature is 12/8.", "12/8"),
        ("recorded on 24/7", None),
        ("9/11 memorial", None),
        ("in three-four time", "3/4"),
        ("a jig in six-eight", "6/8"),
        ("five four", "5/4"),
        ("It is a waltz.", "3/4"),
        ("played in common time", "4/4"),
    ],
)
def test_meters_by_figure_and_by_name(text, meter):
    assert facts_of(text).meter == meter


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        ("It has a slow tempo.", "slow"),
        ("a fast-paced song", "fast"),
        ("an uptempo track", "fast"),
        ("mid-tempo groove", "medium"),
        ("moderate tempo", "medium"),
        ("fast, then a slow tempo", "slow"),
        ("The strumming is fast.", None),
        ("slow build-up of tension", None),
    ],
)
def test_tempo_words(text, tempo):
    assert facts_of(text).tempo == tempo


@pytest.mark.parametrize(
    ("text", "vocals"),
    [
        ("A woman sings.", "female"),
        ("sung by a man", "male"),
        ("the voice of a girl", "female"),
        ("A man and a woman sing together.", "mixed"),
        ("A male singer. Later a female singer.", "mixed"),
        ("A choir enters.", "voice"),
        ("no vocals", "instrumental"),
        ("without any singing", "instrumental"),
        ("There aren't any vocals.", "instrumental"),
        ("instrumental accompaniment", None),
        ("An instrumental intro, then a female voice.", "female"),
        ("A man plays guitar.", None),
        ("The human factor", None),
    ],
)
def test_voices_and_whose_they_are(text, vocals):
    assert facts_of(text).vocals == vocals


def test_what_is_denied_is_absent_and_not_there():
    facts = facts_of("A piano piece without drums, bass or guitar. No strings.")
    assert facts.instruments == {"piano"}
    assert facts.absent == {"drums", "bass", "guitar", "strings"}
    assert facts_of("No drums at first. Then drums.").instruments == {"drums"}


def test_the_longest_name_counts_and_overlapping_names_do_not():
    assert facts_of("a bass guitar").instruments == {"bass"}
    assert facts_of("an electric guitar").instruments == {"electric guitar"}
    assert facts_of("a drum and bass track").instruments == set()
    assert facts_of("a classical guitar").styles == set()
    assert facts_of("flute-like tones like a violin").instruments == set()


def test_statements_say_where_their_words_are():
    caption = "A jazz tune. It\u2019s in A minor, with no drums."
    found = statements(caption)
    assert [(each.kind, each.value, each.denied) for each in found] == [
        ("style", "jazz", False),
        ("key", "A minor", False),
        ("instrument", "drums", True),
    ]
    assert [caption[each.start : each.stop] for each in found] == ["jazz", "A minor", "drums"]
    assert isinstance(found[0], Statement)


def test_sentences_end_with_their_marks_and_numbers_do_not_end_them():
    assert sentences("At 1.5 s it starts. Then... it ends!\nYes") == [
        "At 1.5 s it starts.",
        "Then...",
        "it ends!",
        "Yes",
    ]
    assert sentences("  ") == []
    assert facts_of("") == facts_of("Nothing to say.")


def test_words_mean_classes_of_a_head_and_what_they_hold():
    classes = ["acousticguitar", "electricguitar", "guitar", "drums", "percussion"]
    assert meant_by("electric guitar", classes) == ["electricguitar"]
    assert meant_by("guitar", classes) == ["acousticguitar", "electricguitar", "guitar"]
    assert meant_by("percussion", classes) == ["drums", "percussion"]
    assert meant_by("sitar", classes) == []
    assert len({squashed(name) for name in (*INSTRUMENTS, *STYLES)}) == len(INSTRUMENTS) + len(STYLES)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_is_found_by_its_own_name_in_singular_and_plural(name):
    assert facts_of(f"There is a {name} playing.").instruments == {name}
    assert facts_of(f"{name.removesuffix('s')}s play").instruments == {name}
