"""What SonicVerse says of recordings: five facts, captions that agree with them, long stories."""

import json

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from published_sonicverse import (
    RATE,
    TASKS,
    noise,
)
from small_sonicverse import inputs_of, made_of, make, says, sure_of

from linernotes.hub_upload.clean import differences
from linernotes.modeling.audio import AudioError
from linernotes.modeling.caption_facts import facts_of

# What it says


def test_the_answer_has_the_five_facts_with_probabilities_and_is_plain_json():
    model = make()
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert json.loads(json.dumps(answer)) == answer
    assert list(answer)[:2] == ["model", "caption"]
    for key, task in (("key", "key_detection"), ("vocals", "vocals_detection")):
        assert list(answer[key]["probabilities"]) == TASKS[task]["classes"]
        assert sum(answer[key]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer[key]["confidence"] == answer[key]["probabilities"][answer[key]["label"]]
    for key in ("instruments", "moods", "genres"):
        assert answer[key]["labels"] == sorted(
            (name for name, share in answer[key]["probabilities"].items() if share >= 0.5),
            key=answer[key]["probabilities"].get, reverse=True,
        )  # fmt: skip
    assert (answer["caption_start_seconds"], answer["caption_end_seconds"]) == (0, 6)
    assert answer["warnings"] == []


def test_thresholds_and_temperatures_are_each_task_s_own():
    plain, samples = make(), noise(6.0)
    tasks = {name: dict(task) for name, task in TASKS.items()}
    tasks["instrument_detection"]["thresholds"] = [0.0, 1.1, 1.1, 1.1]
    tasks["key_detection"] |= {"temperature": 100.0, "abstain_below": 0.5}
    answer = make(tasks=tasks).predict(samples, sampling_rate=RATE)
    assert answer["instruments"]["labels"] == ["piano"]
    assert answer["key"]["confidence"] == pytest.approx(1 / 3, abs=0.02)
    assert (answer["key"]["uncertain"], answer["vocals"]["uncertain"], answer["uncertain"]) == (True, False, False)
    with torch.no_grad():
        logits = plain(**inputs_of(plain, samples)).task_logits["key_detection"][0]
    shares = (logits / 100).softmax(-1)
    assert list(answer["key"]["probabilities"].values()) == pytest.approx(shares.tolist(), abs=1e-5)


def test_where_vocals_and_instruments_disagree_about_a_voice_it_is_uncertain():
    model = make(tasks=TASKS | {"instrument_detection": {"classes": ["piano", "voice", "drums", "violin"]}})
    sure_of(model, vocals="instrumental", instrument="guitar")  # the second of them
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert (answer["vocals"]["label"], answer["vocals"]["uncertain"]) == ("instrumental", True)
    sure_of(model, instrument="piano")
    assert not model.predict(noise(6.0), sampling_rate=RATE)["vocals"]["uncertain"]


def test_where_nothing_is_sure_the_answer_is_uncertain():
    tasks = {name: task | {"thresholds": [1.1] * len(task["classes"])} for name, task in TASKS.items()}
    for name in ("key_detection", "vocals_detection"):
        tasks[name] = TASKS[name] | {"abstain_below": 1.0}
    answer = make(tasks=tasks).predict(noise(6.0), sampling_rate=RATE)
    assert (answer["uncertain"], answer["instruments"]["labels"]) == (True, [])
    with pytest.raises(StrictDataclassError, match=r"abstain_below of key_detection is 2; it must be from 0 to 1"):
        make(tasks={"key_detection": TASKS["key_detection"] | {"abstain_below": 2}})
    with pytest.raises(
        StrictDataclassError,
        match=r"abstain_below is 0\.5; key and vocals have their own: set those, in tasks",
    ):
        make(abstain_below=0.5)


def test_silence_is_called_so_and_nothing_is_claimed_of_it():
    model = make()
    calls = says(model, "slow jazz .")
    answer = model.predict(np.zeros(12 * RATE, np.float32), sampling_rate=RATE, long=True)
    assert (answer["caption"], answer["uncertain"]) == ("Silence.", True)
    assert all(answer[name]["labels"] == [] for name in ("instruments", "moods", "genres"))
    assert answer["key"]["uncertain"]
    assert answer["vocals"]["uncertain"]
    assert answer["segments"] == [{"start_seconds": 0.0, "end_seconds": 12.0, "caption": "Silence."}]
    assert answer["story"] == "0:00-0:12: Silence."
    assert calls == [], "no word is asked for"


def test_a_silent_section_between_others_is_told_as_silence():
    model = make()
    says(model, "slow jazz .")
    gap = np.zeros(15 * RATE, np.float32)
    recording = np.concatenate([noise(20.0, level=0.2), gap, noise(20.0, 1, level=0.2)])
    answer = model.predict(recording, sampling_rate=RATE, long=True)
    spans = [(each["start_seconds"], each["end_seconds"], each["caption"]) for each in answer["segments"]]
    assert spans == [(0.0, 20.0, "slow jazz ."), (20.0, 35.0, "Silence."), (35.0, 55.0, "slow jazz .")]
    assert [set(each) >= {"key", "vocals"} for each in answer["segments"]] == [True, False, True]
    assert "0:20-0:35: " in answer["story"]
    assert "Silence." in answer["story"].splitlines()[1]


def test_a_prompt_longer_than_the_language_model_reads_is_refused():
    model = make()
    most = model.config.text_config.max_position_embeddings
    with pytest.raises(ValueError, match=rf"language model reads {most} at most: shorten the prompt"):
        model.predict(noise(2.0), sampling_rate=RATE, prompt="music " * most)


@pytest.mark.parametrize("wanted", [0, -1, 1.5, 2.0, True, "5", float("nan")])
def test_a_caption_of_no_whole_number_of_words_is_refused(wanted):
    message = f"max_new_tokens is {wanted!r}; it must be a whole number, 1 or more"
    with pytest.raises(ValueError, match=message):
        make().predict(noise(1.0), sampling_rate=RATE, max_new_tokens=wanted)


def test_a_caption_may_be_as_long_as_a_number_of_numpy_says():
    asked, model = noise(1.0), make()
    answers = [model.predict(asked, sampling_rate=RATE, max_new_tokens=most) for most in (3, np.int64(3))]
    assert answers[0] == answers[1]


def test_an_option_that_there_is_not_is_refused_by_name():
    with pytest.raises(TypeError, match=r"MusicModel\.predict\(\) got an unexpected keyword argument 'temperature'"):
        make().predict(noise(2.0), sampling_rate=RATE, temperature=0.5)


def test_predict_is_the_same_alone_and_in_a_batch_and_leaves_the_mode():
    model = make().train()
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((13.0, 3.3, 12.0))]
    together = model.predict(recordings, sampling_rate=RATE, batch_size=4)
    for samples, answer in zip(recordings, together, strict=True):
        alone = model.predict(samples, sampling_rate=RATE, batch_size=1)
        assert answer["caption"] == alone["caption"]
        assert not differences(answer, alone)
    assert model.training


def test_a_prompt_is_asked_with_the_sound_in_it():
    model = make()
    calls = []
    generate = model.generate
    model.generate = lambda ids, **options: (calls.append(ids), generate(ids, **options))[1]
    model.predict(noise(2.0), sampling_rate=RATE, prompt="what is the key")
    model.predict(noise(2.0), sampling_rate=RATE, prompt="describe <sound> music", grounded=False)
    for ids, expected in zip(calls, ("what is the key <sound> [/INST]", "describe <sound> music [/INST]"), strict=True):
        expected = f"[INST] {expected}".replace("<sound>", " ".join(["<sound>"] * model.config.audio_tokens))
        words = ["<sound>" if i < 0 else model.tokenizer.convert_ids_to_tokens(i) for i in ids[0].tolist()[1:]]
        assert [w if w != "<unk>" else "what" for w in words] == expected.split()
    for prompt in ("", "<sound> <sound>", 7):
        with pytest.raises(ValueError, match=r"prompt is .*; it must be text, with <sound> in it once at most"):
            model.predict(noise(2.0), sampling_rate=RATE, prompt=prompt)


def test_a_long_recording_s_caption_says_which_thirty_seconds_it_describes():
    model = make()
    answer = model.predict(noise(75.0, level=0.2), sampling_rate=RATE)
    assert (answer["caption_start_seconds"], answer["caption_end_seconds"]) == (20, 50)
    assert answer["warnings"] == [
        "the caption describes 0:20-0:50 of 1:15; long=True (--long) describes the whole recording"
    ]
    assert answer["heard_seconds"] == 75


def test_without_a_language_model_facts_are_answered_and_how_to_get_captions():
    model, whole = make(has_language_model=False, text_name="you/tiny-llama"), make()
    model.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("language_model.")})
    answer, expected = (each.predict(noise(6.0), sampling_rate=RATE, long=True) for each in (model, whole))
    assert answer["caption"] is None
    for key in ("key", "vocals", "instruments", "moods", "genres"):
        assert not differences(answer[key], expected[key])
    assert answer["warnings"] == [
        "captions need the language model, which is not here: model.add_language_model('you/tiny-llama') fetches it "
        "from the Hub, or reads it from a folder"
    ]
    assert answer["segments"][0]["caption"] is None
    assert answer["story"].startswith("0:00-0:06: ")
    with pytest.raises(ValueError, match=r"has no language model here: model\.add_language_model\('you/tiny-llama'\)"):
        model(**inputs_of(model, noise(1.0)), input_ids=torch.ones(1, 20, dtype=torch.long))


# Captions that agree


FALSE, TRUE = "female vocals with piano . jazz music .", "slow jazz with piano . no vocals ."


def test_a_caption_that_contradicts_the_heads_is_exchanged_for_one_that_does_not():
    model = make()
    sure_of(model, vocals="instrumental", instrument="piano")
    says(model, FALSE)
    assert model.predict(noise(6.0), sampling_rate=RATE, grounded=False)["caption"].startswith("female vocals")
    calls = says(model, FALSE, FALSE, TRUE, "drums . no vocals .")
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert facts_of(answer["caption"]).vocals == "instrumental"
    assert answer["caption"].startswith("slow jazz with piano")
    assert "withheld" not in answer
    assert [call["rows"] for call in calls] == [1, 3]
    assert "logits_processor" in calls[1]


def test_what_contradicts_in_every_candidate_is_withheld():
    model = make()
    sure_of(model, vocals="instrumental")
    says(model, FALSE)
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert answer["caption"] == "jazz music ."
    assert answer["withheld"] == ["female vocals with piano ."]


def test_a_caption_that_states_nothing_gives_way_to_one_that_does():
    model = make()
    sure_of(model, vocals="instrumental", instrument="piano")
    says(model, "this is a track .", "a recording .", TRUE, "a track .")
    assert model.predict(noise(6.0), sampling_rate=RATE)["caption"].startswith("slow jazz with piano")
    says(model, "this is a track .")
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert facts_of(answer["caption"]).instruments == {"piano"}, "in our own words, for no candidate says anything"
    assert "withheld" not in answer
    assert model.predict(noise(6.0), sampling_rate=RATE, grounded=False)["caption"].startswith("this is a")


def test_where_nothing_is_left_the_facts_are_said():
    model = make()
    sure_of(model, vocals="instrumental", key="A minor", instrument="piano", genre="jazz")
    says(model, "a female voice sings in C major .")
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert answer["caption"] == "Jazz music in A minor with piano and no singing."
    assert facts_of(answer["caption"]).key == "A minor"
    assert facts_of(answer["caption"]).vocals == "instrumental"


def test_heads_that_are_not_sure_change_no_caption():
    model = make()
    says(model, FALSE)
    with torch.no_grad():
        for name in TASKS:
            model.projector.get_submodule(name).output.weight.zero_()
            model.projector.get_submodule(name).output.bias.zero_()
    assert model.predict(noise(6.0), sampling_rate=RATE)["caption"] == FALSE


def test_a_real_tiny_language_model_never_contradicts_a_sure_head():
    model = make(max_new_tokens=20)
    sure_of(model, vocals="instrumental", key="A minor")
    recordings = [noise(2.0, seed=seed, level=0.3) for seed in range(6)]
    answers = model.predict(recordings, sampling_rate=RATE)
    free = model.predict(recordings, sampling_rate=RATE, grounded=False)
    for answer in answers:
        facts = facts_of(answer["caption"])
        assert facts.vocals in (None, "instrumental")
        assert facts.key in (None, "A minor")
    assert any(facts_of(answer["caption"]).vocals not in (None, "instrumental") for answer in free)
    torch.manual_seed(5)
    assert model.predict(recordings, sampling_rate=RATE) == answers  # the candidates are always the same
    alone = model.predict(recordings, sampling_rate=RATE, batch_size=1)
    assert [answer["caption"] for answer in alone] == [answer["caption"] for answer in answers]


# Long recordings


def test_changes_of_a_made_recording_are_named_within_a_second():
    model = make()
    answer = model.predict(made_of(17.3, 12.9, 21.6), sampling_rate=RATE, long=True)
    starts = [part["start_seconds"] for part in answer["segments"]]
    assert starts == pytest.approx([0, 17.3, 30.2], abs=1.0)
    ends = [part["end_seconds"] for part in answer["segments"]]
    assert ends == [*starts[1:], answer["duration_seconds"]]
    assert all(isinstance(part["caption"], str) and part["key"]["label"] for part in answer["segments"])
    assert answer["story"].splitlines()[0].startswith("0:00-")
    assert json.loads(json.dumps(answer)) == answer


def test_a_change_within_a_window_is_found_by_a_model_that_scales_its_windows():
    samples = made_of(15.3, 12.0, 8.9)
    samples[: round(15.3 * RATE)] *= 0.1  # what follows is louder, and in the same window scales it down
    answer = make(do_normalize=True, max_new_tokens=1).predict(samples, sampling_rate=RATE, long=True)
    starts = [part["start_seconds"] for part in answer["segments"]]
    assert starts == pytest.approx([0, 15.3, 27.3], abs=0.5)
    assert answer["warnings"] == []


TEN_MINUTES = (25.3, 31.0, 48.2, 22.7, 60.1, 35.5, 42.0, 28.8, 55.6, 41.3, 33.9, 29.2, 44.4, 50.0, 52.0)


def test_in_ten_minutes_no_change_is_missed():
    answer = make(max_new_tokens=2).predict(made_of(*TEN_MINUTES), sampling_rate=RATE, long=True)
    starts = np.array([part["start_seconds"] for part in answer["segments"]])
    changes = np.cumsum((0, *TEN_MINUTES[:-1]))
    assert max(np.abs(starts - change).min() for change in changes) < 0.5
    assert answer["duration_seconds"] == answer["segments"][-1]["end_seconds"] == 600


def test_no_section_is_longer_than_a_caption_may_be_about():
    model = make(caption_seconds=10.0)
    answer = model.predict(noise(34.0), sampling_rate=RATE, long=True)
    lengths = [part["end_seconds"] - part["start_seconds"] for part in answer["segments"]]
    assert max(lengths) <= 10
    assert sum(lengths) == pytest.approx(34)


def test_a_section_s_facts_are_those_of_its_own_sound():
    model = make()
    answer = model.predict(made_of(16.0, 14.0), sampling_rate=RATE, long=True)
    last = answer["segments"][-1]
    alone = model.predict(made_of(16.0, 14.0)[-round(8 * RATE) :], sampling_rate=RATE)
    for label, share in last["key"]["probabilities"].items():
        assert share == pytest.approx(alone["key"]["probabilities"][label], abs=0.1)


def test_as_published_every_window_is_a_section():
    answer = make(original_pooling=True).predict(noise(23.0), sampling_rate=RATE, long=True)
    assert [part["end_seconds"] for part in answer["segments"]] == [10, 20, 23]


def test_memory_holds_no_frames_of_a_long_recording():
    model, kept = make(), []
    write = model._write
    model._write = lambda asked, *rest: (kept.extend(about for _, about in asked), write(asked, *rest))[1]
    model.predict(noise(61.0), sampling_rate=RATE, long=True)
    assert len(kept) <= 1 + 61 / 6
    assert all(about.content.shape == (32,) and about.shared.shape == (5, 12) for about in kept)


def test_bad_recordings_are_recorded_and_the_others_told(tmp_path):
    model = make()
    answers = model.predict(
        [noise(2.0), tmp_path / "nowhere.wav", noise(0.1)], sampling_rate=RATE, long=True, errors="record"
    )
    assert answers[0]["story"]
    assert [answer["error"]["code"] for answer in answers[1:]] == ["not_found", "too_short"]
    with pytest.raises(AudioError):
        model.predict(noise(0.1), sampling_rate=RATE)
    silent = model.predict(np.zeros(6 * RATE, np.float32), sampling_rate=RATE)
    assert silent["uncertain"] is True
    assert "silent" in silent["warnings"][0]
