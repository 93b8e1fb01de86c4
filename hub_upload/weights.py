"""safetensors files held to their format and their numbers to being finite; nothing is loaded into a model.

Layout of a file: 8 bytes length of the header (little-endian), the header (JSON), the data of every tensor end to end.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from linernotes.hub_upload.strict_json import LARGEST_TEXT, parse_json, read_json

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}  # dtype -> size of one number
AT_ONCE = 2**20  # numbers looked at together: memory stays bounded whatever the size of a tensor

Header = dict[str, dict[str, Any]]  # tensor name -> {"dtype", "shape", "data_offsets"}


def check_weights(files: dict[str, Path]) -> tuple[dict[str, Header], list[str]]:
    """The tensors of every safetensors file that is whole, and what is wrong with any of them or with the index.

    Args:
        files: all files of a folder, by their POSIX path in it.

    Returns:
        file name -> tensor name -> dtype, shape and offsets; and the findings, one sentence each.
    """
    headers: dict[str, Header] = {}
    findings = []
    for name in sorted(name for name in files if name.lower().endswith(".safetensors")):
        try:
            headers[name] = read_header(files[name])
            findings += [f"{name}: {finding}" for finding in _not_finite(files[name])]
        except (ValueError, SafetensorError) as error:
            findings.append(f"{name} {error}: download or export it again")
    if INDEX in files:
        findings += [f"{INDEX} {finding}" for finding in _check_index(files, headers)]
    elif WEIGHTS not in files:
        findings.append(f"{WEIGHTS} is not there, and no {INDEX} names shards: the folder holds no weights to load")
    elif shards := [name for name in files if name.startswith("model-") and name in headers]:
        findings.append(f"{', '.join(shards)}: no index names it, and {WEIGHTS} is whole without: remove it")
    return headers, findings


def read_header(path: Path) -> Header:
    """The tensors that a safetensors file declares. Raises ValueError where it is not exactly such a file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if not start:
            raise ValueError("is empty")
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(LARGEST_TEXT, size - 8):
            raise ValueError(f"is no safetensors file but {_kind(start, length, size)}")
        text = file.read(length)
    if not text.startswith(b"{"):
        raise ValueError("has a header that is no JSON object")
    try:
        header = parse_json(text)
    except ValueError as error:
        raise ValueError(f"has a header that {error}") from error
    metadata = header.pop("__metadata__", {})
    if not header:
        raise ValueError("holds no tensor")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("has metadata that is not text by name")
    for name, entry in header.items():
        _check_entry(name, entry)
    _check_layout(header, size - 8 - length)
    return header


def _kind(start: bytes, length: int, size: int) -> str:
    if start.startswith(b"PK\x03\x04"):
        return "a zip archive, as torch.save writes one: never load it"
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return "a pickle, which may run code: never load it"
    return f"claims a header of {length:,} bytes in a file of {size:,}"


def _check_entry(name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"describes {name!r} by something other than dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in BYTES:
        raise ValueError(f"gives {name!r} the unknown dtype {entry['dtype']!r} (known are {', '.join(BYTES)})")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"gives {name!r} a shape or offsets that are not lists of whole numbers from 0 up")
    expected, found = math.prod(shape) * BYTES[entry["dtype"]], _size(entry)
    if expected != found:
        raise ValueError(f"gives {name!r} {found:,} bytes where its shape and dtype need {expected:,}")


def _are_counts(values: Any) -> bool:
    """Whether it is a list of numbers that may be sizes or offsets; a tensor has no more axes than torch allows."""
    return isinstance(values, list) and len(values) <= 64 and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _check_layout(header: Header, available: int) -> None:
    """Raises ValueError unless the tensors fill the data exactly, none over another."""
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if begin != position:
            fault = "overlaps the tensor before it" if begin < position else "leaves a hole before it"
            raise ValueError(f"puts {name!r} at byte {begin:,} of the data, which {fault}, ending at {position:,}")
        position = end
    if position > available:
        raise ValueError(f"is cut short: its tensors need {position:,} bytes of data, {available:,} are there")
    if position < available:
        raise ValueError(f"has {available - position:,} bytes after its last tensor")


def _not_finite(path: Path) -> Iterator[str]:
    with safe_open(path, "pt") as weights:
        for name in weights.keys():  # noqa: SIM118 (safe_open is no mapping)
            tensor = weights.get_tensor(name)
            if tensor.is_floating_point():
                parts = tensor.flatten().split(AT_ONCE)
                # torch knows no isfinite of some floats of 8 bits
                finite = ((part if part.itemsize > 1 else part.float()).isfinite() for part in parts)
                if count := sum(part.numel() - int(part.sum()) for part in finite):
                    yield f"{count:,} of {tensor.numel():,} numbers of {name!r} are NaN or infinite: export it again"


def _check_index(files: dict[str, Path], headers: dict[str, Header]) -> Iterator[str]:
    """What is wrong with the list that says which shard holds which tensor."""
    if WEIGHTS in files:
        yield f"lies beside {WEIGHTS}, and only one of them is read: remove the one that is stale"
    try:
        index = read_json(files[INDEX])
    except ValueError as error:
        yield f"{error}: write it again"
        return
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
        yield "has no weight_map from tensor to file: write it again"
        return
    named = sorted(set(places.values()))
    if gone := [shard for shard in named if shard not in files]:
        yield f"is stale: it names {_some(gone)}, not there: download or export the folder again"
    held = [(name, shard) for shard in named for name in headers.get(shard, {})]
    if wrong := sorted({pair for pair in places.items() if pair[1] in headers} - set(held)):
        yield f"is stale: {_some([name for name, _ in wrong])} not in the shard that it names: write it again"
    if left_out := sorted(name for name, shard in held if places.get(name) != shard):
        yield f"is stale: the shards hold {_some(left_out)}, of which it says nothing: write it again"
    if stray := sorted(name for name in headers if name.startswith("model-") and name not in named):
        yield f"names no tensor of {_some(stray)}: remove what is stale"
    metadata = index.get("metadata")
    claimed = metadata.get("total_size") if isinstance(metadata, dict) else None
    size = sum(_size(headers[shard][name]) for name, shard in held)
    if claimed not in (None, size) and all(shard in headers for shard in named):
        yield f"is stale: it says {claimed!r} bytes in all, and the shards hold {size:,}: write it again"


def _size(entry: dict[str, Any]) -> int:
    return entry["data_offsets"][1] - entry["data_offsets"][0]


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
