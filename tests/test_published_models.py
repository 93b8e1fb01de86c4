"""What the shipped weights must still do: hear the bundled recording, keep experts apart, go soft on blends.

And of every folder: that its figures are of its weights, and all there.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sameness import differences
from transformers import AutoModel

import linernotes
from linernotes.corpora.generators import GENRE_GENERATORS, SAMPLING_RATE, blend, generate_clip
from linernotes.modeling.audio import read_audio
from linernotes.modeling.feature_extraction_genre_moe import GenreMoeFeatureExtractor
from linernotes.modeling.musicnn import MSD_TAGS

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "linernotes" / "assets" / "morning_mood.ogg"
SEED = 4711  # no seed of the training clips
PUBLISHED = sorted(path.parent.name for path in ROOT.glob("models/genre-moe*/config.json"))
FOLDERS = sorted(path.parent for path in ROOT.glob("models/*/config.json"))
DEPEND_ON_LEVEL = {"mathrock-pocket", "sonicverse-smol"}  # their cards say so
CLASSIFIERS = sorted({facts["name"] for facts in linernotes.bundled_models()} - DEPEND_ON_LEVEL)
EACH = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
ALL_OF_A_CHOICE = ("accuracy", "macro_f1", "roc_auc", "ece")
# What every evaluation of a family must hold, by head; "" is the whole.
MEASURED = {
    "genre_moe": {"": ALL_OF_A_CHOICE},
    "beatmeter": {"": (*ALL_OF_A_CHOICE, "map")},
    "mathrock_affect": {"emotion": ("map", "ece"), **dict.fromkeys(("vibe", "intensity", "tempo"), ALL_OF_A_CHOICE)},
    "mega_audioformer": {"": ALL_OF_A_CHOICE},
    "sonicverse": {},  # by evaluation and head, see below
    "hubert": {},  # a backbone is probed: each question has a figure of its own
    "encodec": {},  # a codec answers no question
}


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def figures_in(measured: object) -> Iterator[dict]:
    """Every figure, however deep it lies."""
    if isinstance(measured, dict):
        if {"value", "low", "high"} <= set(measured):
            yield measured
        for part in measured.values():
            yield from figures_in(part)


@pytest.fixture(scope="module")
def genre_moe():
    return linernotes.load("genre-moe")


def test_both_genre_models_are_published():
    assert PUBLISHED == ["genre-moe", "genre-moe-tags"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_orchestra_is_heard_as_classical(name):
    answer = linernotes.load(name).predict(RECORDING)
    assert answer["predicted_genre"] == "classical"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_genre_model_stays_within_five_megabytes(name):
    assert (ROOT / "models" / name / "model.safetensors").stat().st_size < 5_000_000


def test_musicnn_hears_what_its_authors_weights_hear():
    model = linernotes.load("genre-moe-tags")
    as_its_authors = GenreMoeFeatureExtractor("mel_patches")  # at the recording's own level
    patches = as_its_authors(read_audio(RECORDING, 16000), sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        tags = model.musicnn(patches["input_values"][0]).mean(0)
    assert MSD_TAGS[int(tags.argmax())] == "instrumental"
    assert float(tags.max()) == pytest.approx(0.28, abs=0.02)


@pytest.mark.slow
def test_new_generated_songs_are_told_apart_each_by_its_own_expert(genre_moe):
    for genre in GENRE_GENERATORS:
        clips = [generate_clip(genre, (SEED, number), 10.0) for number in range(8)]
        answers = genre_moe.predict([{"array": clip, "sampling_rate": SAMPLING_RATE} for clip in clips])
        assert np.mean([answer["predicted_genre"] == genre for answer in answers]) >= 0.75
        assert np.mean([answer["gate_weights"][genre] for answer in answers]) >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "share"), [("blues", "rock", 0.05), ("jazz", "classical", 0.75)])
def test_the_gate_goes_soft_on_a_blend(genre_moe, first, second, share):
    """From one genre to the other the weight goes over, and is spread most on the way: where, depends on loudness."""

    def gates(share: float) -> np.ndarray:
        clips = [blend(first, second, (SEED, number), share, 6.0) for number in range(8)]
        answers = genre_moe.predict([{"array": clip, "sampling_rate": SAMPLING_RATE} for clip in clips])
        return np.array([list(answer["gate_weights"].values()) for answer in answers])

    def entropy(weights: np.ndarray) -> float:
        return float(-(weights * np.log(weights + 1e-9)).sum(1).mean())

    pure_first, mixed, pure_second = (gates(part) for part in (0.0, share, 1.0))
    assert entropy(mixed) > 1.5 * max(entropy(pure_first), entropy(pure_second))
    index = genre_moe.config.label2id
    falling = [weights.mean(0)[index[first]] for weights in (pure_first, mixed, pure_second)]
    rising = [weights.mean(0)[index[second]] for weights in (pure_first, mixed, pure_second)]
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising)


def test_mathrock_pocket_is_small_and_reads_no_lyrics():
    folder = ROOT / "models" / "mathrock-pocket"
    assert (folder / "model.safetensors").stat().st_size < 10_000_000
    model = linernotes.load("mathrock-pocket")
    told, alone = model.predict(RECORDING, lyrics="never meant"), model.predict(RECORDING)
    assert told.pop("warnings") == ["lyrics were given, but this model reads none: the sound alone is heard"]
    assert told == {key: value for key, value in alone.items() if key != "warnings"}


@pytest.mark.parametrize("gain", [1 / 64, 4.0])  # exact in binary: rounding may choose another code
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_the_same_however_loud_the_copy_is(name, gain):
    model, samples = linernotes.load(name), read_audio(RECORDING, 24_000)[: 24_000 * 20]
    plain, played = (model.predict(each, sampling_rate=24_000) for each in (samples, gain * samples))
    largest, texts = differences(plain, played)
    assert largest < 1e-3
    assert not texts


@EACH
def test_metrics_are_those_of_these_weights(folder):
    metrics, training = read(folder, "metrics.json"), read(folder, "training.json")
    assert metrics["model"] == folder.name
    assert metrics["training"]["commit"] == training["commit"]
    figures = list(figures_in(metrics["results"]))
    assert figures
    for figure in figures:
        assert figure["low"] is None or figure["low"] <= figure["value"] <= figure["high"]


@EACH
def test_every_evaluation_has_the_figures_of_its_family(folder):
    for result in read(folder, "metrics.json")["results"].values():
        for head, keys in MEASURED[read(folder, "config.json")["model_type"]].items():
            part = result[head] if head else result
            assert {key for key in keys if "majority_baseline" in part.get(key, ())} == set(keys)


@EACH
def test_a_model_that_answers_hears_the_bundled_recording_whole(folder):
    if "auto_map" not in read(folder, "config.json"):
        assert not hasattr(AutoModel.from_pretrained(folder), "predict")  # a backbone
        return
    answer = linernotes.load(folder).predict(RECORDING, timeline=True)
    assert answer["model"] == folder.name
    assert answer["heard_seconds"] == answer["duration_seconds"] == pytest.approx(15.25, abs=0.01)
    assert answer["timeline"][-1]["end_seconds"] == answer["duration_seconds"]
    assert [each for each in answer["warnings"] if "captions need the language model" not in each] == []


def test_sonicverse_smol_hears_facts_without_its_language_model():
    folder = ROOT / "models" / "sonicverse-smol"
    model = linernotes.load("sonicverse-smol")
    learned = sum(part.numel() for part in model.projector.parameters())
    assert 2 * learned < 8_000_000, "what was trained, in half precision"
    answer = model.predict(RECORDING)
    assert answer["caption"] is None
    assert answer["vocals"]["label"] == "instrumental"
    assert "classical" in answer["genres"]["labels"]
    assert any("linernotes fetch-llm" in warning for warning in answer["warnings"])
    results = read(folder, "metrics.json")["results"]
    for name, heads in {
        "test": {"key": "weighted_score", "instruments": "map", "moods": "map", "genres": "map"},
        "voices": {"singing": "accuracy", "vocals": "accuracy"},
        "real": {"key": "weighted_score"},
    }.items():
        for head, figure in heads.items():
            assert "majority_baseline" in results[name][head][figure]
    assert set(results["test"]["captions"]["baselines"]) == {"ungrounded", "without task tokens"}
    assert len(results["real"]["examples"]) == 30
