"""How a test's client meets the local Hub: in this process, or in one of its own."""

import os
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils._xet import abort_xet_session
from local_hub import LocalHub

LEFT_OUT = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "PYTHONPATH", "TRANSFORMERS_")
XET_PAUSE = ("HF_XET_CLIENT_RETRY_BASE_DELAY", "1ms")  # its own would make five retries last three minutes


def client_environment(hub: LocalHub, home: Path, *, xet: bool = False) -> dict[str, str]:
    """The environment of a process whose Hub is this one, with its caches and logins in `home` and nowhere else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(LEFT_OUT) and not is_proxy(key)}
    mine = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_TOKEN": hub.token}
    return kept | mine | {"HF_HUB_DISABLE_XET": "0" if xet else "1"} | dict([XET_PAUSE])


def is_proxy(variable: str) -> bool:
    return variable.lower().endswith("_proxy")


def connect(monkeypatch: pytest.MonkeyPatch, hub: LocalHub, home: Path, *, xet: bool = False) -> HfApi:
    """A client of this process that talks to the local Hub, with its cache in `home`; no call reaches another Hub.

    For code that goes through an HfApi of its own. What goes through the functions of huggingface_hub or through
    `from_pretrained` takes HF_ENDPOINT at import: give it a process and the `client_environment`.
    """
    files = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HF_XET_CACHE", str(home / "xet"))
    abort_xet_session()  # the next one reads the variable
    for variable in filter(is_proxy, list(os.environ)):
        monkeypatch.delenv(variable)
    return HfApi(endpoint=hub.endpoint, token=hub.token)


class Clock:
    """The time module, except that nobody sleeps; `slept` has the seconds that were asked for."""

    def __init__(self):
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def __getattr__(self, name: str):
        return getattr(time, name)


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let this process retry at once, by HTTP and by xet; the seconds it would have waited before each HTTP retry."""
    monkeypatch.setenv(*XET_PAUSE)
    abort_xet_session()  # the next one reads the variable
    clock = Clock()
    for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock.slept
