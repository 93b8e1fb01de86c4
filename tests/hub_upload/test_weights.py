"""Weights that are not exactly a safetensors file of finite numbers are refused, whatever the sums say."""

import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tampering import CANARY, Hostile, edit, refuse

from linernotes.hub_upload.manifest import SUMS, verify, write_sums

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TENSOR = "encoder.0.weight"


def rewrite(folder: Path, change) -> None:
    """Weights whose header was changed; change(header) may return a text of its own."""
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = change(header) or json.dumps(header)
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text.encode() + data[8 + length :])


def change_bytes(folder: Path, change) -> None:
    (folder / WEIGHTS).write_bytes(change((folder / WEIGHTS).read_bytes()))


def overlap(header: dict) -> None:
    header["gate.layers.2.weight"]["data_offsets"] = header["gate.layers.2.bias"]["data_offsets"]


def leave_a_hole(header: dict) -> None:
    last = max(header, key=lambda name: header[name].get("data_offsets", [0])[0])
    header[last]["data_offsets"] = [offset + 4 for offset in header[last]["data_offsets"]]


def twice(header: dict) -> str:
    return json.dumps(header).replace('"__metadata__":', f'"{TENSOR}": {json.dumps(header[TENSOR])}, "__metadata__":')


def replace_tensors(folder: Path, change) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def spoil(tensors: dict, value: float, dtype: torch.dtype = torch.float32) -> dict:
    tensors[TENSOR] = tensors[TENSOR].to(dtype)
    tensors[TENSOR].view(-1)[3] = value
    return tensors


def flip_low_bit(data: bytes) -> bytes:
    return data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]


def add_stale_index(folder: Path) -> None:
    names = dict.fromkeys(load_file(folder / WEIGHTS), "model-00001-of-00002.safetensors")
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))


# name -> tampering, what is found without the sums (None: nothing can be)
TAMPERED = {
    "cut short": (
        partial(change_bytes, change=lambda d: d[:-4]),
        r"model\.safetensors is cut short: its tensors need [\d,]+ bytes of data, [\d,]+ are there: download or export",
    ),
    "bytes after the end": (
        partial(change_bytes, change=lambda d: d + bytes(8)),
        r"model\.safetensors has 8 bytes after its last tensor",
    ),
    "header of 2^62 bytes": (
        partial(change_bytes, change=lambda d: (2**62).to_bytes(8, "little") + d[8:]),
        r"is no safetensors file but claims a header of 4,611,686,018,427,387,904 bytes in a file of [\d,]+",
    ),
    "overlapping tensors": (partial(rewrite, change=overlap), r"puts 'gate\.layers\.2\.weight' .* overlaps the tensor"),
    "a hole": (partial(rewrite, change=leave_a_hole), "which leaves a hole before it, ending at"),
    "another shape": (
        partial(rewrite, change=lambda h: h[TENSOR].update(shape=[3, 3])),
        r"gives 'encoder\.0\.weight' 3,776 bytes where its shape and dtype need 36",
    ),
    "negative shape": (partial(rewrite, change=lambda h: h[TENSOR].update(shape=[-16, -59])), "whole numbers from 0"),
    "unknown dtype": (
        partial(rewrite, change=lambda h: h[TENSOR].update(dtype="F33")),
        r"gives 'encoder\.0\.weight' the unknown dtype 'F33' \(known are BOOL, ",
    ),
    "a key of its own": (partial(rewrite, change=lambda h: h[TENSOR].update(code="x")), "something other than dtype"),
    "metadata of numbers": (partial(rewrite, change=lambda h: h.update(__metadata__={"a": 1})), "metadata that is not"),
    "empty": (partial(change_bytes, change=lambda d: b""), r"model\.safetensors is empty: download or export it again"),
    "no tensor": (partial(change_bytes, change=lambda d: b"\2" + bytes(7) + b"{}"), "holds no tensor"),
    "pickle": (
        partial(change_bytes, change=lambda d: pickle.dumps({TENSOR: Hostile()})),
        "is no safetensors file but a pickle, which may run code: never load it",
    ),
    "zip": (lambda folder: torch.save(Hostile(), folder / WEIGHTS), "but a zip archive, as torch.save writes one"),
    "a key twice": (partial(rewrite, change=twice), r"a header that holds the key 'encoder\.0\.weight' twice"),
    "header of braces": (partial(change_bytes, change=lambda d: d[:8] + b"{" * 5 + d[13:]), "header that is not JSON"),
    "header that is no object": (partial(rewrite, change=lambda h: "[]"), "a header that is no JSON object"),
    "NaN": (
        partial(replace_tensors, change=partial(spoil, value=np.nan)),
        r"model\.safetensors: 1 of 944 numbers of 'encoder\.0\.weight' are NaN or infinite: export it again",
    ),
    "infinity": (partial(replace_tensors, change=partial(spoil, value=-np.inf)), "1 of 944 numbers of"),
    "a bit flipped": (partial(change_bytes, change=flip_low_bit), None),
    "another model's weights": (
        partial(replace_tensors, change=lambda tensors: {name: value * 0.5 for name, value in tensors.items()}),
        None,
    ),
    "stale index": (add_stale_index, rf"{INDEX} lies beside model\.safetensors, and only one of them is read"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_refused(name, folder):
    tamper, _ = TAMPERED[name]
    tamper(folder)
    refuse(folder, f"{INDEX} is not listed" if name == "stale index" else r"\.\w+ differs from its sum in SHA256SUMS")
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("name", [name for name, (_, found) in TAMPERED.items() if found])
def test_tampering_is_refused_though_the_sums_were_written_anew(name, folder):
    tamper, found = TAMPERED[name]
    tamper(folder)
    findings = refuse(write_sums(folder).parent, found)
    assert not [finding for finding in findings if SUMS in finding]
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn], ids=str)
def test_numbers_of_every_width_are_looked_at(dtype, folder):
    replace_tensors(folder, partial(spoil, value=1.0, dtype=dtype))
    verify(write_sums(folder).parent)
    replace_tensors(folder, partial(spoil, value=np.nan, dtype=dtype))
    refuse(write_sums(folder).parent, "1 of 944 numbers of 'encoder.0.weight' are NaN or infinite")


def test_a_large_number_of_double_width_is_finite(folder):
    replace_tensors(folder, partial(spoil, value=1e300, dtype=torch.float64))
    verify(write_sums(folder).parent)


# An index of shards


@pytest.fixture
def sharded(folder) -> Path:
    """The same model in two files."""
    tensors = load_file(folder / WEIGHTS)
    names, places = sorted(tensors), {}
    for number, part in enumerate((names[:20], names[20:]), start=1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / shard)
        places |= dict.fromkeys(part, shard)
    size = sum(value.nbytes for value in tensors.values())
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
    (folder / WEIGHTS).unlink()
    return write_sums(folder).parent


def move_tensor(folder: Path, **weight_map) -> None:
    edit(folder / INDEX, weight_map=json.loads((folder / INDEX).read_text())["weight_map"] | weight_map)


def test_shards_with_a_true_index_are_reported(sharded, folder):
    assert verify(sharded).weights == len(json.loads((folder / INDEX).read_text())["weight_map"])


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda f: (f / "model-00002-of-00002.safetensors").unlink(), "is stale: it names 'model-00002-of-00002.safe"),
        (partial(move_tensor, **{"new.weight": "model-00001-of-00002.safetensors"}), "'new.weight' not in the shard"),
        (partial(move_tensor, feat_mean="model-00001-of-00002.safetensors"), "the shards hold 'feat_mean', of which"),
        (lambda f: edit(f / INDEX, metadata={"total_size": 5}), r"it says 5 bytes in all, and the shards hold [\d,]+"),
        (lambda f: edit(f / INDEX, weight_map=[]), "has no weight_map from tensor to file: write it again"),
        (lambda f: (f / INDEX).write_text("{"), rf"{INDEX} is not JSON .*: write it again"),
        (lambda f: save_file({"a": torch.ones(1)}, f / "model-3.safetensors"), "names no tensor of 'model-3"),
        (lambda f: (f / INDEX).unlink(), f"is not there, and no {INDEX} names shards: the folder holds no weights"),
        (lambda f: save_file({"a": torch.ones(1)}, f / WEIGHTS), f"{INDEX} lies beside model.safetensors"),
    ],
)  # fmt: skip
def test_a_stale_index_is_refused(tamper, found, sharded):
    tamper(sharded)
    refuse(write_sums(sharded).parent, found)


def test_a_shard_beside_whole_weights_is_refused(folder):
    shutil.copy(folder / WEIGHTS, folder / "model-00001-of-00002.safetensors")
    refuse(
        write_sums(folder).parent, "model-00001-of-00002.safetensors: no index names it, and model.safetensors is whole"
    )
