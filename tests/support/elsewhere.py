"""What a saved folder answers in a process that has nothing of ours, against what it answers here."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import linernotes
from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import SCRIPT, SECONDS, ask, clean_environment, differences

ASKING = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
sys.meta_path.insert(0, script["Hidden"]())
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[2], trust_remote_code=True)
asked = json.loads(sys.argv[3])
rate = asked["sampling_rate"]
answer = model.predict(script["sound"](asked["seconds"], rate), sampling_rate=rate, **asked["options"])
print()  # behind progress bars
print(json.dumps({"answer": answer, "imported": [name for name in sys.modules if name.startswith("linernotes")]}))
"""


def assert_answers_alike_elsewhere(folder: Path, sampling_rate: int, probabilities: str | None = "probabilities"):
    """Loaded whole, `predict` as here, and the classifier and the pipeline give what `predict` names so."""
    found = ask(folder)
    here = linernotes.load(folder).predict(sound(SECONDS, sampling_rate), sampling_rate=sampling_rate)
    assert found["missing_keys"] == found["unexpected_keys"] == found["imported"] == []
    assert not differences(here, found["predict"])
    if probabilities is not None:
        assert found["classifier"] == pytest.approx(here[probabilities], abs=1e-6)
        assert found["pipeline"] == pytest.approx(here[probabilities], abs=1e-6)


def predicted_elsewhere(folder: Path, seconds: float, sampling_rate: int, **options: Any) -> dict[str, Any]:
    """The answer of `predict` with options, for which `ask` has no words."""
    asked = {"seconds": seconds, "sampling_rate": sampling_rate, "options": options}
    with TemporaryDirectory() as place:
        environment = clean_environment(Path(place, "home")) | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-I", "-c", ASKING, str(SCRIPT), str(folder), json.dumps(asked)]
        run = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["imported"] == []
    return found["answer"]
