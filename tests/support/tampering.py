"""What tests of verification do to a published folder, and what they expect of it."""

import json
import os
from pathlib import Path

import pytest

from linernotes.hub_upload.errors import VerifyError
from linernotes.hub_upload.manifest import verify

CANARY = "canary"


class Hostile:
    """Makes a folder named `canary` where the process is, when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (CANARY,)


def edit(path: Path, **changes) -> None:
    """Other values in a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refuse(folder: Path, match: str | None = None) -> list[str]:
    """All that is found wrong with a folder, of which something must match."""
    with pytest.raises(VerifyError, match=match) as caught:
        verify(folder)
    return caught.value.findings
