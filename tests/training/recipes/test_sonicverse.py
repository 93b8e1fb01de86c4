"""Both stages and the baseline on seconds of tones and noise: what learns, what is kept, written, resumed, measured."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import small_experiments
import torch
from killing import differing, train_and_kill
from published_sonicverse import TINY_TEXT
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import LlamaForCausalLM

import linernotes
from linernotes.corpora.caption_rows import READERS, CaptionRows
from linernotes.training import hidden_states
from linernotes.training.caption_views import collate, listened, messages_of, speaker_of
from linernotes.training.codec_tokens import Preparation
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.evaluate import evaluate_folder
from linernotes.training.hidden_states import listen, padded_states, states_of, with_hidden_states
from linernotes.training.recipes import sonicverse
from linernotes.training.train import train

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return small_experiments.sonicverse_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    return small_experiments.sonicverse_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def config(parts) -> Path:
    return small_experiments.sonicverse_config(parts)


@pytest.fixture(scope="module")
def first(config, data_dir, tmp_path_factory) -> Path:
    return train(config, [data_dir], out=tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def without_tasks(config, data_dir, tmp_path_factory) -> Path:
    return train(config.with_name("no-tasks.yaml"), [data_dir], out=tmp_path_factory.mktemp("without"))


def second_stage(first: Path) -> list[str]:
    frozen = ["model.tasks=tasks_ft.json", "model.backbone_requires_grad=false"]
    return [f"training.start={first}", "training.head_epochs=0", *frozen]


def loaded(config: Path, *overrides: str):
    return load_experiment(config, overrides)


def test_described_recordings_are_read_by_the_list_that_is_named(monkeypatch, tmp_path):
    asked = []

    def reader(kind):
        def read(folder, *given):
            asked.append((folder.name, *given))
            return CaptionRows([{"origin": kind}], Counter())

        return read

    for kind in ("musicbench", "musiccaps"):
        (tmp_path / f"{kind}-set").mkdir()
        monkeypatch.setitem(READERS, kind, reader(kind))
    options = sonicverse.DataOptions(musicbench="musicbench-set", musiccaps="musiccaps-set", test_list="B")
    read = sonicverse.read_all(options, [tmp_path])
    assert asked == [("musicbench-set", "B"), ("musiccaps-set",)]
    assert {name: rows.rows[0]["origin"] for name, rows in read.items()} == {
        "musicbench-set": "musicbench",
        "musiccaps-set": "musiccaps",
    }


# What is heard, kept


def test_kept_states_are_those_of_the_encoder(parts, config, data_dir):
    rows = sonicverse.load_data(loaded(config), [data_dir]).test
    heard = with_hidden_states(rows, str(parts / "audio"), Preparation(10.0), frame_stride=5)
    states = states_of(heard[0]["states"], 3, 32)
    sound = Preparation(10.0).sound(rows[0] | {"copy": 0}, 24_000)
    whole = listen(sound, str(parts / "audio"), 1)
    assert torch.equal(states, whole[:, 2::5].float())
    assert states.shape == (3, 15, 32)


def test_what_was_heard_is_not_heard_again(parts, config, data_dir, monkeypatch, tmp_path):
    rows = sonicverse.load_data(loaded(config), [data_dir]).test
    calls = []
    monkeypatch.setattr(hidden_states, "listen", lambda *given: calls.append(given) or listen(*given))
    for stride, expected in ((5, 4), (5, 4), (7, 8)):
        with_hidden_states(rows, str(parts / "audio"), Preparation(10.0), frame_stride=stride, kept_in=tmp_path)
        assert len(calls) == expected
    facts = rows.map(lambda row: {"facts": row["facts"].replace("slow", "fast")})
    with_hidden_states(facts, str(parts / "audio"), Preparation(10.0), frame_stride=5, kept_in=tmp_path)
    assert len(calls) == 8, "other facts, the same sound"


def test_no_sound_is_no_frame():
    batch, mask = padded_states([torch.ones(2, 3, 4), states_of(b"", 2, 4)], [True, False])
    assert batch.shape == (2, 2, 3, 4)
    assert mask.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_fetched_language_model_is_found_by_its_name(config, monkeypatch, tmp_path):
    monkeypatch.setenv("LINERNOTES_CACHE", str(tmp_path))
    asked = loaded(config, "training.language_model=someone/small")
    assert speaker_of(asked) == "someone/small"
    place = tmp_path / "language-models" / "someone" / "small"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    assert speaker_of(asked) == str(place)


# Batches


def test_a_batch_asks_for_the_answer_alone(config, data_dir):
    experiment = loaded(config)
    data = sonicverse.load_data(experiment, [data_dir])
    batch = next(iter(DataLoader(sonicverse.plain_view(data.train, experiment), batch_size=6, collate_fn=collate)))
    said = batch["labels"] != -100
    assert (batch["input_ids"] == -9634).sum(1).tolist() == [3 + 4] * 6
    assert said.any(1).all()
    assert not (said & (batch["input_ids"] == -9634)).any()
    assert torch.equal(batch["labels"][said], batch["input_ids"][said])
    assert batch["audio_hidden_states"].shape[:2] == (6, 3)
    assert batch["task_labels"]["key_detection"].shape == (6, 2)
    whole = sonicverse.plain_view(data.train, loaded(config, "data.frame_stride=null", "training.head_epochs=0"))
    heard = collate([whole[0], whole[1]])
    assert heard["input_values"].shape == heard["audio_attention_mask"].shape == (2, 24_000)


def test_training_captions_change_and_validation_captions_do_not(config, data_dir):
    experiment = loaded(config)
    rows = sonicverse.load_data(experiment, [data_dir]).train.select([0])
    views = {name: getattr(sonicverse, f"{name}_view")(rows, experiment) for name in ("training", "plain")}
    assert len({tuple(views["training"][0]["ids"]) for _ in range(8)}) > 3
    assert len({tuple(views["plain"][0]["ids"]) for _ in range(8)}) == 1


def test_voices_come_varied_over_rendered_music_and_at_their_share(config, data_dir):
    shares = {"voices": 0.25, "sung": 0.25, "named": 0.1}
    more = ["data.voice_copies=1", "data.sung=0.5", "data.named=named", f"data.shares={json.dumps(shares)}"]
    experiment = loaded(config, *more)
    data = sonicverse.load_data(experiment, [data_dir])
    origins = np.array(data.train["origin"])
    assert dict(zip(*np.unique(origins, return_counts=True), strict=True)) == {
        "named": 2, "rendered": 20, "sung": 10, "voices": 24,
    }  # fmt: skip
    weights = np.array(sonicverse.row_weights(data.train, experiment.data))
    assert {name: weights[origins == name].sum() for name in shares} == pytest.approx(shares)
    assert [source["name"] for source in data.sources][-1] == "singers over rendered clips"
    heard = listened(data.train, experiment)
    plain, varied = (np.flatnonzero((origins == "voices") & (np.array(heard["copy"]) == copy))[0] for copy in (0, 1))
    assert heard[int(plain)]["clip"] == heard[int(varied)]["clip"]
    assert heard[int(plain)]["states"] != heard[int(varied)]["states"]


def test_a_text_alone_is_asked_for_by_its_traits_without_a_sound(config, data_dir):
    experiment = loaded(config, "data.texts=texts", "training.lora_rank=2", "data.shares={text: 0.5}")
    rows = sonicverse.load_data(experiment, [data_dir]).train
    texts = rows.filter(lambda row: row["origin"] == "text")
    user, answer = messages_of(texts[0], sonicverse.MusicFacts(), varied=True)
    assert user["content"] == "Describe music with these traits: slow tempo, piano. <sound>"
    assert answer["content"] == "A slow song with a piano."
    batch = collate(list(sonicverse.plain_view(texts, experiment)))
    assert batch["frame_mask"].sum() == 0
    assert torch.isnan(batch["task_labels"]["genre_detection"]).all()
    weights = np.array(sonicverse.row_weights(rows, experiment.data))
    assert weights[np.array(rows["origin"]) == "text"].sum() == pytest.approx(0.5)
    model = sonicverse.create_model(experiment, rows)
    assert torch.isfinite(model(**batch).loss)


# Learning


def test_heads_learn_first_then_captions(first):
    log = [json.loads(line) for line in (first / "training_log.jsonl").read_text().splitlines()]
    heads = [record["loss"] for record in log if record.get("stage") == "heads"]
    assert len(heads) == 12
    assert heads[-1] < 0.7 * heads[0]
    assert [record["step"] for record in log if "loss" in record and "stage" not in record] == [1, 2, 3, 4]


def test_the_folder_holds_what_was_trained_and_no_language_model(first, parts, data_dir):
    state = load_file(first / "model.safetensors")
    assert {name.split(".")[0] for name in state} == {"audio_encoder", "projector"}
    assert {str(w.dtype) for w in state.values() if w.is_floating_point()} == {"torch.float16"}
    assert str(parts) not in (first / "config.json").read_text()
    model = linernotes.load(first)
    assert (model.config.text_name, model.config.has_language_model) == ("nobody/tiny-speaker", False)
    assert model.config.tasks["genre_detection"]["thresholds"] is not None
    assert model.config.tasks["key_detection"]["temperature"] != 1.0
    answer = model.predict(data_dir / "corpus" / "audio" / "test" / "000026.flac")
    assert answer["caption"] is None
    assert set(answer["key"]["probabilities"]) == {"C major", "A minor"}


def test_in_the_second_stage_heads_stay_and_projectors_learn(config, first, data_dir, tmp_path):
    state = load_file(first / "model.safetensors")
    second = load_file(train(config, [data_dir], second_stage(first), tmp_path / "second") / "model.safetensors")
    changed = {name.split(".")[1] for name in state if not torch.equal(state[name], second[name])}
    assert changed == {"lmm_projector", *(f"{name}_projector" for name in small_experiments.TASKS)}
    assert all(torch.equal(state[name], second[name]) for name in state if name.startswith("audio_encoder."))


def test_adapters_learn_and_are_merged(config, first, parts, data_dir, tmp_path):
    overrides = [*second_stage(first), "training.lora_rank=2", "data.texts=texts", "training.half_precision=false"]
    folder = train(config, [data_dir], overrides, tmp_path / "adapted")
    model, before = linernotes.load(folder), LlamaForCausalLM.from_pretrained(parts / "text")
    assert (folder.parent / "adapter" / "adapter_model.safetensors").is_file()
    theirs = before.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(model.language_model.model.layers[0].mlp.up_proj.weight, theirs)
    assert torch.equal(model.language_model.model.embed_tokens.weight, before.model.embed_tokens.weight)
    assert isinstance(model.predict(data_dir / "real" / "audio" / "0.wav")["caption"], str)


def test_gradient_checkpointing_changes_nothing_but_the_time(config, data_dir, tmp_path):
    states = [
        load_file(train(config, [data_dir], [*more, "training.max_steps=2"], tmp_path / name) / "model.safetensors")
        for name, more in (("kept", []), ("again", ["training.gradient_checkpointing=true"]))
    ]
    assert all(torch.allclose(states[0][n].float(), states[1][n].float(), atol=2e-3) for n in states[0])


def test_accumulated_gradients_are_those_of_the_whole_batch(config, data_dir, tmp_path):
    """Of each text alone the loss is a mean; the Trainer has to divide the sum of two by two."""
    logs = []
    for name, size, steps in (("whole", 4, 1), ("halves", 2, 2)):
        more = [f"training.batch_size={size}", f"training.gradient_accumulation_steps={steps}", "training.max_steps=1"]
        folder = train(config, [data_dir], [*more, "training.head_epochs=0"], tmp_path / name)
        log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
        logs.append(next(record for record in log if "grad_norm" in record))
    assert logs[1]["grad_norm"] == pytest.approx(logs[0]["grad_norm"], rel=0.5), "not twice as large"
    assert logs[1]["loss"] == pytest.approx(logs[0]["loss"], rel=0.2)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(config, data_dir, tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(own_cache))
    overrides = small_experiments.SONICVERSE_STAGES
    whole = train(config, [data_dir], overrides, tmp_path / "whole")
    train_and_kill(config, data_dir, overrides, tmp_path / "killed")
    resumed = train(config, [data_dir], overrides, tmp_path / "killed", resume=True)
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.slow
def test_a_run_is_resumed_exactly_within_an_epoch_at_its_end_and_at_the_end_of_all(config, data_dir, tmp_path):
    """Eight steps are an epoch, each draws captions, and the end of an epoch is measured."""
    overrides = [*small_experiments.SONICVERSE_STAGES, "training.keep_checkpoints=12"]
    whole = train(config, [data_dir], overrides, tmp_path / "whole")
    for step in (3, 8, 11, 12):
        run = tmp_path / f"from {step}"
        shutil.copytree(whole.parent / f"checkpoint-{step}", run / f"checkpoint-{step}")
        shutil.copy(whole.parent / "experiment.json", run)
        assert differing(whole, train(config, [data_dir], overrides, run, resume=True)) == []


# Measuring


@pytest.mark.slow
def test_everything_is_measured_beside_the_model_without_tasks(config, first, without_tasks, data_dir, tmp_path):
    assert linernotes.load(without_tasks).config.tasks == {}
    facts = json.loads((first / "training.json").read_text())
    facts["experiment"]["training"]["baseline"] = str(without_tasks)
    (first / "training.json").write_text(json.dumps(facts))
    results = evaluate_folder(first, [data_dir], predictions=tmp_path / "said.jsonl")["results"]
    assert set(results) == {"test", "voices", "real"}
    test = results["test"]
    assert {"key", "vocals", "instruments", "genres", "captions"} <= set(test)
    assert test["key"]["n"] == test["n"] == 4
    assert test["instruments"]["map"]["value"] >= 0.5
    captions = test["captions"]
    assert captions["n"] == 3, "as many as test_captions says"
    assert set(captions["baselines"]) == {"ungrounded", "without task tokens"}
    assert "our_fact_precision_minus_its" in captions["baselines"]["without task tokens"]
    assert {"bleu_4", "meteor_stem", "rouge_l", "bleu_4_characters", "embedding_f1"} <= set(captions)
    assert results["voices"]["vocals"]["n"] == 6
    assert results["voices"]["singing"]["n"] == 6
    assert len(results["real"]["examples"]) == 2
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert len(said) == 4 + 6 + 2
    assert {"facts", "caption", "ungrounded", "references", "key"} <= set(said[0])
    assert (first / "plots" / "layer_weights.png").is_file()


def test_a_published_folder_is_given_its_language_model_and_no_other(config, first, tmp_path):
    model, experiment = linernotes.load(first), loaded(config)
    sonicverse.give_words(model, experiment)
    speaker = model.language_model
    sonicverse.give_words(model, experiment)
    assert model.language_model is speaker
    assert speaker.config.vocab_size == TINY_TEXT["vocab_size"]


# Refusals


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.corpora=[]", "the data block names nothing to describe"),
        ("data.texts=texts", "data.texts teaches language, and nothing of the language model learns"),
        ("training.folds=3", "training.folds must be 0"),
        ("data.max_tokens=7", "they must be above 0, and above 7, the tokens of the sound"),
        ("data.frame_stride=null", "training.head_epochs needs data.frame_stride"),
        ("data.shares={voices: 1.0}", "together below 1: they must leave some for the rest"),
        ("data.shares={radio: 0.1}", "data.shares has 'radio'; allowed are voices, sung, named, text"),
        ("model.labels=[a, b]", "model.labels must be left out"),
        ("model.tasks=none.json", r"model\.tasks is 'none\.json', which is no file in"),
        ("training.best_metric=loss", "eval_steps is None and save_steps 1; they must be equal"),
    ],
)
def test_what_cannot_be_trained_is_refused(override, message, config):
    with pytest.raises(ConfigError, match=message):
        loaded(config, override)


@pytest.mark.parametrize("option", ["sung=0.5", "voice_copies=1"])
def test_singers_are_needed_for_what_is_made_of_them(option, config):
    with pytest.raises(ConfigError, match=r"data\.sung and voice_copies need data\.voices"):
        loaded(config, "data.voices=null", f"data.{option}")


def test_a_class_without_an_example_is_refused(config, data_dir):
    rows = sonicverse.load_data(loaded(config), [data_dir]).train
    more = loaded(config, 'model.tasks={"genre_detection": {"classes": [jazz, polka, waltz]}}')
    with pytest.raises(ValueError, match=r"no training row has polka, waltz: leave them out of model\.tasks\.genre"):
        sonicverse.create_model(more, rows)
    kept = loaded(config, 'model.tasks={"genre_detection": {"classes": [polka]}}', "training.unseen_classes=true")
    assert sonicverse.create_model(kept, rows).config.tasks["genre_detection"]["classes"] == ["polka"]


def test_another_projector_is_refused(config, first, without_tasks):
    with pytest.raises(ValueError, match=r"has another projector \(backbone.* more differ\)"):
        sonicverse.create_model(loaded(config, *second_stage(first), "model.backbone_size=8"), no_rows())
    with pytest.raises(FileNotFoundError, match="train the first stage and give its `model` folder"):
        sonicverse.create_model(loaded(config, "training.start=nowhere at all"), no_rows())


def no_rows():
    """Rows of which every class is one."""
    facts = [
        sonicverse.MusicFacts(
            key=key, vocals=who, instruments=("drums", "electric guitar", "piano"), styles=("jazz", "pop", "rock")
        )
        for key, who in (("C major", "female"), ("A minor", "male"), (None, "instrumental"))
    ]
    return {"facts": [each.as_json() for each in facts]}
