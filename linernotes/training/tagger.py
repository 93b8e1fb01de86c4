"""A published tagger as a teacher: what its musicnn hears in recordings of which nobody has told anything."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets

import linernotes
from linernotes.corpora.manifest import MANIFEST, read_excerpt

ANSWER_COLUMNS = {"tags": List(Value("float32")), "embedding": List(Value("float32"))}


def with_answers(rows: Dataset, teacher: str, folder: Path) -> Dataset:
    """Adds what the teacher hears of each row. That takes minutes, so it is kept beside the corpus."""
    weights = linernotes.api.folder_of(teacher) / "model.safetensors"
    told_by = sha256(weights.read_bytes() + (folder / MANIFEST).read_bytes()).hexdigest()[:12]
    kept = folder / f"heard-by-{teacher}-{told_by}.arrow"
    model = linernotes.load(teacher)
    heard = rows.map(
        lambda row: listen(model, row),
        features=Features(ANSWER_COLUMNS),
        remove_columns=rows.column_names,
        cache_file_name=str(kept),
        new_fingerprint=kept.stem,
    )
    return concatenate_datasets([rows, heard], axis=1)


@torch.inference_mode()
def listen(teacher: Any, row: dict[str, Any]) -> dict[str, list[float]]:
    """The teacher's tag probabilities (50) and penultimate layer (200), averaged over patches of three seconds."""
    extractor = teacher.feature_extractor
    samples = read_excerpt(
        row["audio"], row.get("start_seconds") or 0.0, row.get("end_seconds"), extractor.sampling_rate
    )
    patches = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_values"][0]
    embedding = teacher.musicnn.embed(patches)
    tags = teacher.musicnn.classifier(embedding).sigmoid()
    return {"tags": tags.mean(0).tolist(), "embedding": embedding.mean(0).tolist()}
