"""A folder is what its SHA256SUMS says; what may not be published is refused even where the sums were written anew."""

import os
import pickle
import shutil
import subprocess
from functools import partial
from pathlib import Path

import hub_client
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_hub import LocalHub
from safetensors import safe_open
from tampering import CANARY, Hostile, refuse

from linernotes.hub_upload.errors import HubRefusedError, PublishError, VerifyError
from linernotes.hub_upload.manifest import SUMS, read_sums, verify, verify_place, write_sums

MODELING = Path(__file__).parents[2] / "modeling"
WEIGHTS, CONFIG, CODE = "model.safetensors", "config.json", "configuration_genre_moe.py"


# A good folder


def test_a_good_folder_is_reported(folder):
    report = verify(folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    assert (report.files, report.bytes) == (len(files), sum(path.stat().st_size for path in files))
    with safe_open(folder / WEIGHTS, "np") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (no mapping)
    assert (report.weights, report.parameters) == (len(shapes), sum(int(np.prod(shape)) for shape in shapes))
    assert set(report.code) == {path.name for path in folder.glob("*.py")}
    assert set(report.code.values()) == {"not compared"}
    assert report.notes == []


def test_coreutils_accepts_the_sums(folder):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    run = partial(
        subprocess.run, ["sha256sum", "--check", "--strict", SUMS], cwd=folder, capture_output=True, text=True
    )
    assert "plots/a picture.png: OK" in run(check=True).stdout
    assert list(read_sums(folder / SUMS)) == sorted(read_sums(folder / SUMS))
    (folder / CONFIG).write_text("{}")
    assert f"{CONFIG}: FAILED" in run(check=False).stdout


def test_what_a_checkout_and_a_download_leave_behind_is_not_looked_at(folder):
    for name in (
        ".gitattributes",
        ".git/config.json",
        ".cache/huggingface/a.json",
        "__pycache__/a.pyc",
        "plots/.gitkeep",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    before = (folder / SUMS).read_bytes()
    assert verify(folder).notes == []
    assert write_sums(folder).read_bytes() == before


def test_code_is_compared_with_code_that_is_trusted(folder):
    (folder / CODE).write_text((folder / CODE).read_text() + "# newer\n")
    (folder / "another.py").write_text("")
    write_sums(folder)
    (folder / "plots" / "c.png").write_text("")
    report = verify(folder, trusted_code=MODELING)
    assert report.code.pop(CODE) == "different"
    assert report.code.pop("another.py") == "unknown"
    assert set(report.code.values()) == {"same"}
    assert report.notes == [
        f"{CODE} differs from the trusted code: read it before you load the folder by AutoModel",
        "another.py is not in the trusted code: read it before you load the folder by AutoModel",
        f"plots/c.png is not listed in {SUMS}; nothing loads it",
    ]
    lines = str(report).splitlines()
    assert lines[0] == f"note: {report.notes[0]}"
    assert f"{report.weights} tensors, {report.parameters:,} numbers, all finite" in lines


# The list itself, and files that are not in it


def append(folder: Path, line: str) -> None:
    with (folder / SUMS).open("a") as sums:
        sums.write(line)


SUM = "0" * 64
ODD_LISTS = {
    "missing": (lambda f: (f / SUMS).unlink(), "SHA256SUMS is not there: nothing says what the folder should hold"),
    "empty": (lambda f: (f / SUMS).write_text(""), "SHA256SUMS is cut short or empty"),
    "cut": (lambda f: (f / SUMS).write_bytes((f / SUMS).read_bytes()[:-1]), "SHA256SUMS is cut short or empty"),
    "words": (partial(append, line="hello\n"), r"SHA256SUMS line \d+ is 'hello'; allowed is a sum, two spaces"),
    "capitals": (partial(append, line=f"{'A' * 64}  a\n"), r"line \d+ is 'AAA"),
    "binary mode": (partial(append, line=f"{SUM} *a\n"), r"line \d+ is '000"),
    "absolute": (partial(append, line=f"{SUM}  /etc/passwd\n"), r"line \d+ names '/etc/passwd'; allowed are paths of"),
    "above": (partial(append, line=f"{SUM}  plots/../../a\n"), r"line \d+ names 'plots/\.\./\.\./a'; allowed are"),
    "roundabout": (partial(append, line=f"{SUM}  ./config.json\n"), r"names '\./config\.json'; allowed are"),
    "unseen": (partial(append, line=f"{SUM}  .git/config\n"), r"names '\.git/config'; allowed are"),
    "twice": (partial(append, line=f"{SUM}  {CONFIG}\n"), "SHA256SUMS names 'config.json' twice"),
    "too many": (partial(append, line=f"{SUM}  b.py\n"), "'b.py' is listed in SHA256SUMS and not there: download"),
    "line ends": (
        lambda f: (f / SUMS).write_bytes((f / SUMS).read_bytes().replace(b"\n", b"\r\n")),
        r"'config\.json\\r' is listed in SHA256SUMS and not there",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "found"), ODD_LISTS.values(), ids=ODD_LISTS)
def test_a_list_that_is_not_one_is_refused(tamper, found, folder):
    tamper(folder)
    refuse(folder, found)


def test_a_file_of_the_list_that_changed_or_is_gone_is_named(folder):
    (folder / "plots" / "a picture.png").write_bytes(b"other")
    (folder / CODE).unlink()
    findings = refuse(folder, f"'{CODE}' is listed in SHA256SUMS and not there: download the folder again")
    assert (
        "plots/a picture.png differs from its sum in SHA256SUMS: download it again, or ask who changed it" in findings
    )


@pytest.mark.parametrize("suffix", ["py", "safetensors", "json", "jinja", "h5", "msgpack", "gguf", "so", "PY"])
def test_a_file_that_could_be_loaded_must_be_listed(suffix, folder):
    name = f"plots/more.{suffix}"
    shutil.copy(folder / (WEIGHTS if suffix == "safetensors" else CONFIG), folder / name)
    assert refuse(folder) == [f"{name} is not listed in SHA256SUMS and could be loaded: remove it"]
    verify(write_sums(folder).parent)


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "ckpt", "pkl", "npy", "npz", "PT"])
def test_pickles_are_refused_though_they_are_listed(suffix, folder):
    (folder / f"pytorch_model.{suffix}").write_bytes(pickle.dumps(Hostile()))
    findings = refuse(write_sums(folder).parent)
    assert findings == [
        f"pytorch_model.{suffix} is of a kind that can be a pickle, which runs code when it is loaded: remove it"
    ]
    assert not Path(CANARY).exists()


def test_an_adapter_beside_whole_weights_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    refuse(
        write_sums(folder).parent, "adapter_config.json lies beside whole weights, and transformers would change them"
    )


def test_no_code_of_the_folder_runs(folder):
    for path in folder.glob("*.py"):
        path.write_text(path.read_text() + f"\nimport os\nos.mkdir('{CANARY}')\n")
    verify(write_sums(folder).parent, trusted_code=MODELING)
    assert not Path(CANARY).exists()


# What is no file


@pytest.mark.parametrize("name", ["a\nb.png", "a\\b.png", "a\x1b[31m.png", "a\r.png", os.fsdecode(b"\xff.png")])
def test_names_that_no_list_can_hold_are_refused(name, folder):
    (folder / name).write_text("")
    found = "has a name that cannot be listed: allowed are printable characters without backslash; rename it"
    assert refuse(folder) == [f"{name!r} {found}"]
    with pytest.raises(PublishError, match=r"tiny-moe cannot be listed: .* has a name that cannot be listed"):
        write_sums(folder)


def test_links_out_of_the_folder_are_refused(folder, tmp_path):
    (folder / CONFIG).rename(tmp_path / CONFIG)
    (folder / CONFIG).symlink_to(tmp_path / CONFIG)
    (folder / "more").symlink_to(tmp_path)
    found = "is a link that leads out of the folder: put the file itself in its place (cp -rL)"
    assert refuse(folder) == [f"'config.json' {found}", f"'more' {found}"]
    with pytest.raises(PublishError, match=r"cannot be listed: 'config\.json' is a link that leads out of the folder"):
        write_sums(folder)


def test_links_that_stay_inside_are_files(folder):
    (folder / "plots" / "same.png").symlink_to("a picture.png")
    verify(write_sums(folder).parent)


def test_pipes_broken_links_and_linked_folders_are_refused(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "lost.png").symlink_to("nowhere.png")
    (folder / "round.png").symlink_to("round.png")
    (folder / "pictures").symlink_to("plots")
    assert refuse(folder) == [
        "'lost.png' is no ordinary file: remove it",
        "'pictures' is a link to a folder: put the folder itself in its place (cp -rL)",
        "'pipe.png' is no ordinary file: remove it",
        "'round.png' is no ordinary file: remove it",
    ]


def test_a_place_that_is_no_folder_is_no_finding(tmp_path):
    for ask in (verify, write_sums):
        with pytest.raises(PublishError, match="nowhere is not a folder: give the folder of a model") as caught:
            ask(tmp_path / "nowhere")
        assert not isinstance(caught.value, VerifyError)


@pytest.fixture(scope="module")
def changeable(tiny_folder, tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("any") / "tiny-moe"))
    return write_sums(folder).parent


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_that_changes_is_noticed(data, changeable):
    path = data.draw(st.sampled_from(sorted(changeable.iterdir())))
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    path.write_bytes(whole[:position] + bytes([other]) + whole[position + 1 :])
    try:
        with pytest.raises(VerifyError, match=SUMS):
            verify(changeable)
    finally:
        path.write_bytes(whole)
    verify(changeable)


# A repository


@pytest.fixture
def repository(folder, tmp_path, monkeypatch) -> str:
    """The folder on a Hub, and an empty cache."""
    with LocalHub() as hub:
        api = hub_client.connect(monkeypatch, hub, tmp_path / "home")
        api.create_repo("me/tiny-moe")
        api.upload_folder(repo_id="me/tiny-moe", folder_path=folder)
        yield "me/tiny-moe"


def test_a_repository_is_verified_in_the_cache(repository, folder, tmp_path):
    assert verify_place(repository) == verify_place(str(folder))
    cached = next((tmp_path / "home" / "hub").rglob(WEIGHTS))
    assert cached.is_symlink(), "the cache of the Hub's client holds links"
    os.chmod(cached.resolve(), 0o644)
    cached.write_bytes(cached.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        VerifyError, match=r"me/tiny-moe at \w{40} is not to be trusted: model\.safetensors differs from"
    ):
        verify_place(repository)


def test_places_that_cannot_be_had_say_why(repository, folder):
    with pytest.raises(PublishError, match="is a folder and has no revision 'main'; leave it out, or name a Hub id"):
        verify_place(str(folder), revision="main")
    with pytest.raises(PublishError, match="'nowhere' is no name for a repository; write user/name"):
        verify_place("nowhere")
    with pytest.raises(HubRefusedError, match="me/another"):
        verify_place("me/another")
