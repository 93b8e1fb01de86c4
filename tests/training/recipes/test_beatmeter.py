"""What BeatMeter is trained on and how: rows and their labels, what is heard of them, what learns of a model."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
import torch
from clicks import RATE, click_track, facts, row, write_backbone, write_corpus
from transformers import HubertConfig, HubertModel

from linernotes.corpora.frame_targets import FLAGS
from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.meter_rows import as_datasets, rendered_rows, tempo_heading
from linernotes.modeling.modeling_beatmeter import BeatMeterForMeterClassification
from linernotes.training.arguments import training_arguments
from linernotes.training.config import ConfigError, load_experiment
from linernotes.training.frame_heads import EVENTS
from linernotes.training.head_first import hear, kept_periods, row_of, together, train_events, train_head
from linernotes.training.head_stages import events_of
from linernotes.training.recipes import beatmeter
from linernotes.training.rows import Data
from linernotes.training.train import MusicTrainer

EXPERIMENT = """
family: beatmeter
model: {{backbone_name: {backbone}, chunk_seconds: 2.0, head_hidden_size: 16, dropout: 0.0}}
data: {{corpora: [scores], crop_seconds: 2.5}}
training: {{batch_size: 4, learning_rate: 0.001, lora_learning_rate: 0.001, lora_rank: 2, mask_time_prob: 0.2}}
"""
CLASSES = (3, 4, 5, 7, 9, 11)
TEMPOGRAM = ("model.head_type=tempogram", "model.min_lag_seconds=0.08", "model.lag_octaves=3")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """Threes, fours, a five that is two meters at once, sixes; a test of two groupings, one of them not learned."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    scores = folder / "scores"
    scores.mkdir()
    told = [("train", facts(3)), ("train", facts(3, tempo_bpm=95.0)), ("train", facts(4)), ("train", facts(6))]
    told += [("train", facts(5, polyrhythm="5:4")), ("validation", facts(6)), ("validation", facts(4))]
    told += [("test", facts(5)), ("test", facts(7, tempo_bpm=150.0))]
    rows = []
    for number, (split, of) in enumerate(told):
        soundfile.write(scores / f"{number}.flac", click_track(of.meter, rng), RATE)
        piece = {"source": "symbtr", "piece": "a song"} if split == "test" else {}
        rows.append(row(f"{number}.flac", split, f"song {number}", of, **piece))
    write_manifest(rows, scores / "manifest.jsonl")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    path = folder / "experiment.yaml"
    path.write_text(EXPERIMENT.format(backbone=write_backbone(folder / "tiny-mert")))
    return path


@pytest.fixture(scope="module")
def data(config, data_dir) -> Data:
    return beatmeter.load_data(load_experiment(config), [data_dir])


def model_of(config: Path, data: Data, *overrides: str) -> BeatMeterForMeterClassification:
    torch.manual_seed(0)
    return beatmeter.create_model(load_experiment(config, overrides), data.train)


# Rows


def test_labels_are_the_meters_that_are_heard(data):
    assert list(data.train["labels"]) == [["3"], ["3"], ["4"], ["4", "5"]]
    assert list(data.validation["labels"]) == [["4"]]


def test_meters_that_are_no_class_are_left_out_and_counted(data):
    assert data.sources == [
        {
            "name": "scores",
            "licence": "CC0",
            "rows": {"train": 4, "validation": 1, "test": 2},
            "left_out": {"train: meter 6 is no class": 1, "validation: meter 6 is no class": 1},
        }
    ]


def test_of_each_row_is_told_where_it_comes_from(data):
    assert (data.train["origin"][0], data.train["source"][0], data.train["clip"][0]) == (
        *("composed", "composer", "scores/0.flac"),
    )
    assert list(data.test["origin"]) == ["real scores"] * 2
    assert list(data.test["source"]) == ["symbtr"] * 2
    assert list(data.test["grouping"]) == ["5: 3+2", "7: 2+2+3"]
    assert list(data.test["novelty"]) == ["grouping learned", "grouping never learned"]
    assert list(data.test["tempo"]) == ["90 to 120 bpm", "150 bpm and more"]


@pytest.mark.parametrize(
    ("tempo_bpm", "heading"),
    [
        (20, "0 to 90 bpm"),
        (89.9, "0 to 90 bpm"),
        (90, "90 to 120 bpm"),
        (149, "120 to 150 bpm"),
        (300, "150 bpm and more"),
    ],
)
def test_tempo_headings(tempo_bpm, heading):
    assert tempo_heading(tempo_bpm) == heading


def test_fewer_classes_leave_more_out(data_dir):
    rows, left_out = rendered_rows(data_dir / "scores", (3, 4))
    assert Counter(label for row in rows for label in row["labels"]) == {"3": 2, "4": 2}
    assert left_out["test: meter 7 is no class"] == 1
    assert as_datasets(rows)["test"] is None


def test_of_a_test_corpus_nothing_is_learned(config, data_dir, tmp_path):
    write_corpus(tmp_path / "clicks", {"train": 2, "test": 1})
    experiment = load_experiment(config, ["data.corpora=[clicks]", "data.test_corpora=[scores]"])
    data = beatmeter.load_data(experiment, [data_dir, tmp_path])
    assert (len(data.train), len(data.test)) == (6, 5)
    assert data.validation is None
    nothing = load_experiment(config, ["data.test_corpora=[scores]"])
    with pytest.raises(FileNotFoundError, match="there is nothing to learn from in scores"):
        beatmeter.load_data(nothing, [data_dir])


def test_meter2800_is_learned_from_and_tested_on_by_its_lists(config, tmp_path):
    folder, rng = tmp_path / "meter2800", np.random.default_rng(0)
    folder.mkdir()
    for number, part in enumerate(("train", "val", "test")):
        soundfile.write(folder / f"MAG_0{number}.wav", click_track(3, rng), RATE)
        text = f'filename\tlabel\tmeter\talt_meter\n"/MAG/0{number}.wav"\t"three"\t3\t6\n"/OWN/9.wav"\t"four"\t4\t8\n'
        (folder / f"data_{part}_4_classes.tab").write_text(text)
    experiment = load_experiment(config, ["data.corpora=null", "data.meter2800=meter2800"])
    data = beatmeter.load_data(experiment, [tmp_path])
    assert [list(part["clip"]) for part in (data.train, data.validation, data.test)] == [
        ["MAG/00"],
        ["MAG/01"],
        ["MAG/02"],
    ]
    assert data.test["origin"][0] == "recordings"
    assert data.sources[0]["left_out"]["no recording"] == 1
    overrides = ["data.corpora=null", "data.meter2800=meter2800", "data.meter2800_classes=2"]
    with pytest.raises(FileNotFoundError, match="data_test_2_classes"):
        beatmeter.load_data(load_experiment(config, overrides), [tmp_path])


# Hearing


def test_views_have_the_middle_or_a_varied_place(config, data):
    experiment = load_experiment(config)
    plain, varied = (make(data.train, experiment) for make in (beatmeter.plain_view, beatmeter.training_view))
    item = plain[3]
    assert item["input_values"].shape == item["attention_mask"].shape == (60_000,)
    assert item["labels"].tolist() == pytest.approx([0.1, 1.0, 1.0, 0.1, 0.1, 0.1])
    assert item["input_values"].equal(plain[3]["input_values"])
    assert item["input_values"].mean() == pytest.approx(0, abs=1e-4)
    assert not varied[3]["input_values"].equal(varied[3]["input_values"])


def test_what_is_shorter_than_a_crop_is_padded_and_masked(config, data):
    item = beatmeter.plain_view(data.train, load_experiment(config, ["data.crop_seconds=4.0"]))[0]
    assert item["attention_mask"].sum() == 3 * RATE
    assert not item["input_values"][3 * RATE :].any()


def test_crops_and_shifts_stay_in_their_bounds():
    samples = np.arange(100, dtype=np.float32)
    assert beatmeter.cropped(samples, 50, varied=False)[0] == 25
    starts = {int(beatmeter.cropped(samples, 98, varied=True)[0]) for _ in range(60)}
    assert starts == {0, 1, 2}
    shifts = {int(beatmeter.augmented(samples, 0.0, 1).argmin()) for _ in range(60)}
    assert shifts == {0, 1, 99}
    assert np.std(beatmeter.augmented(np.zeros(20_000), 0.01, 0)) == pytest.approx(0.01, rel=0.05)


def test_rare_meters_weigh_more_up_to_the_cap(config, data):
    weights = lambda *overrides: beatmeter.pos_weights(data.train, load_experiment(config, overrides))  # noqa: E731
    assert weights() == [1.0, 1.0, 3.0, 1.0, 1.0, 1.0]  # of 3: two of four rows; of 5: one; others: none
    assert weights("data.pos_weight_cap=2.0") == [1.0, 1.0, 2.0, 1.0, 1.0, 1.0]
    assert weights("data.pos_weight_cap=null")[2] == 3.0
    # drawn alike, each of 3, 4 and 5 is a third, and the row of two meters counts for both
    assert weights("data.balanced=true")[:3] == pytest.approx([2.0, 0.5, 2.0], abs=1e-3)


def test_drawn_in_balance_each_meter_has_its_share(config, data):
    options = load_experiment(config, ["data.balanced=true"]).data
    drawn = beatmeter.row_weights(data.train, options)
    assert drawn == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert beatmeter.row_weights(data.train, load_experiment(config).data) is None


def test_what_was_heard_of_rows_is_judged_as_the_model_judges(config, data):
    model, view = model_of(config, data, *TEMPOGRAM).eval(), beatmeter.plain_view(data.train, load_experiment(config))
    heard, labels = hear(model, view, batch_size=3)
    assert labels.shape == (4, 6)
    batch = {name: torch.stack([view[index][name] for index in (2, 0)]) for name in ("input_values", "attention_mask")}
    with torch.inference_mode():
        ours, expected = model.judge(together([heard[2], heard[0]], model.device)), model(**batch)
    torch.testing.assert_close(ours.logits, expected.logits, atol=2e-3, rtol=0)  # kept in half precision
    with torch.inference_mode():
        values, lags_heard = kept_periods(model, heard, batch_size=3)
        known = model.judge(together([heard[2], heard[0]], model.device), (values[[2, 0]], lags_heard[[2, 0]]))
    torch.testing.assert_close(known.logits, ours.logits, atol=1e-5, rtol=0)


def test_what_is_kept_does_not_learn_with_the_head(config, data):
    model, view = model_of(config, data, *TEMPOGRAM), beatmeter.plain_view(data.train, load_experiment(config))
    heard, labels = hear(model, view, batch_size=4)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    losses = train_head(model, heard, labels, epochs=20, batch_size=4, learning_rate=0.01)
    assert losses[-1] < losses[0]
    moved = {name for name, weight in model.state_dict().items() if not weight.equal(before[name])}
    assert {name.split(".")[0] for name in moved} == {"tempogram", "head"}
    assert not {name for name in moved if name.startswith(("tempogram.norm", "tempogram.activations"))}


# What the score says of frames


def test_events_are_in_the_frames_that_hear_them(config, data, data_dir, tmp_path):
    """A clip of 3 s of which the middle 2.5 s are heard: its first quarter of a second is in no frame."""
    model, experiment = model_of(config, data, *TEMPOGRAM), load_experiment(config)
    audio = tmp_path / "audio/train/0.flac"
    for folder in (audio.parent, tmp_path / "midi/train"):
        folder.mkdir(parents=True)
    soundfile.write(audio, np.zeros(3 * RATE), RATE)
    midi, piano = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(90, 60, start, start + 0.1) for start in (0.1, 1.0, 1.5, 2.0)]
    midi.instruments.append(piano)
    midi.write(str(tmp_path / "midi/train/0.mid"))
    told = asdict(facts(4)) | {"beats": [0.1, 1.0, 1.5, 2.0], "downbeats": [0.1, 1.5]}
    row = {"audio": {"path": str(audio)}, "facts": json.dumps(told)}
    with torch.inference_mode():
        heard = model.listen(torch.zeros(1, round(2.5 * RATE)))
    events = events_of(row, row_of(heard, 0), experiment, model)
    assert events.shape == (heard.frames.shape[1], sum(FLAGS[name] for name in EVENTS))
    listener = model.listener
    centres = [round(((s - 0.25) * RATE - (listener.reach - 1) / 2) / listener.hop) for s in (1.0, 1.5, 2.0)]
    downbeat, beat, note = events[:, 0], events[:, 1], events[:, 2]
    assert beat.nonzero().flatten().tolist() == note.nonzero().flatten().tolist() == centres
    assert downbeat.nonzero().flatten().tolist() == [centres[1]]
    assert events_of({**row, "facts": None}, row_of(heard, 0), experiment, model) is None


def test_activations_learn_what_scores_say_and_pass_over_rows_without(config, data):
    torch.manual_seed(0)
    model, generator = model_of(config, data, *TEMPOGRAM), torch.Generator().manual_seed(1)
    with torch.inference_mode():
        heard = [row_of(model.listen(torch.randn(1, 2 * RATE, generator=generator)), 0) for _ in range(6)]
    width, frames = heard[0].frames.shape[1], len(heard[0].frames)
    direction = torch.randn(width, generator=generator)
    for each in heard:
        each.frames = torch.randn(frames, width, generator=generator).half()
    events = [(each.frames.float() @ direction > 1.5 * direction.norm())[:, None].to(torch.uint8) for each in heard[:5]]
    losses = train_events(model, heard, [*events, None], epochs=30, batch_size=2, learning_rate=0.03)
    assert losses[-1] < 0.9 * losses[0]  # frames beside an event are half events, which the frame itself cannot tell
    with torch.inference_mode():
        found = model.tempogram.events(heard[0].frames.float())[:, 0]
    truth = events[0][:, 0].bool()
    assert found[truth].mean() > found[~truth].mean() + 2.0
    assert train_events(model, heard, [None] * 6, epochs=2, batch_size=2, learning_rate=0.03) == []


# What learns


@pytest.mark.parametrize(
    ("tuning", "learns"), [("frozen", ()), ("lora", ("lora_A", "lora_B")), ("full", ("q_proj", "conv", "lay"))]
)
def test_what_learns_of_the_backbone_is_what_the_experiment_says(config, data, tuning, learns):
    model = model_of(config, data, f"training.tuning={tuning}")
    inside = [name for name, parameter in model.named_parameters() if "backbone." in name and parameter.requires_grad]
    assert bool(inside) == bool(learns)
    assert all(any(part in name for name in inside) for part in learns)
    assert tuning != "lora" or all(".lora_" in name for name in inside)
    outside = [parameter for name, parameter in model.named_parameters() if "backbone." not in name]
    assert all(parameter.requires_grad for parameter in outside)
    experiment = load_experiment(config, [f"training.tuning={tuning}", "training.backbone_learning_rate=0.0002"])
    groups = beatmeter.parameter_groups(model, experiment)
    assert [group["lr"] for group in groups] == [0.001, *{"lora": [0.001], "full": [0.0002]}.get(tuning, [])]
    assert sum(len(group["params"]) for group in groups) == len(inside) + len(outside)


def test_a_frozen_backbone_hears_as_it_was_published(config, data):
    model = model_of(config, data, "training.tuning=frozen").train()
    samples = torch.randn(1, 60_000)
    first, second = (model.listen(samples).means for _ in range(2))  # nothing masked
    assert first.equal(second)


def test_the_plateau_scheduler_lowers_both_rates(config, data, tmp_path):
    experiment = load_experiment(config, ["training.plateau_patience=0", "training.learning_rate=0.004"])
    trainer = MusicTrainer(
        experiment=experiment,
        rows=data.train,
        model=beatmeter.create_model(experiment, data.train),
        args=training_arguments(experiment, tmp_path, 0, validated=True, kept=True),
        eval_dataset=beatmeter.plain_view(data.validation, experiment),
    )
    trainer.create_optimizer_and_scheduler(num_training_steps=10)
    rates = []
    for accuracy in (0.5, 0.5, 0.6, 0.4):  # worse than the best twice
        trainer.lr_scheduler.step(accuracy)
        rates.append([group["lr"] for group in trainer.optimizer.param_groups])
    assert rates == [pytest.approx(pair) for pair in ([4e-3, 1e-3], [2e-3, 5e-4], [2e-3, 5e-4], [1e-3, 2.5e-4])]
    trainer.lr_scheduler.step(0.0)
    assert trainer.args.lr_scheduler_kwargs["min_lr"] == 1e-6


def test_half_precision_on_disk_loads_as_float32(config, data, tmp_path):
    model = model_of(config, data, "training.tuning=full").eval()
    for half, folder in ((True, tmp_path / "half"), (False, tmp_path / "whole")):
        beatmeter.save(model, folder, load_experiment(config, [f"training.half_precision={half}"]))
    size = {folder.name: (folder / "model.safetensors").stat().st_size for folder in tmp_path.iterdir()}
    assert size["half"] < 0.6 * size["whole"]
    loaded, samples = BeatMeterForMeterClassification.from_pretrained(tmp_path / "half").eval(), torch.randn(1, 60_000)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    with torch.inference_mode():
        torch.testing.assert_close(loaded(samples).logits, model(samples).logits, atol=5e-3, rtol=0)


# What is refused


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.tuning=half", "training.tuning is 'half'; allowed are frozen, lora, full"),
        ("training.folds=3", "training.folds must be 0"),
        ("training.scheduler=steps", "training.scheduler is 'steps'; allowed are cosine, constant and plateau"),
        ("training.best_metric=null", "it needs a figure to watch"),
        ("training.best_metric=f1", "best_metric is 'f1'; allowed are accuracy, balanced_accuracy, map, loss and null"),
        ("data.corpora=null", "the data block names nothing to learn from; set corpora, meter2800 or extra_data"),
        ("data.crop_seconds=0.5", r"data\.crop_seconds is 0\.5; it must be 1\.0 or more"),
        ("data.negative_label=0.5", r"data\.negative_label is 0\.5; it must be 0 or more and less than 0\.5"),
        ("model.labels=['3','6']", r"labels are \['3', '6'\]; give a list of two or more of 3, 4, 5, 7, 9, 11"),
        ("model.backbone_name=null", "model.backbone_name is not set; name a bundled backbone, a folder, or a Hub id"),
        ("model.head_type=cnn", "head_type is 'cnn'; allowed are pooled, tempogram"),
    ],
)
def test_mistakes_are_named(config, override, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, [override])


def test_a_backbone_that_is_nowhere_is_named_and_not_looked_for_on_the_hub(config, data):
    with pytest.raises(FileNotFoundError, match=r"model\.backbone_name is 'nowhere-mert': no such backbone"):
        model_of(config, data, "model.backbone_name=nowhere-mert")
    assert (
        beatmeter.backbone_of(load_experiment(config, ["model.backbone_name=m-a-p/MERT-v1-95M"])) == "m-a-p/MERT-v1-95M"
    )


def test_a_published_experiment_has_the_published_hyper_parameters():
    root = Path(__file__).parents[3] / "configs/beatmeter"
    large, base = (load_experiment(root / f"{size}.yaml") for size in ("330m", "95m"))
    for experiment, rates, sizes in ((large, (5e-4, 5e-5), (4, 8)), (base, (1e-3, 5e-5), (8, 4))):
        options = experiment.training
        assert (options.learning_rate, options.lora_learning_rate) == rates
        assert (options.batch_size, options.gradient_accumulation_steps) == sizes
        assert (options.lora_rank, options.lora_alpha, options.lora_dropout, options.tuning) == (16, 32, 0.05, "lora")
        assert (options.epochs, options.patience, options.weight_decay, options.max_grad_norm) == (80, 15, 1e-4, 1.0)
        assert (options.plateau_factor, options.plateau_patience, options.min_learning_rate) == (0.5, 5, 1e-6)
        heard = experiment.data
        assert (heard.crop_seconds, heard.noise_std, heard.shift_seconds, heard.negative_label) == (
            30.0,
            0.01,
            0.5,
            0.1,
        )
        assert json.loads(json.dumps(experiment.as_dict()))["data"]["pos_weight_cap"] == 10.0


@pytest.mark.parametrize(("published", "wanted"), [(0.2, 0.0), (0.0, 0.2), (0.2, 0.1), (0.0, 0.0)])
def test_a_backbone_has_an_embedding_for_what_is_hidden_where_anything_is(published, wanted):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = HubertConfig(num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, mask_time_prob=published, **sizes)
    backbone = HubertModel(config)
    beatmeter.set_masking(backbone, wanted)
    reference = HubertModel(backbone.config)  # as it is loaded by its config
    assert set(backbone.state_dict()) == set(reference.state_dict())
    assert backbone.config.mask_time_prob == wanted
