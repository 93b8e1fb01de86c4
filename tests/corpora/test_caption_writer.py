"""Captions from facts: nothing is stated that does not hold, words vary, the test's sentences are its own."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora import caption_grammar as grammar
from linernotes.corpora.caption_writer import captions_of, joined, with_article, write_caption
from linernotes.corpora.music_facts import STYLES, MusicFacts
from linernotes.modeling.caption_facts import facts_of
from linernotes.modeling.chat import MARK
from linernotes.modeling.music_tags import KEYS
from linernotes.modeling.music_words import KINDS

FULL = MusicFacts(
    key="C# minor",
    tempo="slow",
    meter="7/8",
    vocals="female",
    instruments=("bass", "electric guitar"),
    styles=("rock",),
    moods=("sad",),
)


def some(options):
    return st.none() | st.sampled_from(options)


musics = st.builds(
    MusicFacts,
    key=some(KEYS),
    tempo=some(sorted(grammar.TEMPOS)),
    meter=some(["4/4", "3/4", "6/8", "5/4", "7/8", "11/8"]),
    vocals=some(sorted(grammar.SUNG)),
    instruments=st.none() | st.sets(st.sampled_from(sorted(grammar.NAMES)), max_size=6).map(sorted).map(tuple),
    styles=some([(style,) for style in sorted(set(STYLES.values()))]),
    moods=st.none() | st.sets(st.sampled_from(sorted(grammar.MOODS))).map(sorted).map(tuple),
)


def assert_true_of(caption: str, facts: MusicFacts) -> None:
    said = facts_of(caption)
    for kind in ("key", "tempo", "meter", "vocals"):
        assert getattr(said, kind) in (None, getattr(facts, kind)), caption
    there = set(facts.instruments or ())
    assert said.instruments <= there, caption
    assert said.styles <= set(facts.styles or ()), caption
    assert not any({name, *KINDS.get(name, ())} & there for name in said.absent), caption


@settings(max_examples=400, deadline=None)
@given(facts=musics, seed=st.integers(0, 10_000), withheld=st.booleans())
def test_the_parser_reads_nothing_from_a_caption_that_does_not_hold(facts, seed, withheld):
    assert_true_of(write_caption(facts, np.random.default_rng(seed), withheld), facts)


@pytest.mark.parametrize("withheld", [False, True])
def test_all_that_is_known_is_told_sooner_or_later(withheld):
    captions = [write_caption(FULL, np.random.default_rng(seed), withheld) for seed in range(60)]
    said = [facts_of(caption) for caption in captions]
    for kind in ("key", "tempo", "meter", "vocals"):
        assert {getattr(each, kind) for each in said} == {None, getattr(FULL, kind)}
    assert set().union(*(each.instruments for each in said)) == set(FULL.instruments)
    assert set().union(*(each.absent for each in said)) >= {"drums"}
    assert len(set(captions)) >= 58, "captions of one recording are differently worded"


def test_nothing_is_said_of_what_nobody_knows():
    assert {facts_of(text) for text in captions_of(MusicFacts(), "a clip", 20)} == {facts_of("A piece of music.")}
    assert not facts_of(" ".join(captions_of(MusicFacts(instruments=("drums",), complete=False), "b", 30))).absent


def test_the_same_clip_has_the_same_references():
    assert captions_of(FULL, "clip 1", 3) == captions_of(FULL, "clip 1", 3)
    assert captions_of(FULL, "clip 1", 3) != captions_of(FULL, "clip 2", 3)


def test_the_sentences_of_the_test_are_not_learned():
    learnt, withheld = (
        {text for table in tables for texts in table.values() for text in texts} - {"{Voice}"}
        for tables in ((grammar.LEARNT, grammar.LEARNT_NEXT), (grammar.WITHHELD, grammar.WITHHELD_NEXT))
    )
    assert not learnt & withheld
    assert len(learnt) >= 50
    assert len(withheld) >= 25
    for tables in ((grammar.LEARNT, grammar.LEARNT_NEXT), (grammar.WITHHELD, grammar.WITHHELD_NEXT)):
        assert set("iktmvn") <= set(tables[1]), "whatever is to be told has a sentence of its own"


def test_there_are_seventeen_prompts_each_with_the_mark_once():
    assert len(set(grammar.PROMPTS)) == 17
    assert all(prompt.count(MARK) == 1 for prompt in grammar.PROMPTS)


def test_every_name_means_its_instrument():
    for name, words in itertools.chain(grammar.NAMES.items(), grammar.ABSENT.items()):
        for word in words:
            assert facts_of(f"Here plays {word}.").instruments == {name}, word


def test_lists_and_articles():
    assert [joined(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [with_article(words) for words in ("oboe", "jazz piece")] == ["an oboe", "a jazz piece"]
