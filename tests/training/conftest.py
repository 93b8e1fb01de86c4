"""What tests of training share."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory) -> Iterator[Path]:
    """What is heard once and kept for all trainings lies in a folder of the test file's own."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("cache")
    yield datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = before
