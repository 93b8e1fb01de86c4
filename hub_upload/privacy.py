"""What a published file must not say: where on somebody's machine it was made, and tokens."""

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from safetensors import safe_open

from linernotes.hub_upload.errors import PublishError

# Absolute paths into the places where people keep their work. What stands before the path keeps addresses out
# (https://host/home/page) and relative paths (a/tmp/b).
ROOTS = "home|root|Users|tmp|mnt|media|srv|data|scratch|export|workspace|work|private|Volumes|var/folders|content/drive"
LOCAL_PATH = re.compile(
    rf"""(?<![\w.:/\\~)-])/(?:{ROOTS})(?:/[\w.-]+|\b(?![\w/-]))|file:///?\w[\w./-]*|(?<!\w)~/\w|(?<![A-Za-z])[A-Za-z]:(?:\\+|/+)Users\b"""
    r"""|(?<![A-Za-z\\])[A-Z]:\\+\w|(?<!\\)\\\\[A-Za-z][\w.-]{2,}\\+[A-Za-z]\w+"""
)
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")
WEIGHTS = ".safetensors"


def found_in(text: str, places: Iterable[str] = ()) -> str | None:
    """The first local path or token in a text, or one of `places` beside this machine's own folders."""
    here = {*places, str(Path.home()), str(Path.cwd()), tempfile.gettempdir(), sys.prefix}
    for place in sorted(here, key=len, reverse=True):
        if len(place) > len("/root") and place in text:
            return place
    found = TOKEN.search(text) or LOCAL_PATH.search(text)
    return found and found[0]


def refuse_private(folder: Path, places: Iterable[str] = ()) -> None:
    """Raises PublishError where a text file, or what the weights say of themselves, names a local place or a token."""
    places = tuple(places)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if found := found_in(text_of(path), places):
            shown = "a token of the Hub" if TOKEN.match(found) else f"{found!r}, a place on this machine"
            raise PublishError(f"{path.relative_to(folder)} names {shown}; take that out and publish again")


def text_of(path: Path) -> str:
    if path.suffix == WEIGHTS:
        with safe_open(path, "np") as weights:
            return str(weights.metadata() or "")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:  # a picture
        return ""
