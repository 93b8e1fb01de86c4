"""What the tests of publishing share: folders to read and to spoil, and a Hub on this machine."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hub_client import connect, no_waiting
from local_hub import LocalHub

from linernotes.hub_upload.export import export
from linernotes.hub_upload.manifest import write_sums


@pytest.fixture(scope="session")
def exported(tiny_folder, tmp_path_factory) -> Path:
    """A small model that nobody trained, as a Hub repository; for reading only."""
    return export(tiny_folder, tmp_path_factory.mktemp("exported") / "tiny-moe", "me/tiny-moe")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory) -> Path:
    """A Hubert that nobody trained, saved as pocket-mert's recipe does, with what lies beside a trained one."""
    from transformers import HubertConfig, HubertModel

    from linernotes.training.recipes import pocket_mert

    torch.manual_seed(0)
    convolutions = {"conv_dim": [72, 16], "conv_kernel": [512, 4], "conv_stride": [160, 2]}
    layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    positions = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    config = HubertConfig(**convolutions, **layers, **positions, do_stable_layer_norm=True)
    experiment = SimpleNamespace(data=SimpleNamespace(sampling_rate=24_000))
    folder = tmp_path_factory.mktemp("hub") / "tiny-backbone"
    pocket_mert.save(SimpleNamespace(hubert=HubertModel(config).eval()), folder, experiment)
    (folder / "card.md").write_text("---\npipeline_tag: feature-extraction\n---\nA small listener.\n")
    figure = {"value": 0.5, "low": 0.4, "high": 0.6, "majority_baseline": 0.2}
    (folder / "metrics.json").write_text(json.dumps({"results": {"genre": {"n": 40, "accuracy": figure}}}))
    told = {"commit": None, "parameters": 45_240, "duration_seconds": 1.5, "machine": "cpu", "versions": {}}
    (folder / "training.json").write_text(json.dumps(told | {"experiment": {"name": "tiny-backbone"}, "data": []}))
    (folder / "training_log.jsonl").write_text('{"loss": 1.0}\n')
    return folder


@pytest.fixture
def folder(tiny_folder, tmp_path, monkeypatch) -> Path:
    """A small model with a picture and its sums, to spoil; the process stands beside it, where a canary would lie."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))
    (folder / "plots").mkdir()
    (folder / "plots" / "a picture.png").write_bytes(b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    return write_sums(folder).parent


@pytest.fixture
def hub():
    with LocalHub() as hub:
        yield hub


@pytest.fixture
def api(hub, monkeypatch, tmp_path):
    """A client of this process for the local Hub, which does not wait before it tries again."""
    no_waiting(monkeypatch)
    return connect(monkeypatch, hub, tmp_path / "home")
