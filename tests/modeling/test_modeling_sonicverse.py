"""SonicVerse: the published sizes and numbers, sound in a chat, the losses, captions that agree, folders."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from published_sonicverse import (
    RATE,
    SIZES,
    TASKS,
    TINY_AUDIO,
    TINY_TEXT,
    PublishedProjector,
    audio_config,
    noise,
    text_config,
    tiny_tokenizer,
)
from transformers import HubertModel, LlamaForCausalLM

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import SCRIPT, SECONDS, ask, clean_environment, differences
from linernotes.modeling.audio import AudioError
from linernotes.modeling.caption_facts import facts_of
from linernotes.modeling.chat import DEFAULT_PROMPT, conversation, encoded, padded, rendered
from linernotes.modeling.configuration_sonicverse import SonicVerseConfig
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model
from linernotes.modeling.music_tags import CLASSES
from linernotes.modeling.projector import Pooled


def make(**options) -> Model:
    torch.manual_seed(0)
    parts = {"audio_config": TINY_AUDIO, "text_config": TINY_TEXT, "tasks": TASKS}
    model = Model(SonicVerseConfig(**parts | SIZES | options)).eval()
    for name, parameter in model.named_parameters():
        if name.startswith("projector.") and "aggregator" in name:
            torch.nn.init.normal_(parameter)
        elif name.startswith("language_model."):
            torch.nn.init.normal_(parameter, std=0.3 if parameter.dim() > 1 else 1.0)
    if model.language_model is not None:
        model.tokenizer = tiny_tokenizer()
    return model


def inputs_of(model: Model, *recordings: np.ndarray) -> dict[str, torch.Tensor]:
    found = model.feature_extractor(list(recordings), sampling_rate=RATE, padding=True, return_tensors="pt")
    return {"input_values": found.input_values, "audio_attention_mask": found.attention_mask}


def asked(model: Model, *prompts: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Chats of one question each, padded on the left."""
    places = [model.config.audio_token_id] * model.config.audio_tokens
    rows = []
    for prompt in prompts:
        text = rendered(model.tokenizer, [{"role": "user", "content": prompt}], asking=True)
        rows.append(encoded(model.tokenizer, text, places))
    return padded(rows, model.config.text_config.pad_token_id, left=True)


def says(model: Model, *captions: str) -> list[str]:
    """Makes the language model say these, one call after the other (the last for ever); returns what is asked of it."""
    calls, left = [], list(captions)

    def generate(input_ids, **options):
        calls.append(options)
        rows = len(input_ids) * options.get("num_return_sequences", 1)
        texts = [left.pop(0) if len(left) > 1 else left[0] for _ in range(rows)]
        return padded([model.tokenizer(text)["input_ids"] for text in texts], 3)[0]

    model.generate = generate
    return calls


# Sizes and numbers of the original


def test_the_published_projector_has_the_published_number_of_weights():
    with torch.device("meta"):
        model = Model(SonicVerseConfig(has_language_model=False))
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.projector.named_children()}
    heads = sum(parts[name] for name in CLASSES)
    tokens = sum(parts[f"{name}_projector"] for name in CLASSES)
    assert (parts["lmm_projector"], tokens, heads, parts["backbone"]) == (797_245_453, 339_148_800, 710_675, 393_728)
    assert sum(parts.values()) == 1_137_498_656
    assert model.config.audio_tokens == 60
    assert [len(task["classes"]) for task in model.config.tasks.values()] == [40, 56, 87, 24, 3]
    assert model.config.text_config.model_type == "mistral"


def test_weights_have_the_names_of_the_original_checkpoint():
    names = set(make().projector.state_dict())
    assert {
        "backbone.hidden_layer_1.weight", "lmm_projector.aggregator", "lmm_projector.layers.2.3.bias",
        "key_detection.aggregator", "key_detection.hidden_layer_1.weight", "key_detection.output.bias",
        "vocals_detection_projector.layers.1.1.weight",
    } <= names  # fmt: skip
    assert make().projector.key_detection.aggregator.shape == (3, 1, 1)
    assert make().projector.lmm_projector.aggregator.shape == (3,)


@pytest.mark.parametrize("seconds", [2.0, 12.0])
def test_published_weights_give_the_published_logits_and_tokens(seconds):
    torch.manual_seed(3)
    tasks = {name: len(task["classes"]) for name, task in TASKS.items()}
    theirs = PublishedProjector(tasks, TINY_AUDIO["hidden_size"], TINY_TEXT["hidden_size"], 3, SIZES)
    model = make(original_pooling=True)
    model.projector.load_state_dict(theirs.state_dict(), strict=True)
    inputs = inputs_of(model, noise(seconds), noise(1.0, seed=1))
    with torch.no_grad():
        output = model(**inputs)
        for row, length in enumerate((seconds, 1.0)):
            states = HubertModel.forward(
                model.audio_encoder,
                inputs["input_values"][row : row + 1, : round(length * RATE)],
                output_hidden_states=True,
            ).hidden_states
            logits, tokens = theirs(torch.cat(states))
            assert torch.allclose(output.audio_tokens[row], tokens, rtol=1e-4, atol=1e-4)
            for name in tasks:
                assert torch.allclose(output.task_logits[name][row], logits[name], rtol=1e-4, atol=1e-3)
    assert (states[0].shape[1] < 760) or seconds > 10
    model.projector.frames = None
    with torch.no_grad():
        assert (model(**inputs).audio_tokens - output.audio_tokens).abs().max() > 1e-2


def test_the_order_of_the_tokens_outlives_a_config_file(tmp_path):
    tasks = {name: TASKS[name] for name in reversed(TASKS)}
    assert list(SonicVerseConfig(tasks=tasks).tasks) == list(TASKS) == list(CLASSES)
    model = make(tasks=tasks)
    model.save_pretrained(tmp_path)
    loaded = linernotes.load(tmp_path)
    assert list(loaded.config.tasks) == list(TASKS)
    with torch.no_grad():
        tokens, again = (each(**inputs_of(each, noise(1.0))).audio_tokens for each in (model, loaded))
    assert torch.equal(tokens, again)


def test_by_default_layers_are_weighed_and_frames_averaged():
    model = make()
    inputs = inputs_of(model, noise(2.0))
    with torch.no_grad():
        states, _ = model.encode(*inputs.values())
        output = model(**inputs)
        projector, head = model.projector, model.projector.key_detection
        weights = head.aggregator.flatten().softmax(0)
        heard = F.relu(projector.backbone.hidden_layer_1(states[0])).mean(1)  # (layers, size)
        expected = head.output(F.relu(head.hidden_layer_1((weights[:, None] * heard).sum(0))))
        assert torch.allclose(output.task_logits["key_detection"][0], expected, atol=1e-5)
        content = (projector.lmm_projector.aggregator.softmax(0)[:, None] * states[0].mean(1)).sum(0)
        first = projector.lmm_projector.layers[0](content)
    assert torch.allclose(output.audio_tokens[0, 0], first, atol=1e-5)
    assert output.audio_tokens.shape == (1, 3 + 5 * 2, 48)
    expected = projector.vocals_detection_projector.layers[1](output.task_logits["vocals_detection"][0])
    assert torch.allclose(output.audio_tokens[0, -1], expected, atol=1e-5)


def test_every_hidden_state_of_the_encoder_is_heard():
    model = make()
    states, mask = model.encode(*inputs_of(model, noise(1.0)).values())
    assert states.shape[1] == TINY_AUDIO["num_hidden_layers"] + 1
    whole = model.audio_encoder(torch.from_numpy(noise(1.0))[None], output_hidden_states=True)
    assert torch.allclose(states[0], torch.cat(whole.hidden_states), atol=1e-5)
    assert mask.all()


# Batches and padding


def test_padding_and_company_change_no_answer():
    model = make()
    recordings = [noise(seconds, seed=seed) for seed, seconds in enumerate((4.0, 1.21, 3.0, 1.21))]
    inputs = inputs_of(model, *recordings)
    inputs["input_values"] = inputs["input_values"] + (1 - inputs["audio_attention_mask"]) * 7.0  # nobody may hear it
    ids, mask = asked(model, "describe the music . <sound>", "<sound> jazz ?", "what <sound>", "a b c d e f <sound>")
    with torch.no_grad():
        together = model(**inputs, input_ids=ids, attention_mask=mask)
        for row, samples in enumerate(recordings):
            kept = ids[row : row + 1, mask[row].bool()]
            alone = model(**inputs_of(model, samples), input_ids=kept)
            assert torch.allclose(together.audio_tokens[row], alone.audio_tokens[0], atol=1e-5)
            assert torch.allclose(together.logits[row, mask[row].bool()], alone.logits[0], atol=1e-4)
            for name, logits in alone.task_logits.items():
                assert torch.allclose(together.task_logits[name][row], logits[0], atol=1e-5)


def test_the_sound_stands_in_its_place_and_nowhere_else():
    model = make()
    ids, _ = asked(model, "describe <sound> music")
    place = ids[0] == model.config.audio_token_id
    tokens = torch.randn(1, model.config.audio_tokens, 48)
    embeds = model.embedded(ids, tokens)
    words = model.get_input_embeddings()(ids[0, ~place])
    assert torch.equal(embeds[0, place], tokens[0])
    assert torch.equal(embeds[0, ~place], words)
    decoded = model.tokenizer.decode(ids[0, ~place])
    assert decoded.split() == ["<s>", "[INST]", "describe", "music", "[/INST]"]


def test_generation_with_a_cache_and_in_a_batch_says_what_it_says_without_and_alone():
    model = make()
    recordings = [noise(1.5, seed=seed) for seed in range(3)]
    prompts = ("describe the music . <sound>", "<sound> jazz ?", "what is the key of it ? <sound>")
    ids, mask = asked(model, *prompts)
    options = {"max_new_tokens": 10, "do_sample": False}
    together = model.generate(ids, mask, **inputs_of(model, *recordings), **options)
    assert together.shape[0] == 3
    assert torch.equal(together, model.generate(ids, mask, **inputs_of(model, *recordings), use_cache=False, **options))
    for row, (samples, prompt) in enumerate(zip(recordings, prompts, strict=True)):
        alone = model.generate(*asked(model, prompt), **inputs_of(model, samples), **options)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()
    beams = model.generate(ids, mask, **inputs_of(model, *recordings), num_beams=3, num_return_sequences=2, **options)
    assert len(beams) == 6


def test_generation_is_the_likeliest_word_each_time():
    model = make()
    ids, _ = asked(model, DEFAULT_PROMPT)
    inputs = inputs_of(model, noise(1.5))
    said = model.generate(ids, **inputs, max_new_tokens=5, min_new_tokens=5, do_sample=False, eos_token_id=None)
    for number in range(5):
        with torch.no_grad():
            logits = model(**inputs, input_ids=torch.cat((ids, said[:, :number]), dim=1)).logits
        assert logits[0, -1].argmax() == said[0, number]


# Learning


def learned(model: Model, *answers: str) -> dict[str, torch.Tensor]:
    rows = [
        conversation(
            model.tokenizer,
            [{"role": "user", "content": DEFAULT_PROMPT}, {"role": "assistant", "content": answer}],
            model.config,
        )
        for answer in answers
    ]
    ids, mask = padded([ids for ids, _ in rows], 3)
    labels, _ = padded([labels for _, labels in rows], -100)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def test_the_loss_of_words_is_that_of_the_answer_alone():
    model = make()
    chat, inputs = learned(model, "slow jazz with piano", "rock ."), inputs_of(model, noise(1.0), noise(1.0, 1))
    output = model(**inputs, **chat)
    labels, logs = chat["labels"], output.logits.log_softmax(-1)
    terms = [
        -logs[row, place - 1, labels[row, place]].item()
        for row in range(2)
        for place in range(labels.shape[1])
        if labels[row, place] != -100
    ]
    assert len(terms) == (4 + 1) + (2 + 1)  # with what ends each
    assert output.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    nothing = model(**inputs, **chat | {"labels": torch.full_like(labels, -100)})
    assert nothing.loss.item() == 0


def test_the_whole_loss_adds_each_task_by_its_weight():
    tasks = {"key_detection": TASKS["key_detection"] | {"weight": 0.5}, "mood_detection": TASKS["mood_detection"]}
    model = make(tasks=tasks)
    inputs = inputs_of(model, noise(1.0), noise(1.0, 1))
    chat = learned(model, "slow jazz", "rock .")
    tasks = {"key_detection": torch.tensor([1, -100]), "mood_detection": torch.tensor([[1.0, torch.nan], [-100, 0]])}
    words = model(**inputs, **chat).loss.item()
    output = model(**inputs, **chat, task_labels=tasks)
    key, mood = output.task_logits["key_detection"], output.task_logits["mood_detection"]
    key_loss = F.binary_cross_entropy_with_logits(key[0], torch.tensor([0.0, 1, 0])).item()
    known = torch.stack((mood[0, 0], mood[1, 1]))
    mood_loss = F.binary_cross_entropy_with_logits(known, torch.tensor([1.0, 0])).item()
    assert output.loss.item() == pytest.approx(words + 0.5 * key_loss + 0.1 * mood_loss, rel=1e-5)
    alone = model(**inputs, task_labels=tasks)
    assert alone.loss.item() == pytest.approx(0.5 * key_loss + 0.1 * mood_loss, rel=1e-5)
    assert alone.logits is None
    unknown = model(**inputs, task_labels={"mood_detection": torch.full((2, 2), torch.nan)}).loss
    assert unknown.item() == 0
    assert model(**inputs).loss is None


def test_checkpointing_the_language_model_s_layers_changes_no_gradient():
    model = make().train()
    inputs = inputs_of(model, noise(1.0)) | learned(model, "slow jazz")
    gradients, layers = [], model.language_model.model.layers
    for _ in range(2):
        torch.manual_seed(1)
        model.zero_grad()
        model(**inputs).loss.backward()
        gradients.append(model.projector.lmm_projector.layers[0][1].weight.grad.clone())
        model.gradient_checkpointing_enable()
    assert layers[0].gradient_checkpointing
    assert torch.allclose(*gradients, atol=1e-6)
    assert gradients[0].any()


def test_both_kinds_of_attention_say_the_same():
    model = make()
    ids, mask = asked(model, "describe the music . <sound>", "<sound> jazz ?")
    inputs = inputs_of(model, noise(1.0), noise(2.0, 1)) | {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        one = model(**inputs)
        model.set_attn_implementation("eager")
        other = model(**inputs, output_attentions=True, output_hidden_states=True)
    assert torch.allclose(one.audio_tokens, other.audio_tokens, atol=1e-5)
    assert torch.allclose(one.logits[mask.bool()], other.logits[mask.bool()], atol=1e-4)
    assert (len(other.attentions), len(other.hidden_states)) == (2, 3)


def test_what_is_known_of_the_sound_may_be_stored():
    model = make()
    inputs, chat = inputs_of(model, noise(1.0), noise(2.0, 1)), learned(make(), "slow jazz", "rock .")
    with torch.no_grad():
        states, mask = model.encode(*inputs.values())
        stored = model(audio_hidden_states=states, frame_mask=mask, **chat).loss
        assert stored.item() == model(**inputs, **chat).loss.item()


def test_encoder_and_language_model_are_frozen_and_heads_as_the_config_says():
    tasks = {name: task | {"requires_grad": name != "key_detection"} for name, task in TASKS.items()}
    model = make(tasks=tasks).train()
    chat = learned(model, "slow jazz", "rock .")
    known = {name: torch.tensor([0, 1]) for name in TASKS}
    model(**inputs_of(model, noise(1.0), noise(1.0, 1)), **chat, task_labels=known).loss.backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] for name in learning} == {"projector"}
    assert not {name for name in learning if name.startswith("projector.key_detection.")}
    assert {name for name in learning if name.startswith("projector.key_detection_projector.")}
    assert {name for name in learning if name.startswith("projector.mood_detection.")}
    assert "projector.backbone.hidden_layer_1.weight" in learning
    assert not model.audio_encoder.training
    fine_tuned = make(tasks={n: t | {"requires_grad": False} for n, t in TASKS.items()}, backbone_requires_grad=False)
    heads = [
        p.requires_grad for name in ("backbone", *TASKS) for p in fine_tuned.projector.get_submodule(name).parameters()
    ]
    assert not any(heads)


def test_the_baseline_without_tasks_has_content_tokens_alone():
    model = make(tasks={}, content_tokens=6)
    assert model.config.audio_tokens == 6
    assert not hasattr(model.projector, "backbone")
    answer = model.predict(noise(2.0), sampling_rate=RATE)
    assert isinstance(answer["caption"], str)
    assert not {"key", "vocals", "instruments"} & set(answer)
    assert "segments" in model.predict(noise(2.0), sampling_rate=RATE, long=True)


def test_a_tiny_model_learns_two_captions_by_heart():
    model = make(projector_hidden_size=16, tasks={name: task | {"weight": 1.0} for name, task in TASKS.items()})
    model.language_model.requires_grad_(True)
    captions = ("slow jazz with piano .", "a fast rock song with female vocals .")
    recordings = noise(1.0, 1), noise(1.0, 2) + np.sin(np.arange(RATE) / 5).astype(np.float32)
    chat = learned(model, *captions)
    with torch.no_grad():
        states, mask = model.encode(*inputs_of(model, *recordings).values())
    tasks = {"vocals_detection": torch.tensor([0, 1]), "genre_detection": torch.tensor([0, 1])}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=0.015)
    for _ in range(80):
        loss = model(audio_hidden_states=states, frame_mask=mask, **chat, task_labels=tasks).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    answers = model.predict(list(recordings), sampling_rate=RATE)
    assert [answer["caption"] for answer in answers] == list(captions)
    assert [answer["vocals"]["label"] for answer in answers] == ["instrumental", "female"]
    assert [answer["genres"]["labels"] for answer in answers] == [["jazz"], ["rock"]]


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
    tasks["key_detection"]["temperature"] = 100.0
    answer = make(tasks=tasks).predict(samples, sampling_rate=RATE)
    assert answer["instruments"]["labels"] == ["piano"]
    assert answer["key"]["confidence"] == pytest.approx(1 / 3, abs=0.02)
    with torch.no_grad():
        logits = plain(**inputs_of(plain, samples)).task_logits["key_detection"][0]
    shares = (logits / 100).softmax(-1)
    assert list(answer["key"]["probabilities"].values()) == pytest.approx(shares.tolist(), abs=1e-5)


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
    assert answer["warnings"] == ["the caption describes 0:20-0:50 of 1:15; long=True describes the whole recording"]
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


def sure_of(model: Model, **labels: str) -> None:
    """Makes heads sure of a class."""
    for task, label in labels.items():
        head = model.projector.get_submodule(f"{task}_detection")
        torch.nn.init.zeros_(head.output.weight)
        torch.nn.init.constant_(head.output.bias, -20.0)
        with torch.no_grad():
            head.output.bias[TASKS[f"{task}_detection"]["classes"].index(label)] = 20.0


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
    assert [call.get("num_return_sequences") for call in calls] == [None, 3]
    assert calls[1]["do_sample"]


def test_what_contradicts_in_every_candidate_is_withheld():
    model = make()
    sure_of(model, vocals="instrumental")
    says(model, FALSE)
    answer = model.predict(noise(6.0), sampling_rate=RATE)
    assert answer["caption"] == "jazz music ."
    assert answer["withheld"] == ["female vocals with piano ."]


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


# Long recordings


def made_of(*seconds: float) -> np.ndarray:
    """Sections of noise and of tone by turns."""
    parts = []
    for number, length in enumerate(seconds):
        times = np.arange(round(length * RATE)) / RATE
        tone = 0.3 * np.sign(np.sin(2 * np.pi * 110 * times)).astype(np.float32)
        parts.append(noise(length, number, 0.1) if number % 2 == 0 else tone)
    return np.concatenate(parts)


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


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audio_config": {"model_type": "wavlm"}}, "audio_config is a 'wavlm'; allowed are 'hubert' and 'mert_model'"),
        ({"content_tokens": 0}, "content_tokens is 0; it must be 1 or more"),
        ({"audio_token_id": 5}, "audio_token_id is 5, a word's; it must be below 0"),
        ({"caption_seconds": 5.0}, "caption_seconds is 5.0; it must not be below window_seconds, 10.0"),
        ({"confident_above": 0.01}, "confident_below is 0.05 and confident_above 0.01; they must rise, from 0 to 1"),
        ({"text_config": {"model_type": "nothing"}}, "text_config is a 'nothing', which transformers does not have"),
        (
            {"tasks": {"tempo_detection": {"classes": ["slow"]}}},
            "tasks has 'tempo_detection'; allowed are instrument_d",
        ),
        (
            {"tasks": {"key_detection": {"width": 4}}},
            "task key_detection has width; it needs classes, allowed are clas",
        ),
        ({"tasks": {"key_detection": {"classes": ["a", "a"]}}}, "classes of key_detection are .* each another"),
        ({"tasks": {"key_detection": {"classes": ["a"], "weight": -1}}}, "weight of key_detection is -1; it must be 0"),
        (
            {"tasks": {"key_detection": {"classes": ["a"], "temperature": 0}}},
            "temperature of key_detection is 0; it mu",
        ),
        ({"tasks": {"key_detection": {"classes": ["a"], "thresholds": []}}}, "thresholds of key_detection are .* or 1"),
    ],
)
def test_configs_that_mean_nothing_are_refused(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        SonicVerseConfig(**options)


def test_inputs_that_do_not_fit_are_refused():
    model = make()
    inputs, chat = inputs_of(model, noise(1.0)), learned(model, "jazz")
    with pytest.raises(ValueError, match="give either input_values or audio_hidden_states, one of the two"):
        model()
    with pytest.raises(ValueError, match="labels are what is to be said in a chat: give its input_ids too"):
        model(**inputs, labels=chat["labels"])
    with pytest.raises(ValueError, match=r"input_values have shape \(1, 1, 9\); allowed is \(batch, samples\)"):
        model(torch.zeros(1, 1, 9))
    with pytest.raises(ValueError, match="a recording has 0 samples, too few for one frame of the encoder"):
        model(torch.zeros(1, 900), torch.zeros(1, 900, dtype=torch.long))
    with pytest.raises(ValueError, match=r"input_ids have \[0\] places for sound in 1 rows; allowed are 13 in 1 rows"):
        model(**inputs, input_ids=torch.ones(1, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="task_labels has 'tempo'; allowed are instrument_detection"):
        model(**inputs, task_labels={"tempo": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"labels have shape \(1, 2\); allowed are \(1, 3\).*\(1,\), the index of one"):
        model(**inputs, task_labels={"key_detection": torch.zeros(1, 2)})
    with pytest.raises(ValueError, match=r"labels have shape \(1, 2\); allowed is"):
        model(**inputs, **chat | {"labels": torch.zeros(1, 2, dtype=torch.long)})
    with pytest.raises(ValueError, match="max_new_tokens is 0; it must be 1 or more"):
        model.predict(noise(1.0), sampling_rate=RATE, max_new_tokens=0)
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"writes captions, but its folder has no tokenizer: set model\.tokenizer"):
        model.predict(noise(1.0), sampling_rate=RATE)


# Parts and folders


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """An encoder and a language model with its tokenizer, each saved as the Hub has them."""
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(7)
    HubertModel(audio_config()).save_pretrained(folder / "tiny-mert")
    (folder / "tiny-mert" / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 24000}')
    speaker = LlamaForCausalLM(text_config(tie_word_embeddings=True))
    speaker.generation_config.eos_token_id = [2, 3]
    speaker.save_pretrained(folder / "tiny-llama")
    tiny_tokenizer().save_pretrained(folder / "tiny-llama")
    return folder


def test_a_new_model_has_its_parts_weights(parts):
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, **SIZES)
    for ours, theirs in (
        (model.audio_encoder, HubertModel.from_pretrained(parts / "tiny-mert")),
        (model.language_model, LlamaForCausalLM.from_pretrained(parts / "tiny-llama")),
    ):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight), name
    config = model.config
    assert (config.audio_name, config.text_name, config.do_normalize) == ("tiny-mert", "tiny-llama", True)
    assert config.text_config.eos_token_id == [2, 3]
    assert config.has_language_model
    assert isinstance(model.predict(noise(2.0), sampling_rate=RATE)["caption"], str)


def test_words_are_added_to_a_folder_that_was_saved_without_them(parts, tmp_path):
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, **SIZES)
    whole = model.predict(noise(6.0), sampling_rate=RATE)
    model.drop_language_model()
    model.save_pretrained(tmp_path / "ears")
    assert not (tmp_path / "ears" / "tokenizer_config.json").exists()
    ears = linernotes.load(tmp_path / "ears")
    assert not [name for name in ears.state_dict() if name.startswith("language_model")]
    answer = ears.predict(noise(6.0), sampling_rate=RATE)
    assert "model.add_language_model('tiny-llama')" in answer["warnings"][0]
    ears.add_language_model(parts / "tiny-llama")
    answer = ears.predict(noise(6.0), sampling_rate=RATE)
    assert (answer["caption"], answer["warnings"]) == (whole["caption"], [])


def test_words_of_another_shape_are_refused(parts, tmp_path):
    model = Model.from_backbones(parts / "tiny-mert", None, text_config=TINY_TEXT, tasks=TASKS, **SIZES)
    LlamaForCausalLM(text_config(hidden_size=32)).save_pretrained(tmp_path / "narrow")
    with pytest.raises(ValueError, match=r"narrow is a llama of width 32 with .* speaks to a llama of width 48"):
        model.add_language_model(tmp_path / "narrow")
    LlamaForCausalLM(text_config()).save_pretrained(tmp_path / "mute")
    with pytest.raises(ValueError, match="mute has no tokenizer; give the one of this language model as tokenizer="):
        model.add_language_model(tmp_path / "mute")
    assert model.language_model is None
    model.add_language_model(tmp_path / "mute", tokenizer=tiny_tokenizer())
    assert isinstance(model.predict(noise(2.0), sampling_rate=RATE)["caption"], str)


@pytest.fixture(scope="module")
def folder(parts, tmp_path_factory) -> Path:
    model = Model.from_backbones(parts / "tiny-mert", parts / "tiny-llama", tasks=TASKS, model_name="tiny", **SIZES)
    folder = tmp_path_factory.mktemp("sonicverse") / "sonicverse-tiny"
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    found, model = ask(folder), linernotes.load(folder)
    here = model.predict(sound(SECONDS, RATE), sampling_rate=RATE)
    assert found["missing_keys"] == found["unexpected_keys"] == found["imported"] == []
    assert not differences(here, found["predict"])


ASKING = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
sys.meta_path.insert(0, script["Hidden"]())
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[2], trust_remote_code=True)
answer = model.predict(script["sound"](33.0, 24000), sampling_rate=24000, long=True)
print()  # behind progress bars
print(json.dumps({"answer": answer, "imported": [name for name in sys.modules if name.startswith("linernotes")]}))
"""


@pytest.mark.slow
def test_a_folder_tells_a_long_story_without_this_package(folder, tmp_path):
    command = [sys.executable, "-I", "-c", ASKING, str(SCRIPT), str(folder)]
    environment = clean_environment(tmp_path / "home") | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    here = linernotes.load(folder).predict(sound(33.0, RATE), sampling_rate=RATE, long=True)
    assert not differences(here, found["answer"])
    assert found["imported"] == []


def test_a_folder_is_loaded_without_asking_whether_its_code_may_run(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    assert linernotes.load(folder).tokenizer.get_vocab() == tiny_tokenizer().get_vocab()


def test_a_folder_names_no_place_and_saves_the_same_again(folder, tmp_path):
    model = linernotes.load(folder)
    assert not model.audio_encoder.feature_projection.projection.weight.requires_grad
    model.save_pretrained(tmp_path)
    for file in folder.glob("*.json"):
        text = file.read_text()
        assert str(folder.parent.parent) not in text
        assert "_name_or_path" not in text
        assert (tmp_path / file.name).read_text() == text
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in folder.iterdir()}


def test_half_precision_answers_nearly_the_same():
    exact = make().predict(noise(4.0), sampling_rate=RATE)
    answer = make().bfloat16().predict(noise(4.0), sampling_rate=RATE)
    assert answer["key"]["probabilities"] == pytest.approx(exact["key"]["probabilities"], abs=0.05)
    assert isinstance(answer["caption"], str)


def test_pooled_is_a_mean_so_that_parts_make_the_whole():
    model = make()
    with torch.no_grad():
        states = torch.randn(1, 3, 40, 32)
        whole = model.projector.pool(states)
        parts = model.projector.pool(states[:, :, :10]), model.projector.pool(states[:, :, 10:])
    for name in Pooled._fields:
        joined = 0.25 * getattr(parts[0], name) + 0.75 * getattr(parts[1], name)
        assert torch.allclose(getattr(whole, name), joined, atol=1e-5)
