"""A chat about a sound as ids: where the sound is, what is learned, what other templates make of it."""

from types import SimpleNamespace

import pytest
from published_sonicverse import tiny_tokenizer

from linernotes.modeling.chat import DEFAULT_PROMPT, answer_of, conversation, padded, rendered, with_mark

CONFIG = SimpleNamespace(audio_token_id=-9634, audio_tokens=3)
CHATML = (
    "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant ' }}{% endif %}"
)


def chat(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def words(tokenizer, ids: list[int]) -> list[str]:
    return ["~" if i < 0 else tokenizer.convert_ids_to_tokens(i) for i in ids]


def test_without_a_template_it_is_the_one_of_the_original():
    tokenizer = tiny_tokenizer()
    text = rendered(tokenizer, chat("Describe the music. <sound>", "slow jazz"), asking=False)
    assert text == "<s>[INST] Describe the music. <sound> [/INST] slow jazz</s>"
    assert rendered(tokenizer, chat(DEFAULT_PROMPT), asking=True) == "<s>[INST] Describe the music. <sound> [/INST]"


def test_only_what_the_assistant_says_is_learned_with_what_ends_it():
    tokenizer = tiny_tokenizer()
    ids, labels = conversation(tokenizer, chat("describe <sound> music", "slow jazz ."), CONFIG)
    assert words(tokenizer, ids) == [
        "<s>",
        "[INST]",
        "describe",
        "~",
        "~",
        "~",
        "music",
        "[/INST]",
        "slow",
        "jazz",
        ".",
        "</s>",
    ]
    assert labels == [-100] * 8 + ids[8:]


def test_later_questions_are_not_learned_and_later_answers_are():
    tokenizer = tiny_tokenizer()
    ids, labels = conversation(tokenizer, chat("music <sound>", "slow .", "key ?", "A minor ."), CONFIG)
    learned = [word for word, label in zip(words(tokenizer, ids), labels, strict=True) if label != -100]
    assert learned == ["slow", ".", "</s>", "A", "minor", ".", "</s>"]
    assert ids.count(-9634) == 3


def test_the_template_of_the_tokenizer_goes_first():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHATML
    ids, labels = conversation(tokenizer, chat("music <sound>", "slow ."), CONFIG)
    learned = [word for word, label in zip(words(tokenizer, ids), labels, strict=True) if label != -100]
    assert learned == ["slow", ".", "</s>"]


def test_prompts_get_the_mark_where_they_have_none():
    assert with_mark(None) == DEFAULT_PROMPT
    assert with_mark("What key?") == "What key? <sound>"
    assert with_mark("<sound> What key?") == "<sound> What key?"


@pytest.mark.parametrize(
    "contents", [("no mark", "jazz"), ("<sound> <sound>", "jazz"), ("music", "jazz <sound>"), ("<sound>", "<sound>")]
)
def test_the_mark_is_there_once_and_a_user_says_it(contents):
    with pytest.raises(ValueError, match=r"the conversation has <sound> \d times; a user must say it, once"):
        conversation(tiny_tokenizer(), chat(*contents), CONFIG)


def test_a_template_that_rewrites_what_was_said_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ValueError, match="chat template changes earlier messages when others follow"):
        conversation(tokenizer, chat("music <sound>", "jazz"), CONFIG)


def test_rows_are_filled_up_on_either_side():
    ids, mask = padded([[1, 2, 3], [4]], 9)
    assert (ids.tolist(), mask.tolist()) == ([[1, 2, 3], [4, 9, 9]], [[1, 1, 1], [1, 0, 0]])
    ids, mask = padded([[1, 2, 3], [4]], 9, left=True)
    assert (ids.tolist(), mask.tolist()) == ([[1, 2, 3], [9, 9, 4]], [[1, 1, 1], [0, 0, 1]])


def test_an_answer_is_one_line():
    assert answer_of("  A song.\n\n In C. ") == "A song. In C."


@pytest.mark.parametrize(
    ("text", "is_whole", "expected"),
    [
        (" A song.\n  In A minor ", True, "A song. In A minor"),
        ("A song. It is fast! The", False, "A song. It is fast!"),
        ("A song. In 3.5", False, "A song."),
        ("A song without an end", False, "A song without an end"),
        ("A song.", False, "A song."),
    ],
)
def test_of_an_answer_that_is_cut_off_whole_sentences_are_kept(text, is_whole, expected):
    assert answer_of(text, is_whole) == expected
