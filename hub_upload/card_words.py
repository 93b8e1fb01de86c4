"""How names and measured values stand on a card."""

import re
from typing import Any

# key in metrics.json -> what a reader calls it, and its type on the Hub; without one it is left out of the model-index
METRICS: dict[str, tuple[str, str | None]] = {
    "accuracy": ("accuracy", "accuracy"),
    "macro_f1": ("macro F1", "f1"),
    "f1": ("F1", "f1"),
    "balanced_accuracy": ("balanced accuracy", "balanced_accuracy"),
    "roc_auc": ("ROC AUC", "roc_auc"),
    "map": ("mean average precision", "mean_average_precision"),
    "ece": ("calibration error (ECE), less is better", None),
    "uncalibrated_ece": ("the same without calibration", None),
    "within_4_percent": ("tempo within four percent", "accuracy"),
    "within_4_percent_of_a_multiple": ("the same, or half, double, a third or triple of it", None),
    "joy_with_tag_happy": ("joy beside the tag happy, rank correlation", "spearmanr"),
    "sadness_with_tag_sad": ("sadness beside the tag sad, rank correlation", "spearmanr"),
    "weighted_score": ("MIREX weighted score", "mirex_weighted_score"),
    "fact_precision": ("statements that are true", "fact_precision"),
    "fact_recall": ("facts that are stated", "fact_recall"),
    **{f"bleu_{order}": (f"BLEU-{order}, words", "bleu") for order in (1, 2, 3, 4)},
    "bleu_4_characters": ("BLEU-4 over characters, as SonicVerse counts", None),
    "meteor_stem": ("METEOR, words and stems", "meteor"),
    "rouge_l": ("ROUGE-L", "rouge"),
    "embedding_f1": ("embedding score", None),
    "mel_distance_db": ("mel distance in dB, less is better", "mel_distance"),
    "si_sdr_db": ("SI-SDR in dB", "si_sdr"),
    "r_squared": ("share of the variance of the log tempo explained", "r_squared"),
}
SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&$])")


def is_figure(value: Any) -> bool:
    return isinstance(value, dict) and {"value", "low", "high"} <= set(value)


def figures(measured: Any) -> dict[str, dict[str, Any]]:
    """The figures that a dict holds at its top level, by key; none where it is no dict."""
    return {key: value for key, value in measured.items() if is_figure(value)} if isinstance(measured, dict) else {}


def title(key: str) -> str:
    return key.replace("_", " ").capitalize()


def metric_name(key: str) -> str:
    return METRICS[key][0] if key in METRICS else key.replace("_", " ")


def plain(value: float) -> str:
    """A count or a setting as it is, thousands marked: 174,570, 30, 0.7528."""
    return f"{value:,.10g}"


def rounded(value: float | None) -> str:
    """A measured value to three decimals."""
    return "not defined" if value is None else f"{value:.3f}"


def interval(figure: dict[str, Any]) -> str:
    if figure["low"] is None or figure["high"] is None:
        return "none: one group"
    return f"{rounded(figure['low'])} to {rounded(figure['high'])}"


def verdict(difference: dict[str, Any]) -> str:
    if difference["low"] is None or difference["low"] <= 0 <= difference["high"]:
        return "no difference shown"
    return "higher" if difference["low"] > 0 else "lower"


def cell(text: Any) -> str:
    """Text that stays text in a table, a heading or a sentence of markdown."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
