"""How transformers' own tests are fetched and run: skipped aloud where they cannot be had, unpacked nowhere else."""

import importlib.util
import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "tests" / "transformers_suite"
SKIPPED = "!!! transformers' own tests were SKIPPED: pip could not fetch the source distribution of transformers "


@pytest.fixture(scope="module")
def runner():
    """run.py as a module; it lies in no package."""
    spec = importlib.util.spec_from_file_location("transformers_suite_run", SUITES / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def archive(tmp_path, runner, monkeypatch):
    """archive(members): pip will have fetched a source distribution of these texts, and links where one is a Path."""

    def write(members: dict[str, str | Path]) -> None:
        sdist = tmp_path / "transformers-9.9.tar.gz"
        with tarfile.open(sdist, "w:gz") as tar:
            for name, content in members.items():
                member = tarfile.TarInfo(f"transformers-9.9/{name}")
                if isinstance(content, Path):
                    member.type, member.linkname = tarfile.SYMTYPE, str(content)
                    tar.addfile(member)
                else:
                    member.size = len(content)
                    tar.addfile(member, BytesIO(content.encode()))
        monkeypatch.setattr(runner, "download", lambda release, folder: sdist)

    return write


@pytest.mark.parametrize(("options", "exit_code"), [([], 0), (["--required"], 1)])
def test_where_it_cannot_be_had_it_is_skipped_aloud(options, exit_code, runner, tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert runner.main(["--cache", str(tmp_path), *options]) == exit_code
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(SKIPPED)
    assert "No matching distribution" in line
    assert line.endswith(" !!!")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_tests_alone_are_unpacked_and_only_once(archive, runner, tmp_path, monkeypatch):
    archive({"tests/test_modeling_common.py": "found = 1", "src/transformers/__init__.py": "", "setup.py": ""})
    package = runner.fetch(tmp_path / "cache", "9.9") / runner.PACKAGE
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert files == {"test_modeling_common.py", *runner.STAND_INS}
    assert (package / "test_modeling_common.py").read_text() == "found = 1"
    monkeypatch.setattr(runner, "download", None)
    assert runner.fetch(tmp_path / "cache", "9.9") == package.parent


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tests/../../../../../outside.py", "", "outside the destination"),
        ("tests/link.py", Path("../../../../../outside.py"), "outside the destination"),
        ("tests/link.py", Path("/etc/hostname"), "absolute path"),
    ],
)
def test_a_path_that_leaves_the_cache_is_refused(name, content, message, archive, runner, tmp_path):
    archive({"tests/test_modeling_common.py": "", name: content})
    with pytest.raises(tarfile.TarError, match=message):
        runner.fetch(tmp_path / "cache", "9.9")
    assert {path.name for path in tmp_path.rglob("*")} == {"transformers-9.9.tar.gz", "cache", "transformers-9.9"}


def test_every_family_has_a_suite_which_plain_pytest_does_not_collect():
    families = {path.stem.removeprefix("modeling_") for path in (ROOT / "modeling").glob("modeling_*.py")}
    assert {path.stem for path in SUITES.glob("*.py")} == {"run", "common"} | {f"suite_{name}" for name in families}
