"""What the tests of publishing share: folders to read and to spoil, and a Hub on this machine."""

import shutil
from pathlib import Path

import pytest
from hub_client import connect, no_waiting
from local_hub import LocalHub

from linernotes.hub_upload.export import export
from linernotes.hub_upload.manifest import write_sums


@pytest.fixture(scope="session")
def exported(tiny_folder, tmp_path_factory) -> Path:
    """A small model that nobody trained, as a Hub repository; for reading only."""
    return export(tiny_folder, tmp_path_factory.mktemp("exported") / "tiny-moe", "me/tiny-moe")


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
