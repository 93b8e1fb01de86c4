"""A report of all five families on one song, and a small model of each that nobody trained."""

from pathlib import Path
from typing import Any

import torch

from linernotes.report.joint import Heard, joint_report

GENRES = ("jazz", "blues", "rock", "pop", "classical")


def spread(labels, leader: str, share: float) -> dict[str, float]:
    rest = round((1 - share) / (len(labels) - 1), 7)
    return {label: share if label == leader else rest for label in labels}


def choice(labels, leader: str, share: float) -> dict[str, Any]:
    return {"label": leader, "confidence": share, "probabilities": spread(labels, leader, share)}


def common(model: str, seconds: float = 60.0, **more: Any) -> dict[str, Any]:
    heard = {"duration_seconds": seconds, "heard_seconds": seconds, "warnings": []}
    return {"model": model, "uncertain": False, **heard, **more}


def with_timeline(answer: dict, window_seconds: float, changes: list[dict]) -> dict:
    """The answer with a window for each change, which says what the change says and else what the answer says."""
    said = {name: value for name, value in answer.items() if name not in ("duration_seconds", "model", "warnings")}
    timeline = [
        {"start_seconds": n * window_seconds, "end_seconds": (n + 1) * window_seconds, **said, **change}
        for n, change in enumerate(changes)
    ]
    return answer | {"timeline": timeline}


def genre_answer(leader: str = "jazz", share: float = 0.74, **more: Any) -> dict[str, Any]:
    gates = {"gate_weights": spread(GENRES, leader, 0.7)}
    said = {"predicted_genre": leader, "confidence": share, "probabilities": spread(GENRES, leader, share)}
    return common("genre-moe", **said, **gates, **more)


def meter_answer(leader: str = "4", **more: Any) -> dict[str, Any]:
    shares = {"3": 0.1, "4": 0.1, "5": 0.05, "7": 0.1, "9": 0.02, "11": 0.01} | {leader: 0.8}
    said = {"predicted_meter": leader, "meters": [leader], "polyrhythm": False, "confidence_gap": 0.7}
    return common("beatmeter-pocket", **said | {"probabilities": shares} | more)


def affect_answer() -> dict[str, Any]:
    emotions = {"joy": 0.8, "calm": 0.6, "anger": 0.1, "nostalgia": 0.2}
    return common(
        "mathrock-pocket",
        predicted_emotions=["joy", "calm"],
        emotions=emotions,
        vibe=choice(("energetic", "chill", "sad", "aggressive"), "chill", 0.6),
        intensity=choice(("low", "medium", "high"), "low", 0.7),
        tempo=choice(("slow", "medium", "fast"), "slow", 0.9),
    )


def caption_answer(**more: Any) -> dict[str, Any]:
    instruments = {"piano": 0.9, "doublebass": 0.7, "acousticbassguitar": 0.4, "drums": 0.2}
    return common(
        "sonicverse-smol",
        caption="A slow jazz piece in A minor, with a piano & a double bass.",
        caption_start_seconds=0.0,
        caption_end_seconds=30.0,
        key=choice(("A minor", "C major"), "A minor", 0.8),
        vocals=choice(("instrumental", "female", "male"), "instrumental", 0.95),
        instruments={"labels": ["piano", "doublebass"], "probabilities": instruments},
        moods={"labels": [], "probabilities": {"calm": 0.4, "sad": 0.3}},
        genres={"labels": ["jazz"], "probabilities": {"jazz": 0.8, "lounge": 0.3}},
        **more,
    )


def kind_answer() -> dict[str, Any]:
    shares = {"speech": 0.02, "music": 0.98}
    said = {"predicted_label": "music", "confidence": 0.98, "probabilities": shares}
    return common("mega-audioformer-speech-music", **said)


def full_report(path: str | None = "My Song.mp3", timeline: bool = False) -> dict[str, Any]:
    """All questions answered; the genre changes at 30 s, the meter at 36 s, where it is uncertain."""
    blues, three = genre_answer("blues"), meter_answer("3", uncertain=True)
    heard = [
        ("genre_moe", with_timeline(genre_answer(), 30.0, [{}, blues]), 0.2),
        ("mathrock_affect", with_timeline(affect_answer(), 30.0, [{}] * 2), 0.5),
        ("beatmeter", with_timeline(meter_answer(), 12.0, [{}, {}, {}, three, three]), 0.8),
        ("mega_audioformer", with_timeline(kind_answer(), 10.0, [{}] * 6), 1.0),
        ("sonicverse", with_timeline(caption_answer(), 10.0, [{}] * 6), 2.5),
    ]
    heard = [Heard(family, answer["model"], answer, seconds) for family, answer, seconds in heard]
    return joint_report(path, heard, decoding_seconds=0.1, timeline=timeline)


def tiny_models(folder: Path) -> dict[str, Path]:
    """Folders of small models with random weights, by family, where this installation has the family."""
    from pocket_codec import tiny
    from published_beatmeter import make
    from published_mathrock import TINY_CLAP, TINY_WAVLM

    from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
    from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect
    from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification

    torch.manual_seed(0)
    sizes = {"projection_size": 8, "fusion_size": 8, "head_hidden_size": 8}
    affect = MathRockAffectConfig(**sizes, wavlm_config=TINY_WAVLM, clap_config=TINY_CLAP, model_name="tiny-affect")
    kinds = {0: "speech", 1: "music"}
    models = {
        "beatmeter": make(model_name="tiny-meter", window_seconds=3.0),
        "mathrock_affect": MathRockForAffect(affect).eval(),
        "mega_audioformer": tiny(MegaAudioFormerForAudioClassification, id2label=kinds, model_name="tiny-kind"),
    }
    for family, model in models.items():
        model.save_pretrained(folder / family)
    return {family: folder / family for family in models}
