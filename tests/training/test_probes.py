"""Probes find what was planted, find nothing in noise, and never see a group from both sides."""

import io
import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from rich.console import Console
from safetensors.torch import save_file
from sklearn import metrics as sk
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from linernotes.corpora.score.score import Facts, Span
from linernotes.modeling.musicnn import MusicnnTagger
from linernotes.training import probe_features, probe_kinds, probe_tasks, probes
from linernotes.training.probe_features import Ears, backbones, hear_all, kept, log_mel_statistics, musicnn
from linernotes.training.probe_tasks import Examples, Recording, Task

CLASSES = ["a", "b", "c"]


def ones(rows: int) -> np.ndarray:
    return np.ones((1, rows))


def task_of(targets: np.ndarray, kind: str = "classes", tested: int = 0, rows_a_group: int = 3) -> Task:
    """Rows in groups of three in a row; the last `tested` are the test part."""
    recordings = [Recording("made", str(number)) for number in range(len(targets))]
    groups = [f"group {number // rows_a_group}" for number in range(len(targets))]
    parts = [slice(None, -tested), slice(-tested, None)] if tested else [slice(None)]
    examples = [Examples(recordings[part], targets[part], groups[part]) for part in parts]
    return Task("made", kind, CLASSES, *examples)


def figures_of(task: Task, **candidates: np.ndarray) -> dict:
    """What is measured of one ear whose vectors are `candidates`, by name."""

    def vectors_of(recordings):
        rows = [int(recording.path) for recording in recordings]
        return {name: vectors[rows] for name, vectors in candidates.items()}

    answers, choices = probes.answer_task(task, vectors_of)
    return probes.measure(task, {"ear": answers}, {"ear": choices})


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(180, 8))


@pytest.fixture
def classes() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 3, 180)


# Figures


def test_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    weights = rng.integers(0, 3, (5, 60)).astype(float)
    tags, scores = rng.integers(0, 2, (60, 3)).astype(float), rng.integers(0, 6, (60, 3)) / 6  # with ties
    tempo, guess = rng.normal(size=60), rng.normal(size=60)
    for row, drawn in enumerate(weights):
        assert probe_kinds.accuracy(truth, said, weights)[row] == pytest.approx(
            sk.accuracy_score(truth, said, sample_weight=drawn)
        )
        assert probe_kinds.balanced_accuracy(truth, said, weights)[row] == pytest.approx(
            sk.balanced_accuracy_score(truth, said, sample_weight=drawn)
        )
        assert probe_kinds.mean_average_precision(tags, scores, weights)[row] == pytest.approx(
            sk.average_precision_score(tags, scores, sample_weight=drawn)
        )
        assert probe_kinds.r_squared(tempo, guess, weights)[row] == pytest.approx(
            sk.r2_score(tempo, guess, sample_weight=drawn)
        )


@pytest.mark.parametrize(
    ("bpm", "said", "right", "right_of_a_multiple"),
    [
        (120, 120, True, True),
        (120, 124.7, True, True),
        (120, 125, False, False),
        (120, 60, False, True),
        (120, 361, False, True),
        (120, 40, False, True),
        (120, 80, False, False),
    ],
)
def test_a_tempo_is_right_within_4_percent(bpm, said, right, right_of_a_multiple):
    references, answers = np.log2([bpm]), np.log2([said])
    assert probe_kinds.within_4_percent(references, answers, ones(1)) == right
    assert probe_kinds.within_4_percent_of_a_multiple(references, answers, ones(1)) == right_of_a_multiple


# Learning and answering


@pytest.mark.parametrize("tested", [0, 60])
def test_a_planted_feature_is_found(classes, noise, tested):
    planted = np.hstack([noise, np.eye(3)[classes] * 10])
    result = figures_of(task_of(classes, tested=tested), ear=planted)
    assert result["accuracy"]["value"] == result["balanced_accuracy"]["value"] == 1.0
    assert 0.7 < result["accuracy"]["low"] < 1.0  # so many groups without an error prove no more
    assert result["n"] == (tested or 180)
    assert result["n_groups"] == result["n"] / 3
    assert result["accuracy"]["majority_baseline"] == pytest.approx(np.bincount(classes[-tested:]).max() / result["n"])


@pytest.mark.parametrize("tested", [0, 60])
def test_in_noise_there_is_nothing(classes, noise, tested):
    accuracy = figures_of(task_of(classes, tested=tested), ear=noise)["balanced_accuracy"]
    assert accuracy["low"] < 1 / 3 < accuracy["high"]
    assert accuracy["high"] < 0.6


def test_planted_tags_and_tempi_are_found(noise):
    tags = (noise[:, :3] > 0.3).astype(float)
    result = figures_of(task_of(tags, "tags", 60), ear=np.hstack([noise[:, 3:], tags]))
    assert result["map"]["value"] == 1.0
    assert result["map"]["majority_baseline"] == pytest.approx(tags[-60:].mean(), abs=1e-6)
    tempo = 7 + noise[:, 0] / 4
    result = figures_of(task_of(tempo, "tempo", 60), ear=noise)
    assert result["r_squared"]["value"] > 0.99
    assert result["within_4_percent"]["value"] > result["within_4_percent"]["majority_baseline"]
    assert figures_of(task_of(tempo, "tempo", 60), ear=noise[:, 1:])["r_squared"]["value"] < 0.1


def test_the_vectors_that_tell_most_are_chosen(classes, noise):
    result = figures_of(task_of(classes, tested=60), first=noise, second=np.eye(3)[classes] + noise[:, :3] / 10)
    assert [choice.split(",")[0] for choice in result["chosen"]] == ["second"]
    assert result["accuracy"]["value"] == 1.0


def test_what_tells_groups_apart_does_not_help():
    """Groups are whole on one side: vectors that name the group say nothing of new groups."""
    groups = np.arange(180) // 3
    classes, names = np.random.default_rng(3).integers(0, 2, 60)[groups], np.random.default_rng(4).normal(size=(60, 90))
    accuracy = figures_of(task_of(classes), ear=names[groups])["balanced_accuracy"]
    assert accuracy["low"] < 0.5 < accuracy["high"]
    seen = probes.fit(probe_kinds.KINDS["classes"], names[groups], classes, 1.0).predict(names[groups])
    assert (seen == classes).all()


def test_no_group_is_on_both_sides(classes):
    groups = np.array([f"group {number // 4}" for number in range(180)])
    parts = probes.folds(classes, groups, 5)
    assert sorted(np.concatenate([out for _, out in parts])) == list(range(180))
    assert not any(set(groups[rest]) & set(groups[out]) for rest, out in parts)


def test_too_little_to_choose_by_is_refused(classes):
    with pytest.raises(ValueError, match=r"180 rows in 1 groups, .* needs two rows a class and two groups"):
        probes.folds(classes, ["one"] * 180, 3)


def test_differences_are_paired(classes):
    task = task_of(classes, tested=60)
    truth = task.test.targets
    wrong = np.where(np.arange(60) < 6, (truth + 1) % 3, truth)
    answers = {"ours": truth, "same": truth, "worse": wrong}
    beside = probes.measure(task, answers, {name: ["first, C 1"] for name in answers})["baselines"]
    same, worse = (beside[name]["our_accuracy_minus_its"] for name in ("same", "worse"))
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert worse["value"] == pytest.approx(0.1)
    assert worse["low"] <= 0.1 <= worse["high"]
    assert beside["worse"]["accuracy"]["value"] == pytest.approx(0.9)


# What is asked


def write_set(folder, rows: list[dict], tone, channels: int = 1) -> None:
    """A real set in its published form: metadata.csv and half a second of sound a file."""
    folder.mkdir(parents=True)
    for row in rows:
        samples = tone(0.5, 24000) * 0.5
        sound = np.stack([samples, samples[::-1]], axis=1) if channels == 2 else samples
        soundfile.write(folder / row["file_name"], sound, 24000)
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)


@pytest.fixture
def data_dir(tmp_path, tone):
    def rows(labels: str, **more):
        """Each its own group."""
        return [
            {"file_name": f"{i}.wav", "label": label, "split": "train", "group": f"g{i}", "seconds": 0.5} | more
            for i, label in enumerate(labels.split())
        ]

    data = tmp_path / "data"
    notes = [row | {"note": f"A{i}"} for i, row in enumerate(rows("bass " * 5 + "reed " * 5))]
    write_set(data / "real-notes", notes, tone)
    songs = [row | {"label": "vocals", "song": f"s{i}"} for i, row in enumerate(rows("v v v v v v v v"))]
    sung = [row | {"split": "validation"} if i > 3 else row for i, row in enumerate(songs)]
    write_set(data / "mir1k-vocals", sung, tone, channels=2)
    speech = [
        row | {"genre_from_name": "jazz" if i < 2 else ""} for i, row in enumerate(rows("music " * 5 + "speech " * 5))
    ]
    write_set(data / "gtzan-music-speech", speech, tone)
    mini = rows("jazz " * 4 + "pop " * 5 + "disco disco", tempo_bpm="", key_lerch="")
    mini[-1]["group"] = mini[-2]["group"]
    mini[0] |= {"tempo_bpm": "60.5", "key_lerch": "A# major"}
    mini[1] |= {"tempo_bpm": "121", "key_lerch": "G minor"}
    write_set(data / "gtzan-audio-mini", mini, tone)
    return data


def facts_of(number: int, style: str) -> Facts:
    names = {"solo": [("Acoustic Bass", "Alto Sax")[number % 2]]}.get(style, ["drums", "Violin"][: 1 + number % 2])
    pulse = {"meter": (3, 4, 6)[number % 3], "grouping": (2,), "pulse": 1.0, "tempo_bpm": 60.0 + 30 * (number % 3)}
    spans = {"meters": [Span(0.0, 0.5, "4/4")], "chords": [], "sections": [], "beats": [], "downbeats": []}
    key = (None, "C major", "A minor", "C major", "A minor")[number % 5]
    others = {"swing_ratio": 1.0, "key": key, "polyrhythm": None, "has_drums": True, "has_voice": False}
    return Facts(style=style, instruments=names, identity=f"{style} {number}", **pulse, **spans, **others)


@pytest.fixture
def corpus(tmp_path, tone):
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = []
    for number in range(110):
        facts = facts_of(number, ("jazz", "rock", "solo")[number % 3])
        soundfile.write(folder / f"{number}.wav", tone(0.5, 24000), 24000)
        row = {"path": f"{number}.wav", "labels": [facts.style], "group": facts.identity, "licence": "MIT"}
        split = ("train", "validation", "test")[(number > 59) + (number > 65)]
        lines.append(json.dumps(row | {"split": split, "facts": json.dumps(asdict(facts))}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_the_tasks_are_what_the_sets_say(data_dir, corpus):
    tasks = {task.name: task for task in probes.all_tasks([data_dir], [corpus], train_clips=1000)}
    assert set(tasks) == {
        "instrument_family", "voice_present", "speech_or_music", "genre", "real_tempo", "real_key",
        "real_instrument_family", "rendered_style", "rendered_meter", "rendered_key", "rendered_tempo",
        "rendered_instruments",
    }  # fmt: skip
    assert tasks["genre"].labels == ["jazz", "pop"]  # disco has one artist only
    assert tasks["genre"].sources == ["gtzan-audio-mini", "gtzan-music-speech"]
    assert 2 ** tasks["real_tempo"].test.targets == pytest.approx([60.5, 121])
    assert [tasks["real_key"].labels[i] for i in tasks["real_key"].test.targets] == ["Bb major", "G minor"]
    assert tasks["rendered_meter"].labels == ["3", "4", "5", "7", "9", "11", "6, 8, 10"]
    assert set(tasks["rendered_meter"].learn.targets) == {0, 1, 6}
    assert len(tasks["rendered_key"].learn.targets) == 48  # of 60, those with a key
    assert tasks["rendered_instruments"].labels == ["drums"]  # 20 in each part; violins play in 15 of the test
    assert len(tasks["rendered_style"].test.targets) == 44
    assert set(tasks["real_instrument_family"].learn.targets) == {0, 1}


def test_nobody_is_learned_from_and_tested(data_dir, corpus):
    for task in probes.all_tasks([data_dir], [corpus], train_clips=1000):
        if task.test is not None:
            assert not set(task.learn.groups) & set(task.test.groups)
            assert not set(task.learn.recordings) & set(task.test.recordings)


def test_voice_is_asked_about_in_pairs(data_dir):
    task = next(task for task in probes.all_tasks([data_dir], [], 0) if task.name == "voice_present")
    assert task.learn.targets.tolist() == [0] * 4 + [1] * 4
    alone, sung = task.learn.recordings[0], task.learn.recordings[4]
    assert sung == replace(alone, left_only=False)
    stored = soundfile.read(alone.path)[0]
    for recording, samples in ((alone, stored[:, 0]), (sung, stored.mean(1))):
        heard = recording.samples(24000)
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.1, rel=1e-3)
        assert np.corrcoef(heard, samples)[0, 1] > 0.9999


def test_only_some_training_clips_are_drawn_but_all_solos(corpus):
    clips = probe_tasks.read_rendered(corpus, train_clips=10, seed=0)
    count = {split: sum(clip.split == split for clip in clips) for split in ("train", "spare", "test")}
    assert count["train"] == 10
    assert count["test"] == 44
    assert sum(clip.facts.style == "solo" for clip in clips if clip.split != "test") == 20
    assert clips == probe_tasks.read_rendered(corpus, train_clips=10, seed=0)
    assert clips != probe_tasks.read_rendered(corpus, train_clips=10, seed=1)


def test_what_cannot_be_asked_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nothing to ask about: give --data-dir .* or --corpus"):
        probes.all_tasks([tmp_path], [], 10)
    with pytest.raises(ValueError, match=r"holds no manifest\.jsonl; build it by `linernotes corpus build"):
        probes.all_tasks([], [tmp_path], 10)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"split": "train", "labels": ["solo"]}))
    with pytest.raises(ValueError, match="has 1 train and 0 test clips; probes need both"):
        probes.all_tasks([], [tmp_path], 10)


# Ears


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A backbone that nobody trained."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-ears"
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    convolutions = {"conv_dim": [8, 8], "conv_kernel": [512, 3], "conv_stride": [160, 2], "feat_extract_norm": "layer"}
    torch.manual_seed(3)
    HubertModel(HubertConfig(num_conv_pos_embeddings=8, **sizes, **convolutions)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=24000, do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture
def sounds(tmp_path, tone) -> list[Recording]:
    """Of two lengths, in turn."""
    for number in range(5):
        soundfile.write(tmp_path / f"{number}.wav", tone(0.5 + number % 2 / 4, 24000) ** (1 + number), 24000)
    return [Recording("made", str(tmp_path / f"{number}.wav")) for number in range(5)]


def test_a_backbone_is_heard_layer_by_layer(folder, sounds):
    trained, untrained = backbones(folder, "tiny-ears", seed=0)
    heard = hear_all(trained, sounds)
    assert {name: vectors.shape for name, vectors in heard.items()} == {
        **{f"layer {number}": (5, 32) for number in range(3)}, "all layers": (5, 96),
    }  # fmt: skip
    samples = torch.from_numpy(sounds[1].samples(24000))
    samples = (samples - samples.mean()) / samples.std(correction=0)
    with torch.inference_mode():
        last = HubertModel.from_pretrained(folder).eval()(samples[None]).last_hidden_state[0]
    expected = torch.cat([last.mean(0), last.std(0, correction=0)]).numpy()
    np.testing.assert_allclose(heard["layer 2"][1], expected, rtol=1e-3, atol=1e-4)
    assert np.abs(hear_all(untrained, sounds)["layer 2"] - heard["layer 2"]).max() > 0.01
    assert backbones(folder, "tiny-ears", seed=0)[1].identity == untrained.identity
    assert backbones(folder, "tiny-ears", seed=1)[1].identity != untrained.identity


def tagger_of_few_filters() -> dict[str, torch.Tensor]:
    """Weights of a musicnn that nobody trained; most filters are silent, as in the published one: quick."""
    torch.manual_seed(5)
    tagger = MusicnnTagger()
    for front in (*tagger.timbral_fronts, *tagger.temporal_fronts):
        front.conv.weight.data[4:] = 0
    return tagger.state_dict()


def test_who_else_is_in_the_batch_changes_nothing(sounds, tmp_path):
    save_file(tagger_of_few_filters(), tmp_path / "musicnn.safetensors")
    for ears in (log_mel_statistics(), musicnn(tmp_path / "musicnn.safetensors")):
        together = hear_all(ears, sounds)
        for number, sound in enumerate(sounds):
            for name, vector in hear_all(ears, [sound]).items():
                np.testing.assert_allclose(together[name][number], vector[0], rtol=1e-3, atol=1e-4)
    assert {name: len(row[0]) for name, row in together.items()} == {
        "tags": 100, "penultimate layer": 400, "frames": 1506,
    }  # fmt: skip


def test_a_steady_tone_does_not_move(tmp_path):
    times = np.arange(24000) / 24000
    soundfile.write(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 1000 * times), 24000)
    statistics = hear_all(log_mel_statistics(), [Recording("made", str(tmp_path / "tone.wav"))])["statistics"][0]
    mean, deviation, moves, _ = statistics.reshape(4, 128)
    loudest = mean.argmax()
    assert deviation[loudest] < 2.0
    assert moves[loudest] < 0.5
    assert probe_features.mel_spectrogram(torch.eye(1025)[None, 85:86], 24000)[0, 0, loudest] > 0  # bin 85: 996 Hz


def test_what_was_heard_is_kept(sounds, tmp_path):
    calls = []

    def hear(samples):
        calls.append(len(samples))
        return {"mean": samples.mean(1, keepdim=True)}

    ears = Ears("made", 24000, "weights 1", hear)
    first = kept(ears, sounds, tmp_path / "cache")
    assert sum(calls) == 5
    np.testing.assert_array_equal(kept(ears, sounds, tmp_path / "cache")["mean"], first["mean"])
    assert sum(calls) == 5
    kept(replace(ears, identity="weights 2"), sounds, tmp_path / "cache")
    kept(ears, sounds[:2], tmp_path / "cache")
    assert sum(calls) == 12


# The command


def test_the_command_measures_everything(folder, data_dir, corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(probes, "STRENGTHS", (1e-2,))
    for name in ("real-notes", "mir1k-vocals"):  # the others are enough, and quicker
        shutil.rmtree(data_dir / name)
    save_file(
        {f"musicnn.{key}": value for key, value in tagger_of_few_filters().items()}, tmp_path / "model.safetensors"
    )
    places = [
        "--data-dir",
        data_dir,
        "--corpus",
        corpus,
        "--musicnn",
        tmp_path,
        "--cache",
        tmp_path / "cache",
        "--train-clips",
        30,
    ]
    arguments = [str(part) for part in (folder, *places, "--out", tmp_path / "metrics.json")]
    assert probes.main(arguments) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["model"] == "tiny-ears"
    assert [data["name"] for data in metrics["data"]] == [
        "gtzan-music-speech",
        "gtzan-audio-mini",
        "rendered music, recipe corpus, seed 0",
    ]
    assert len(metrics["results"]) == 9
    for result in metrics["results"].values():
        assert set(result["baselines"]) == {"random weights", "log-mel statistics", "musicnn"}
        assert {"n", "n_groups", "interval", "chosen", "sources"} <= set(result)
    assert "rendered_style" in capsys.readouterr().out
    assert probes.main([str(tmp_path / "nothing"), "--data-dir", str(data_dir)]) == 2
    assert "nothing" in capsys.readouterr().err


def test_the_table_marks_sure_differences(classes):
    task = task_of(classes, tested=60)
    answers = {"ours": task.test.targets, "same": task.test.targets, "worse": np.zeros(60, int)}
    results = {"made": probes.measure(task, answers, {name: [] for name in answers})}
    console = Console(record=True, width=120, file=io.StringIO())
    probes.show(results, "ours", console)
    line = next(line for line in console.export_text().splitlines() if "made" in line)
    assert "1.000 =" in line
    assert f"{np.mean(task.test.targets == 0):.3f} +" in line
