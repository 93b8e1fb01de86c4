"""A page on this machine, of small models that nobody trained, and recordings to bring to it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from joint_reports import tiny_models

import linernotes
from linernotes.demo.app import Limits, running

MAX_SECONDS, MAX_MEGABYTES = 20.0, 1.0


class Site(NamedTuple):
    """address: of the page. folder: where everything lies that its server writes while it runs."""

    address: str
    folder: Path

    def left(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def folders(tiny_folder, tmp_path_factory) -> list[Path]:
    return [tiny_folder, tiny_models(tmp_path_factory.mktemp("models"))["beatmeter"]]


@pytest.fixture(scope="session")
def listener(folders) -> linernotes.Listener:
    return linernotes.Listener(folders)


@pytest.fixture(scope="module")
def site(folders, tmp_path_factory) -> Iterator[Site]:
    place, before = tmp_path_factory.mktemp("place"), tempfile.tempdir
    tempfile.tempdir = str(place)
    try:
        with running(folders, limits=Limits(MAX_SECONDS, MAX_MEGABYTES), host="127.0.0.1") as address:
            yield Site(address, place)
        assert not list(place.iterdir())
    finally:
        tempfile.tempdir = before


@pytest.fixture(scope="session")
def song(tmp_path_factory, tone) -> Callable[[str, float], Path]:
    """song(name, seconds): a recording that changes in the middle, different for every name."""
    folder = tmp_path_factory.mktemp("songs")

    def make(name: str, seconds: float = 7.0) -> Path:
        noise = 0.1 * np.random.default_rng(len(name)).standard_normal(round(22_050 * seconds))
        sound = np.where(np.arange(len(noise)) < len(noise) // 2, tone(seconds, 22_050)[: len(noise)], noise)
        soundfile.write(folder / name, sound, 22_050)
        return folder / name

    return make
