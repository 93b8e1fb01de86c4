"""`python upload_to_hub.py` as its user runs it: what it prints, how it ends, and that what it printed works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hub_client import client_environment
from local_hub import LocalHub, Status
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, HubertModel

from linernotes.hub_upload.asking import sound
from linernotes.hub_upload.clean import clean_environment, differences
from linernotes.hub_upload.manifest import verify_place

ROOT = Path(__file__).parents[2]
REPO, BACKBONE = "me/tiny-moe", "me/tiny-backbone"


def upload(hub: LocalHub, home: Path, *arguments: str, xet: bool = False, **environment: str):
    """The finished process; no token may stand in what it wrote."""
    command = [sys.executable, str(ROOT / "upload_to_hub.py"), *arguments]
    variables = {**client_environment(hub, home, xet=xet), **environment}
    run = subprocess.run(command, env=variables, cwd=home.parent, capture_output=True, text=True, check=False)
    for token in hub.tokens:
        assert token not in run.stdout + run.stderr
    return run


def snippet(printed: str) -> str:
    return printed.split("\n\n", 1)[1].strip()


def run_snippet(hub: LocalHub, home: Path, code: str) -> Any:
    """What the last of some lines gives, run by somebody who has nothing of ours."""
    *lines, asked = code.splitlines()
    code = "\n".join([*lines, "import json", f"print(json.dumps({asked}))"])
    environment = clean_environment(home) | {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1"}
    run = subprocess.run([sys.executable, "-I", "-c", code], env=environment, cwd="/", capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["lfs", "xet"])
def test_from_a_folder_to_an_answer(way, tiny_folder, tmp_path, recording):
    import linernotes

    xet = way == "xet"
    (tmp_path / "store").mkdir()
    with LocalHub(xet_store=tmp_path / "store" if xet else None) as hub:
        run = upload(hub, tmp_path / "home", "--repo", REPO, "--model", str(tiny_folder), xet=xet)
        assert run.returncode == 0, run.stderr
        assert any("/xet-write-token/" in path for _, path in hub.calls) == xet
        sha = hub.head(REPO)
        assert run.stdout.count(sha) == 3  # the address, the revision of the weights, the revision of the code
        here = linernotes.load(tiny_folder).predict(recording)
        code = snippet(run.stdout).replace("song.mp3", str(recording))
        assert not differences(here, run_snippet(hub, tmp_path / "stranger", code))
        again = upload(hub, tmp_path / "home", "--repo", REPO, "--model", str(tiny_folder), xet=xet)
        assert again.returncode == 0, again.stderr
        assert "Nothing to do" in again.stdout
        assert hub.head(REPO) == sha


@pytest.mark.slow
def test_from_a_backbone_to_its_hidden_states(tiny_backbone, tmp_path, hub, api):
    run = upload(hub, tmp_path / "home", "--repo", BACKBONE, "--model", str(tiny_backbone))
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(hub.head(BACKBONE)) == 3  # the address, the revisions of the extractor and of the model
    assert not {"trust_remote_code", "predict"} & set(re.findall(r"\w+", run.stdout))
    assert not [name for name in hub.files(BACKBONE) if name.endswith(".py")]
    assert verify_place(BACKBONE).parameters == 45_240
    samples = sound(1.0, 24_000)
    np.save(tmp_path / "samples.npy", samples)
    given = f"import numpy\nsamples = numpy.load({str(tmp_path / 'samples.npy')!r})\n"
    found = run_snippet(hub, tmp_path / "stranger", f"{given}{snippet(run.stdout)}.tolist()")
    inputs = AutoFeatureExtractor.from_pretrained(tiny_backbone)(samples, sampling_rate=24_000, return_tensors="pt")
    with torch.no_grad():
        here = HubertModel.from_pretrained(tiny_backbone)(**inputs).last_hidden_state
    assert here.shape == (1, 72, 16)
    np.testing.assert_allclose(found, here, atol=1e-5)


@pytest.mark.slow
def test_a_backbone_with_a_lost_weight_is_not_sent(tiny_backbone, tmp_path, hub):
    folder = Path(shutil.copytree(tiny_backbone, tmp_path / "tiny-backbone"))
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer_norm.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    run = upload(hub, tmp_path / "home", "--repo", BACKBONE, "--model", str(folder))
    assert (run.returncode, run.stdout) == (2, "")
    assert "1 missing keys, 'encoder.layer_norm.bias' first; config.json and the weights are not of one" in run.stderr
    assert hub.repos == {}


@pytest.mark.slow
def test_a_private_repository_is_checked_with_the_token(tiny_folder, tmp_path, hub):
    run = upload(hub, tmp_path / "home", "--repo", REPO, "--model", str(tiny_folder), "--private")
    assert run.returncode == 0, run.stderr
    assert hub.repos["model", REPO].private


@pytest.mark.slow
def test_a_dry_run_sends_nothing(tiny_folder, tmp_path, hub):
    run = upload(hub, tmp_path / "home", "--repo", REPO, "--model", str(tiny_folder), "--dry-run", HF_TOKEN="")
    assert run.returncode == 0, run.stderr
    assert "model.safetensors" in run.stdout
    assert "Nothing was sent" in run.stdout
    assert "SHA256SUMS" in run.stdout
    assert hub.calls == []


@pytest.mark.slow
def test_what_arrives_wrongly_is_said(tiny_folder, tmp_path, hub):
    hub.faults.append(Status(status=500, match=r"(GET|HEAD) .*/resolve/.*model\.safetensors"))
    run = upload(hub, tmp_path / "home", "--repo", REPO, "--model", str(tiny_folder))
    assert run.returncode == 5
    assert f"{hub.head(REPO)} is there, but" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--repo", "tiny-moe"), 2, "write user/name"),
        (("--repo", "me/nothing"), 2, "no model named 'nothing'; known are beatmeter-pocket, genre-moe"),
        (("--repo", REPO, "--model", "nowhere"), 2, "nowhere holds no config.json"),
        (("--repo", REPO, "--model", ".", "--checkpoint", "x.pt"), 2, "exclude each other"),
        (("--repo", REPO, "--checkpoint", "missing.pt"), 2, "missing.pt"),
        (("--repo", REPO, "--revision", "a..b"), 2, "'a..b' is no name for a branch"),
        (("--repo", REPO, "--token", "hf_local\nwrite"), 2, "the token has a space, a line break"),
        (("--repo", REPO, "--token", "hf_löcal"), 2, "the token has a space, a line break or a letter"),
        (("--repo", REPO, "--token", "hf_nobody_knows"), 3, "does not know this token"),
        (("--repo", REPO, "--token", "hf_localread"), 3, "may only read"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(arguments, code, message, tmp_path, hub):
    run = upload(hub, tmp_path / "home", *arguments)
    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert hub.repos == {}


def test_without_a_token(tmp_path, hub):
    run = upload(hub, tmp_path / "home", "--repo", "me/genre-moe", HF_TOKEN="")
    assert run.returncode == 2
    assert re.search(r"no token: give --token, set HF_TOKEN, or log in", run.stderr)


def test_the_stored_login_is_used(tmp_path, hub):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(hub.read_token)
    run = upload(hub, tmp_path / "home", "--repo", "me/genre-moe", HF_TOKEN="")
    assert run.returncode == 3
    assert "may only read" in run.stderr


def test_no_hub_at_all(tmp_path, hub):
    run = upload(hub, tmp_path / "home", "--repo", "me/genre-moe", HF_ENDPOINT="http://127.0.0.1:9")
    assert run.returncode == 4
    assert "run the same command again" in run.stderr


def test_the_python_that_lacks_the_package_is_told(tmp_path):
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "upload_to_hub.py"), "--help"],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "is not installed for" in run.stderr
    assert "pip install" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_the_test_sound_is_the_same_for_all():
    samples = sound(4.0, 22050)
    assert samples.shape == (88200,)
    assert 0.3 < abs(samples).max() <= 0.6
