"""A small experiment of every recipe: its data, written in a second, and its config, which takes seconds to run.

Each recipe has a function that writes the data and one that writes the config; `SMALL` has them all by name.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import clicks
import numpy as np
import riffs
import soundfile
import torch
from described_music import make_corpus, make_named, make_real, make_texts, make_voices
from pocket_codec import RATE, SIZES, noise, tiny_codec
from published_mathrock import TINY_CLAP, TINY_WAVLM
from published_sonicverse import audio_config, text_config, tiny_tokenizer
from transformers import HubertModel, LlamaForCausalLM, Wav2Vec2FeatureExtractor

from linernotes.corpora.manifest import write_manifest
from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.splits import split_of
from linernotes.training.recipes.pocket_codec import HELD_OUT

# genre_moe

GENRE_MOE = """
family: genre_moe
name: genre-test
model: {labels: [jazz, rock], num_experts: 2, gate_alignment_weight: 0.5, log_features: [52, 56]}
data: {statistics: tables, other_genres: true, real_share: 1.0, mixup: 1.0, noise: 0.3, teacher: true}
training: {epochs: 12, batch_size: 16, best_metric: null, patience: null, learning_rate: 0.005}
"""
COLUMNS = [
    *("chroma_stft_mean", "chroma_stft_var", "rms_mean", "rms_var", "spectral_centroid_mean", "spectral_centroid_var"),
    *("spectral_bandwidth_mean", "spectral_bandwidth_var", "rolloff_mean", "rolloff_var"),
    *("zero_crossing_rate_mean", "zero_crossing_rate_var", "harmony_mean", "harmony_var", "perceptr_mean"),
    *("perceptr_var", "tempo"),
    *(f"mfcc{k}_{statistic}" for k in range(1, 21) for statistic in ("mean", "var")),
]


def genre_moe_data(folder: Path) -> Path:
    """A table of three genres, six artists each, that differ in every column."""
    (folder / "tables").mkdir()
    rng = np.random.default_rng(0)
    statistics, metadata = [], []
    for number, genre in enumerate(("jazz", "rock", "disco")):
        for song in range(24):
            clip = f"{genre}.{song:05}"
            values = np.exp(rng.normal(loc=0.7 * number, scale=0.5, size=len(COLUMNS)))
            statistics.append(
                {"clip": clip, "label": genre, "split": "train", "length": 1} | dict(zip(COLUMNS, values, strict=True))
            )
            metadata.append({"clip": clip, "label": genre, "split": "train", "group": f"{genre} artist {song % 6}"})
    for name, rows in (("features_30_sec.csv", statistics), ("metadata.csv", metadata)):
        with (folder / "tables" / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def genre_moe_config(folder: Path) -> Path:
    return written(folder / "experiment.yaml", GENRE_MOE)


# beatmeter

BEATMETER = """
family: beatmeter
name: beatmeter-test
model: {{backbone_name: {backbone}, labels: ["3", "4", "5"], head_type: tempogram, chunk_seconds: 2.0,
        head_hidden_size: 16, tempogram_channels: 4, tempogram_hidden_size: 16, min_lag_seconds: 0.08, lag_octaves: 4,
        lags_per_octave: 12, dropout: 0.0}}
data: {{corpora: [clicks], crop_seconds: 2.5, noise_std: 0.001, shift_seconds: 0.05}}
training: {{epochs: 2, batch_size: 10, gradient_accumulation_steps: 1, learning_rate: 0.001, lora_learning_rate: 0.001,
           lora_rank: 2, eval_batch_size: 12, patience: null, highest_losses: 5, mask_time_prob: 0.2}}
"""


def beatmeter_data(folder: Path) -> Path:
    clicks.write_corpus(folder / "clicks", {"train": 20, "validation": 4, "test": 6})
    return folder


def beatmeter_config(folder: Path) -> Path:
    text = BEATMETER.format(backbone=clicks.write_backbone(folder / "tiny-mert"))
    return written(folder / "experiment.yaml", text)


# mathrock_affect

MATHROCK_AFFECT = {
    "family": "mathrock_affect",
    "name": "mathrock-test",
    "model": {
        "wavlm_config": TINY_WAVLM, "clap_config": TINY_CLAP, "window_seconds": 2.5, "projection_size": 16,
        "fusion_size": 16, "head_hidden_size": 16, "fusion_dropout": 0.0, "head_dropout": 0.0,
    },
    "data": {"corpora": ["riffs"], "timed_recordings": ["songs"], "shift_seconds": 0.05},
    "training": {
        "epochs": 2, "batch_size": 6, "learning_rate": 0.003, "backbone_learning_rate": 0.002, "eval_batch_size": 6,
        "half_precision": True, "writing_weight": 1.0,
    },
}  # fmt: skip


def mathrock_affect_data(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    riffs.write_corpus(folder / "riffs", {"train": 10, "validation": 4, "test": 4})
    (folder / "songs").mkdir()
    for name in ("a", "b"):
        soundfile.write(folder / "songs" / f"{name}.wav", 0.1 * rng.standard_normal(48_000), 16_000)
    (folder / "songs" / "metadata.csv").write_text("file_name,group,tempo_bpm\na.wav,x,70\nb.wav,y,150\n")
    return folder


def mathrock_affect_config(folder: Path) -> Path:
    return written(folder / "experiment.yaml", json.dumps(MATHROCK_AFFECT))  # JSON is YAML


# mega_audioformer, both stages

MEGA_AUDIOFORMER_PRETRAINING = """
family: mega_audioformer_pretraining
name: pretraining-test
data: {sets: [{name: clips}], codec: CODEC, crop_seconds: 0.6, validation_share: 0.3, codec_bandwidth_kbps: 6.0}
training: {epochs: 3, batch_size: 4, learning_rate: 0.003, best_metric: null, patience: null}
"""
MEGA_AUDIOFORMER = """
family: mega_audioformer
name: fine-tuning-test
data: {sets: [{name: clips}, {name: others, splits: {train: test}, evaluation: other}], codec: CODEC, seconds: 1.0,
       codec_bandwidth_kbps: 6.0, level_db: [-22, -20], copies: 1, mask_share: 0.2}
training: {epochs: 12, batch_size: 8, learning_rate: 0.01, encoder_learning_rate: 0.003, patience: null,
           half_precision: true}
"""


def mega_audioformer_data(folder: Path) -> Path:
    """Noise and tones of 1 s, eight groups; and two clips more of another set."""
    times = np.arange(RATE) / RATE
    for name, count in (("clips", 32), ("others", 4)):
        (folder / name).mkdir()
        with (folder / name / "metadata.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file_name", "label", "split", "group", "seconds"])
            for number in range(count):
                tone = 0.1 * np.sin(2 * np.pi * (200 + 40 * number) * times)
                soundfile.write(folder / name / f"{number}.wav", tone if number % 2 else noise(1.0, number), RATE)
                group = number // 4
                split = "train" if group < 5 or name == "others" else ("validation", "test", "test")[group - 5]
                writer.writerow([f"{number}.wav", ("noise", "tone")[number % 2], split, f"{name} {group}", 1.0])
    return folder


def mega_audioformer_pretraining_config(folder: Path) -> Path:
    return _of_codes(folder, "pretraining", MEGA_AUDIOFORMER_PRETRAINING, {})


def mega_audioformer_config(folder: Path) -> Path:
    return _of_codes(folder, "fine_tuning", MEGA_AUDIOFORMER, {"labels": ["noise", "tone"]})


def _of_codes(folder: Path, name: str, text: str, labels: dict[str, list[str]]) -> Path:
    if not (folder / "codec").is_dir():
        tiny_codec().save_pretrained(folder / "codec")
    model = SIZES | {"frames_per_patch": 3} | labels
    return written(
        folder / f"{name}.yaml", text.replace("CODEC", str(folder / "codec")) + f"model: {json.dumps(model)}\n"
    )


# sonicverse

SONICVERSE = """
family: sonicverse
name: NAME
model: {audio_name: AUDIO, text_name: nobody/tiny-speaker, tasks: TASKS, content_tokens: 3, task_tokens: 1,
        backbone_size: 16, head_hidden_size: 16, projector_hidden_size: 12, max_new_tokens: 6, window_seconds: 2.0,
        caption_seconds: 2.0}
data: {corpora: [corpus], voices: voices, test_singers: [heycat], validation_singers: [davidson], real: real,
       frame_stride: 5, max_tokens: 80, validation_rows: 4, test_captions: 3}
training: {language_model: TEXT, max_steps: 4, batch_size: 4, eval_batch_size: 4, gradient_accumulation_steps: 1,
           learning_rate: 0.003, save_steps: 1, head_epochs: 12, head_batch_size: 8, half_precision: true,
           head_learning_rate: 0.01, logging_steps: 1}
"""
TASKS = {
    "instrument_detection": {"classes": ["drums", "electricguitar", "piano", "voice"]},
    "genre_detection": {"classes": ["jazz", "rock"]},
    "key_detection": {"classes": ["C major", "A minor"]},
    "vocals_detection": {"classes": ["instrumental", "female", "male"]},
}


def sonicverse_data(folder: Path) -> Path:
    make_corpus(folder / "corpus")
    make_voices(folder / "voices")
    make_real(folder / "real")
    make_named(folder / "named")
    make_texts(folder / "texts")
    return folder


def sonicverse_parts(folder: Path) -> Path:
    """An encoder and a language model of random weights."""
    torch.manual_seed(0)
    HubertModel(audio_config()).save_pretrained(folder / "audio")
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=24_000, do_normalize=True)
    extractor.save_pretrained(folder / "audio")
    LlamaForCausalLM(text_config()).save_pretrained(folder / "text")
    tiny_tokenizer().save_pretrained(folder / "text")
    return folder


def sonicverse_config(folder: Path) -> Path:
    """The first stage; beside it `no-tasks.yaml`, the baseline, and `tasks_ft.json`, for the second."""
    if not (folder / "audio").is_dir():
        sonicverse_parts(folder)
    (folder / "tasks.json").write_text(json.dumps(TASKS))
    frozen = {name: task | {"requires_grad": False, "weight": 0.0} for name, task in TASKS.items()}
    (folder / "tasks_ft.json").write_text(json.dumps(frozen))
    text = SONICVERSE.replace("AUDIO", str(folder / "audio")).replace("TEXT", str(folder / "text"))
    for name, tasks in (("no-tasks", "{}"), ("stage1", "tasks.json")):
        config = written(folder / f"{name}.yaml", text.replace("NAME", f"{name}-test").replace("TASKS", tasks))
    return config


# pocket_mert

POCKET_MERT = """
family: pocket_mert
name: pocket-test
model: {conv_dim: [72, 16], conv_kernel: [512, 4], conv_stride: [160, 2], feat_extract_norm: layer, conv_bias: true,
        do_stable_layer_norm: true, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
        intermediate_size: 32, num_conv_pos_embeddings: 8, num_conv_pos_embedding_groups: 2,
        hidden_dropout: 0.0, attention_dropout: 0.0, layerdrop: 0.0, mask_time_prob: 0.2, mask_time_length: 4}
data: {rendered: [clips], recordings: [heard], crop_seconds: 1.0, recordings_share: 0.25}
training: {epochs: 3, batch_size: 4, learning_rate: 0.01, best_metric: null, patience: null}
"""


def pocket_mert_data(folder: Path) -> Path:
    """Clips with scores (their sound is noise: what is learned is not the point here) and recordings without."""
    rng, rows = np.random.default_rng(0), []
    for number in range(10):
        score = compose(draw_plan("pop", rng, seconds=3.0))
        split = "train" if number < 8 else "validation"
        path = Path("audio") / split / f"{number:06d}.flac"
        notes = folder / "clips/midi" / split / f"{number:06d}.mid"
        for file in (folder / "clips" / path, notes):
            file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "clips" / path, 0.1 * rng.standard_normal(3 * RATE), RATE)
        score.midi.write(str(notes))
        about = {"facts": json.dumps(asdict(score.facts)), "duration_seconds": 3.0}
        rows.append(row(str(path), str(number), split) | about)
    write_manifest(rows, folder / "clips/manifest.jsonl")
    (folder / "heard/audio").mkdir(parents=True)
    for number in range(2):
        soundfile.write(folder / f"heard/audio/{number}.flac", 0.1 * rng.standard_normal(4 * RATE), RATE)
    write_manifest([row(f"audio/{n}.flac", f"song {n}") for n in range(2)], folder / "heard/manifest.jsonl")
    return folder


def pocket_mert_config(folder: Path) -> Path:
    return written(folder / "experiment.yaml", POCKET_MERT)


# pocket_codec

POCKET_CODEC = """
family: pocket_codec
name: codec-test
model: {target_bandwidths: [1.5, 3.0], num_filters: 8, upsampling_ratios: [10, 8, 4], hidden_size: 8,
        num_lstm_layers: 1, use_causal_conv: false, codebook_size: 32}
data: {recordings: [heard], rendered: [played], crop_seconds: 0.2, first_excerpts: 8}
training: {epochs: 3, batch_size: 4, learning_rate: 0.0003, best_metric: null, patience: null}
"""


def pocket_codec_data(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    names = [f"song {number}" for number in range(40)]
    songs = [name for name in names if split_of(HELD_OUT, name) == "train"][:6]
    songs += [name for name in names if split_of(HELD_OUT, name) == "test"][:2]
    for name, groups in (("heard", songs), ("played", ["a", "b"])):
        (folder / name).mkdir()
        for number in range(len(groups)):
            soundfile.write(folder / name / f"{number}.flac", 0.1 * rng.standard_normal(RATE), RATE)
        rows = [row(f"{number}.flac", group) for number, group in enumerate(groups)]
        write_manifest(rows, folder / name / "manifest.jsonl")
    return folder


def pocket_codec_config(folder: Path) -> Path:
    return written(folder / "experiment.yaml", POCKET_CODEC)


# All of them


def row(path: str, group: str, split: str = "train") -> dict:
    """A line of a manifest."""
    return {"path": path, "labels": [], "group": group, "split": split, "licence": "CC0"}


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


class Small(NamedTuple):
    """What writes an experiment's data and its config, and overrides with which it has several checkpoints."""

    data: Callable[[Path], Path]
    config: Callable[[Path], Path]
    overrides: tuple[str, ...] = ()


BEATMETER_STAGES = ("training.epochs=3", "training.highest_losses=0", "training.head_epochs=1")
SONICVERSE_STAGES = ("training.head_epochs=2", "training.max_steps=12")
SMALL = {
    "genre_moe": Small(genre_moe_data, genre_moe_config),
    "beatmeter": Small(beatmeter_data, beatmeter_config, BEATMETER_STAGES),
    "mathrock_affect": Small(mathrock_affect_data, mathrock_affect_config, ("training.epochs=3",)),
    "mega_audioformer": Small(mega_audioformer_data, mega_audioformer_config),
    "mega_audioformer_pretraining": Small(mega_audioformer_data, mega_audioformer_pretraining_config),
    "sonicverse": Small(sonicverse_data, sonicverse_config, SONICVERSE_STAGES),
    "pocket_mert": Small(pocket_mert_data, pocket_mert_config),
    "pocket_codec": Small(pocket_codec_data, pocket_codec_config),
}
