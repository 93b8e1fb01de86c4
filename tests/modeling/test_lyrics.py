"""Lyrics beside the sound: nothing changes without them, and they change the answer of their recording alone."""

import pytest
import torch
from elsewhere import predicted_elsewhere
from published_mathrock import RATE, noise
from sameness import alike
from small_mathrock import LYRICS, four_heard, heads_of, inputs_of, make, make_reader

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import differences


@pytest.fixture(scope="module")
def heard() -> dict[str, torch.Tensor]:
    return four_heard()


def test_without_lyrics_the_answer_is_that_of_a_model_without_the_branch_bit_for_bit(heard):
    with_branch, without = make_reader(), make()
    without.load_state_dict({k: v for k, v in with_branch.state_dict().items() if not k.startswith("lyrics.")})
    for one, other in zip(heads_of(with_branch(**heard)), heads_of(without(**heard)), strict=True):
        assert torch.equal(one, other)
    tokens = {"input_ids": torch.ones(4, 3, dtype=torch.long), "text_attention_mask": torch.zeros(4, 3)}
    tokens["text_attention_mask"][2] = 1
    some = heads_of(with_branch(**heard, **tokens))
    for one, other in zip(some, heads_of(without(**heard)), strict=True):
        assert torch.equal(one[[0, 1, 3]], other[[0, 1, 3]])
        assert not torch.equal(one[2], other[2])
    recordings = [noise(12.0), noise(3.0, seed=1)]
    expected = without.predict(recordings, sampling_rate=RATE)
    assert with_branch.predict(recordings, sampling_rate=RATE) == expected
    assert with_branch.predict(recordings, sampling_rate=RATE, lyrics=[None, None]) == expected


def test_lyrics_change_the_answer_of_their_recording_alone():
    model, recordings = make_reader(), [noise(12.0), noise(3.0, seed=1)]
    plain = model.predict(recordings, sampling_rate=RATE)
    told = model.predict(recordings, sampling_rate=RATE, lyrics=[LYRICS, None])
    assert told[0]["emotions"] != plain[0]["emotions"]
    assert told[0]["vibe"] != plain[0]["vibe"]
    assert told[1]["emotions"] == pytest.approx(plain[1]["emotions"], abs=1e-6)
    alone = model.predict(recordings[0], sampling_rate=RATE, lyrics=LYRICS)
    assert alone["emotions"] == pytest.approx(told[0]["emotions"], abs=1e-6)
    assert alone["warnings"] == []
    assert "timeline" in model.predict(recordings[0], sampling_rate=RATE, lyrics=LYRICS, timeline=True)


def test_lyrics_in_forward_are_those_in_predict():
    model, samples = make_reader(), noise(3.0)
    tokens = model.tokenizer(LYRICS, return_tensors="pt")
    assert tokens["input_ids"].shape == (1, 6)
    options = {"input_ids": tokens["input_ids"], "text_attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        output = model(**inputs_of(model, samples), **options)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)
    assert list(answer["emotions"].values()) == pytest.approx(output.logits[0].sigmoid().tolist(), abs=1e-6)


def test_long_lyrics_are_read_to_their_end():
    model = make_reader()
    texts = ["never meant " * 20, "never meant " * 20 + "summer ends"]
    with torch.no_grad():
        one, other = (model.lyrics.read_text(text, model.tokenizer) for text in texts)
        assert (one - other).abs().max() > 1e-4
        # pieces of 10 tokens, of which 8 are words: two pieces, each counting by its tokens
        pieces = [model.tokenizer(text, return_tensors="pt")["input_ids"] for text in ("never meant " * 4, "summer")]
        first, second = (model.lyrics.read(piece)[0][0] for piece in pieces)
        whole = model.lyrics.read_text("never meant " * 4 + "summer", model.tokenizer)
    assert torch.allclose(whole, (10 * first + 3 * second) / 13, atol=1e-6)


def test_a_model_that_reads_no_lyrics_says_so_and_answers():
    model, samples = make(), noise(3.0)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)
    assert answer.pop("warnings")[0] == "lyrics were given, but this model reads none: the sound alone is heard"
    plain = model.predict(samples, sampling_rate=RATE)
    del plain["warnings"]
    assert answer == plain
    with pytest.raises(ValueError, match=r"this model reads no lyrics \(text_config is None\): leave input_ids out"):
        model(**inputs_of(model, samples), input_ids=torch.ones(1, 3, dtype=torch.long))


def test_what_the_answer_rests_on_is_weighed_with_the_lyrics():
    model, samples = make_reader(), noise(3.0)
    told = model.explain(samples, sampling_rate=RATE, lyrics=LYRICS)
    plain = model.explain(samples, sampling_rate=RATE)
    assert alike(told["emotions"], model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)["emotions"])
    assert alike(plain["emotions"], model.predict(samples, sampling_rate=RATE)["emotions"])
    assert told["windows"][0]["tempo"]["wavlm"] != plain["windows"][0]["tempo"]["wavlm"]
    deaf = make().explain(samples, sampling_rate=RATE, lyrics=LYRICS)
    assert deaf["warnings"][0] == "lyrics were given, but this model reads none: the sound alone is heard"


def test_lyrics_that_cannot_be_read_are_named():
    model, samples = make_reader(), noise(3.0)
    answer = model.predict(samples, sampling_rate=RATE, lyrics=" \n")
    assert answer["warnings"][0] == "the lyrics are empty: the sound alone is heard"
    with pytest.raises(ValueError, match="got lyrics of 1 for 2 recordings; give each a str, or None"):
        model.predict([samples, samples], sampling_rate=RATE, lyrics=LYRICS)
    with pytest.raises(ValueError, match="lyrics are int; give each recording a str, or None"):
        model.predict(samples, sampling_rate=RATE, lyrics=[7])
    with pytest.raises(ValueError, match="lyrics are bytes; give each recording a str, or None"):
        model.predict(samples, sampling_rate=RATE, lyrics=b"never meant")
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"reads lyrics, but its folder has no tokenizer: set model\.tokenizer"):
        model.predict(samples, sampling_rate=RATE, lyrics=LYRICS)


@pytest.mark.slow
def test_a_folder_reads_lyrics_without_this_package(tmp_path):
    make_reader().save_pretrained(tmp_path / "reader")
    model = linernotes.load(tmp_path / "reader")
    here = model.predict(sound(3.0, RATE), sampling_rate=RATE, lyrics=LYRICS)
    assert not differences(here, predicted_elsewhere(tmp_path / "reader", 3.0, RATE, lyrics=LYRICS))
    assert here["emotions"] != model.predict(sound(3.0, RATE), sampling_rate=RATE)["emotions"]
