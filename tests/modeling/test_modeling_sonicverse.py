"""SonicVerse: the published sizes and numbers, sound in a chat, the losses, what is refused."""

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
    noise,
)
from small_sonicverse import asked, inputs_of, learned, make
from transformers import HubertModel

import linernotes
from linernotes.modeling.chat import DEFAULT_PROMPT
from linernotes.modeling.configuration_sonicverse import SonicVerseConfig
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration as Model
from linernotes.modeling.music_tags import CLASSES
from linernotes.modeling.projector import Pooled

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
    assert torch.allclose(tokens, again, atol=1e-6)


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


def test_while_it_trains_only_what_is_asked_gets_logits():
    model = make(dropout=0.0)
    chat, inputs = learned(model, "slow jazz with piano", "rock ."), inputs_of(model, noise(1.0), noise(1.0, 1))
    whole, short = model.eval()(**inputs, **chat), model.train()(**inputs, **chat)
    before = int((chat["labels"] != -100).any(0).nonzero()[0]) - 1
    assert before > 0
    torch.testing.assert_close(short.logits, whole.logits[:, before:])
    torch.testing.assert_close(short.loss, whole.loss)


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
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"writes captions, but its folder has no tokenizer: set model\.tokenizer"):
        model.predict(noise(1.0), sampling_rate=RATE)
