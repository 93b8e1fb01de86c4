"""SHA256SUMS: what a published folder holds, and whether it still does. No code of it is run, nothing unpickled.

The sums say that nothing was changed since they were written. Whoever changes a file may write new sums, so whatever
can be seen without them is looked at as well: files that hold code, weights, and what the configs say.
"""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, get_token

from linernotes.hub_upload.configs import check_configs
from linernotes.hub_upload.errors import PublishError, VerifyError
from linernotes.hub_upload.strict_json import LARGEST_TEXT
from linernotes.hub_upload.weights import check_weights

SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  (.+)")  # as `sha256sum` writes and `sha256sum -c` reads
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".dill", ".joblib", ".npy", ".npz")
LOADABLE_SUFFIXES = (
    *PICKLE_SUFFIXES,
    *(".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".zip"),
    *(".safetensors", ".json", ".jinja", ".h5", ".msgpack", ".gguf", ".onnx", ".model"),
)
CODE_STATES = ("different", "unknown", "same", "not compared")


@dataclass(frozen=True)
class Report:
    """What a folder holds that was found to be what its manifest says.

    Args:
        files, bytes: number and size of the files, the manifest itself left out.
        weights, parameters: number of tensors, and of numbers in them.
        code: Python file -> "same" as the trusted one, "different" from it, "unknown" there, or "not compared".
        notes: what a reader should know before loading; differing code first.
    """

    files: int
    bytes: int
    weights: int
    parameters: int
    code: dict[str, str]
    notes: list[str]

    def __str__(self) -> str:
        """Lines for a reader, notes first."""
        states = Counter(self.code.values())
        code = ", ".join(f"{states[state]} {state}" for state in CODE_STATES if states[state]) or "none"
        return "\n".join(
            (
                *(f"note: {note}" for note in self.notes),
                f"{self.files} files, {self.bytes:,} bytes, as listed",
                f"{self.weights} tensors, {self.parameters:,} numbers, all finite",
                f"Python files: {code}",
            )
        )


def write_sums(folder: Path) -> Path:
    """Writes `SHA256SUMS` over every file of the folder and returns its path.

    Raises PublishError where the folder holds what `verify` would not take for a file: links out of it, special files,
    names that the format cannot hold.
    """
    folder = Path(folder)
    files, findings = _scan(folder)
    files.pop(SUMS, None)
    if findings:
        raise PublishError(f"{folder} cannot be listed: {'; '.join(findings)}")
    lines = [f"{digest(path)}  {name}\n" for name, path in sorted(files.items())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    return folder / SUMS


def read_sums(sums: Path) -> dict[str, str]:
    """Digest by file name, in the order of the file. Raises VerifyError where it is no such list."""
    if sums.stat().st_size > LARGEST_TEXT:
        raise VerifyError(str(sums), [f"{SUMS} is over {LARGEST_TEXT >> 20} MiB: get the published one"])
    *lines, rest = sums.read_bytes().decode("utf-8", errors="replace").split("\n")
    findings = [f"{SUMS} is cut short or empty: get the published one"] if rest or not lines else []
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        found = LINE.fullmatch(line)
        if found is None:
            findings.append(f"{SUMS} line {number} is {line[:80]!r}; allowed is a sum, two spaces and a file")
        elif not _is_own(found[2]):
            findings.append(f"{SUMS} line {number} names {found[2]!r}; allowed are paths of the folder's own files")
        elif found[2] in listed:
            findings.append(f"{SUMS} names {found[2]!r} twice: get the published one")
        else:
            listed[found[2]] = found[1]
    if findings:
        raise VerifyError(str(sums), findings)
    return listed


def verify(folder: Path, trusted_code: Path | None = None) -> Report:
    """Holds a folder against its `SHA256SUMS`, its weights against their format, its configs against its code.

    Args:
        folder: a model folder as published: an exported one, a download, a snapshot in the Hub's cache.
        trusted_code: a folder of Python files; the report says which of the folder's are the same there.

    Raises:
        VerifyError: with all findings, one sentence each: the file, what was found, what to do.
        PublishError: there is no such folder.
    """
    files, findings = _scan(Path(folder))
    sums, listed = files.pop(SUMS, None), {}
    if sums is None:
        findings.append(
            f"{SUMS} is not there: nothing says what the folder should hold; get the published one, or, of a folder of "
            "your own, make one by `linernotes export`"
        )
    else:
        try:
            listed = read_sums(sums)
            findings += _check_sums(files, listed)
        except VerifyError as error:
            findings += error.findings
    headers, wrong = check_weights(files)
    findings += [*_check_kinds(files), *wrong, *check_configs(files)]
    if findings:
        raise VerifyError(str(folder), findings)
    code = {name: _compare(name, files[name], trusted_code) for name in sorted(files) if name.endswith(".py")}
    tensors = [entry for header in headers.values() for entry in header.values()]
    return Report(
        files=len(files),
        bytes=sum(path.stat().st_size for path in files.values()),
        weights=len(tensors),
        parameters=sum(math.prod(entry["shape"]) for entry in tensors),
        code=code,
        notes=list(_notes(code, sorted(set(files) - set(listed)))),
    )


def verify_place(place: str, revision: str | None = None, trusted_code: Path | None = None) -> Report:
    """As `verify`, of a folder or of a Hub repository ("user/name"), which is downloaded into the Hub's cache.

    Raises VerifyError as `verify` does, PublishError for a place that is neither, HubRefusedError and
    HubUnreachableError where the Hub does not give it.
    """
    from linernotes.hub_upload.names import check_repo_id
    from linernotes.hub_upload.push import hub_errors  # it reads manifests itself

    if Path(place).is_dir():
        if revision is not None:
            raise PublishError(f"{place} is a folder and has no revision {revision!r}; leave it out, or name a Hub id")
        return verify(Path(place), trusted_code)
    check_repo_id(place)
    with hub_errors(place, get_token()):
        folder = Path(HfApi().snapshot_download(place, revision=revision))
    try:
        return verify(folder, trusted_code)
    except VerifyError as error:
        raise VerifyError(f"{place} at {folder.name}", error.findings) from None


def _scan(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The files below a folder by POSIX path, and what there is no file. Raises PublishError if it is no folder."""
    if not folder.is_dir():
        raise PublishError(f"{folder} is not a folder: give the folder of a model, as exported or downloaded")
    files, findings = {}, []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _skipped(name)]
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for path in (Path(parent, name) for name in (*linked, *names) if not _skipped(name)):
            place = path.relative_to(folder).as_posix()
            if fault := _fault(place, path, folder):
                findings.append(f"{place!r} {fault}")
            if path.is_file():
                files[place] = path
    return files, sorted(findings)


def _skipped(name: str) -> bool:
    """What a checkout, a download and an import leave behind; transformers loads none of it."""
    return name.startswith(".git") or name in {".cache", "__pycache__"}


def _fault(place: str, path: Path, folder: Path) -> str | None:
    """Why this is no file that a manifest can list."""
    if not place.isprintable() or "\\" in place:
        return "has a name that cannot be listed: allowed are printable characters without backslash; rename it"
    if path.is_symlink() and not _stays_inside(path, folder):
        return "is a link that leads out of the folder: put the file itself in its place (cp -rL)"
    if path.is_dir():
        return "is a link to a folder: put the folder itself in its place (cp -rL)"
    return None if path.is_file() else "is no ordinary file: remove it"


def _stays_inside(path: Path, folder: Path) -> bool:
    """Whether a link ends in the folder, or, for a snapshot in the Hub's cache, among the files of its repository."""
    root = Path(os.path.realpath(folder))
    allowed = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    return any(Path(os.path.realpath(path)).is_relative_to(place) for place in allowed)


def _is_own(name: str) -> bool:
    """Whether a listed name is a plain relative path that stays in the folder."""
    path = PurePosixPath(name)
    return path.as_posix() == name and not path.is_absolute() and not any(p == ".." or _skipped(p) for p in path.parts)


def _check_sums(files: dict[str, Path], listed: dict[str, str]) -> Iterator[str]:
    for name in sorted(set(listed) - set(files)):
        yield f"{name!r} is listed in {SUMS} and not there: download the folder again"
    for name in sorted(files):
        if name not in listed:
            if name.lower().endswith(LOADABLE_SUFFIXES):
                yield f"{name} is not listed in {SUMS} and could be loaded: remove it"
        elif digest(files[name]) != listed[name]:
            yield f"{name} differs from its sum in {SUMS}: download it again, or ask who changed it"


def _check_kinds(files: dict[str, Path]) -> Iterator[str]:
    for name in sorted(files):
        if name.lower().endswith((*PICKLE_SUFFIXES, ".bin.index.json")):
            yield f"{name} is of a kind that can be a pickle, which runs code when it is loaded: remove it"
    if "adapter_config.json" in files:
        yield "adapter_config.json lies beside whole weights, and transformers would change them by it: remove it"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(name: str, path: Path, trusted_code: Path | None) -> str:
    if trusted_code is None:
        return "not compared"
    trusted = Path(trusted_code) / name
    if not trusted.is_file():
        return "unknown"
    return "same" if digest(path) == digest(trusted) else "different"


def _notes(code: dict[str, str], unlisted: list[str]) -> Iterator[str]:
    """What is no fault but should be known, differing code first."""
    for state, words in (("different", "differs from the trusted code"), ("unknown", "is not in the trusted code")):
        for name in (name for name in code if code[name] == state):
            yield f"{name} {words}: read it before you load the folder by AutoModel"
    for name in unlisted:
        yield f"{name} is not listed in {SUMS}; nothing loads it"
