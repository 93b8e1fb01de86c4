"""Runs transformers' own tests, those of the installed version, on the models of this project.

    python tests/transformers_suite/run.py [--cache DIR] [--required] [arguments of pytest, such as -k SparseRouting]

What transformers asks of each of its own models stands in its source distribution only. That is fetched through pip,
once a version, into a cache outside the checkout, and the files `suite_*.py` beside this one apply it to our families.
The exit code is pytest's. Where the tests cannot be had a loud line says so, and it is 0, or 1 with --required.
"""

import argparse
import os
import subprocess
import sys
import tarfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from textwrap import dedent

import platformdirs
import pytest

SUITES = Path(__file__).resolve().parent
PACKAGE = "hf_common_tests"  # in transformers' checkout it is called `tests`, as in any other
# What these tests import and the source distribution has not.
STAND_INS = {
    "__init__.py": "",
    "exporters/__init__.py": "",
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "generation/__init__.py": "",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/__init__.py": "",
    "utils/test_configuration_utils.py": dedent(
        """
        config_common_kwargs = {
            "return_dict": False, "output_hidden_states": True, "output_attentions": True, "dtype": "float16",
            "chunk_size_feed_forward": 5, "architectures": ["AnyModel"], "id2label": {0: "one", 1: "other"},
            "problem_type": "regression",
        }
        """
    ),
}


class SuiteUnavailableError(Exception):
    """The source distribution of the installed transformers could not be fetched."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=platformdirs.user_cache_path("linernotes") / "transformers-tests")
    parser.add_argument("--required", action="store_true", help="fail where the tests cannot be had")
    options, pytest_arguments = parser.parse_known_args(arguments)
    try:
        root = fetch(options.cache, version("transformers"))
    except SuiteUnavailableError as error:
        print(f"!!! transformers' own tests were SKIPPED: {error} !!!")
        return int(options.required)
    return run(root, pytest_arguments)


def fetch(cache: Path, release: str) -> Path:
    """The folder that holds PACKAGE, the tests of that release. Raises SuiteUnavailableError, tarfile.TarError."""
    root = cache / f"transformers-{release}"
    if not (root / PACKAGE).is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root) as workplace:
            tests = unpack(download(release, Path(workplace)), Path(workplace))
            tests.rename(root / PACKAGE)  # last, so that a package that is there is whole
    return root


def download(release: str, folder: Path) -> Path:
    """The source distribution, put into the folder by pip. Raises SuiteUnavailableError with pip's last word."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    command += ["--no-deps", "--no-binary", "transformers", "--dest", str(folder), f"transformers=={release}"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise SuiteUnavailableError(f"pip could not fetch the source distribution of transformers {release}: {reason}")
    return folder / f"transformers-{release}.tar.gz"


def unpack(sdist: Path, folder: Path) -> Path:
    """The tests out of the archive, with the stand-ins. Raises tarfile.TarError where one would leave the folder."""
    with tarfile.open(sdist) as archive:
        members = [member for member in archive if PurePosixPath(member.name).parts[1:2] == ("tests",)]
        archive.extractall(folder, members, filter="data")
    tests = folder / sdist.name.removesuffix(".tar.gz") / "tests"
    for name, text in STAND_INS.items():
        (tests / name).parent.mkdir(exist_ok=True)
        (tests / name).write_text(text, encoding="utf-8")
    return tests


class SkipReasons:
    """A pytest plugin: how many tests were skipped for which reason. pytest's own list has a line a test."""

    def pytest_terminal_summary(self, terminalreporter) -> None:
        skipped = terminalreporter.stats.get("skipped", [])
        reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
        terminalreporter.section("skipped, by reason")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:4}  {reason}")


def run(root: Path, arguments: list[str]) -> int:
    """pytest on the suites of all families; its exit code."""
    sys.path[:0] = [str(root), str(SUITES)]
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_TEST_DEVICE", "cpu")  # the same on every machine
    # The project's own options would refuse transformers' marks; its tests warn of much that is no fault of ours.
    options = ["-o", "addopts=--import-mode=importlib", "-o", "python_files=suite_*.py", "-p", "no:cacheprovider"]
    return pytest.main(["-q", "--tb=short", "-W", "ignore", *options, *arguments, str(SUITES)], [SkipReasons()])


if __name__ == "__main__":
    sys.exit(main())
