"""Convert the published musicnn weights, a TensorFlow 1 checkpoint, to a state dict of modeling/musicnn.py.

    pip download --no-deps musicnn==0.1.0
    python -m linernotes.convert_musicnn musicnn-0.1.0-py3-none-any.whl --out musicnn_msd.safetensors

TensorFlow is not needed: a checkpoint is a bundle of two files, `.data-00000-of-00001`, the numbers end to end, and
`.index`, a LevelDB table from a variable's name to a protocol buffer with its type, shape and place
(https://github.com/google/leveldb/blob/main/doc/table_format.md, tensorflow/core/protobuf/tensor_bundle.proto).
Nor is musicnn installed, which asks for numpy < 1.17: its wheel is only a zip file.
"""

import argparse
import hashlib
import io
import json
import math
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from linernotes.modeling.musicnn import MSD_TAGS, MusicnnTagger

MTT_TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
    "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing",
    "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop",
    "soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice",
    "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
TAGS = {"MSD": MSD_TAGS, "MTT": MTT_TAGS}
INDEX, DATA = ".index", ".data-00000-of-00001"
# As in the RECORD of the wheel of musicnn 0.1.0: what else is in a wheel or a folder does not matter.
SHA256 = {
    "MSD": {
        INDEX: "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
        DATA: "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    },
    "MTT": {
        INDEX: "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        DATA: "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    },
}
DOWNLOAD = "pip download --no-deps musicnn==0.1.0"
LICENCE = """\
Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019. Code developed by Jordi Pons (www.jordipons.me).

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE."""

# TensorFlow numbers layers of a kind in the order in which they were built.
FRONTS = ("timbral_fronts.0", "timbral_fronts.1", "temporal_fronts.0", "temporal_fronts.1", "temporal_fronts.2")
LAYERS = {
    "conv2d": (*(f"{front}.conv" for front in FRONTS), *(f"mid_end.convs.{depth}" for depth in range(3))),
    "batch_normalization": (
        "spectrogram_norm",
        *(f"{front}.norm" for front in FRONTS),
        *(f"mid_end.norms.{depth}" for depth in range(3)),
        "back_end.pooled_norm",
        "back_end.dense_norm",
    ),
    "dense": ("back_end.dense", "classifier"),
}
NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}

TABLE_MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
DT_FLOAT = 1


def convert(source: str | Path, variant: str = "MSD") -> dict[str, torch.Tensor]:
    """The state dict of a `MusicnnTagger`, float32.

    source: the wheel of musicnn 0.1.0, or the folder it was unpacked to (or the network's own folder in it).
    variant: "MSD" (Million Song Dataset tags) or "MTT" (MagnaTagATune tags).
    Raises ValueError if the files are not there or not the published ones.
    """
    if variant not in TAGS:
        raise ValueError(f"variant {variant!r} is unknown; choose one of {', '.join(TAGS)}")
    files = {name: _read_member(Path(source), f"{variant}_musicnn", name) for name in (INDEX, DATA)}
    for name, content in files.items():
        digest, published = hashlib.sha256(content).hexdigest(), SHA256[variant][name]
        if digest != published:
            raise ValueError(
                f"{source}: {variant}_musicnn/{name} has sha256 {digest}, the published file has {published}. "
                f"It was cut or changed: fetch it again with `{DOWNLOAD}`."
            )
    return to_state_dict(read_bundle(files[INDEX], files[DATA]))


def _read_member(source: Path, network: str, name: str) -> bytes:
    if not source.exists():
        raise ValueError(f"{source} does not exist. Fetch the wheel with `{DOWNLOAD}` and give its path.")
    inside = f"musicnn/{network}/{name}"
    if source.is_dir():
        for candidate in (source / inside, source / network / name, source / name):
            if candidate.is_file():
                return candidate.read_bytes()
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as wheel:
            if inside in wheel.namelist():
                return wheel.read(inside)
    raise ValueError(
        f"{source} holds no {inside}. Give the wheel of musicnn 0.1.0 (`{DOWNLOAD}`) or the folder it was unpacked to."
    )


def read_bundle(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The float32 variables of a one-shard tensor bundle, by name; variables of other types are left out.

    Raises ValueError if the index is no LevelDB table, is compressed, or points outside the data.
    """
    if len(index) < FOOTER_BYTES or int.from_bytes(index[-8:], "little") != TABLE_MAGIC:
        raise ValueError(f"the index ({len(index)} bytes) is no LevelDB table; give a checkpoint's whole {INDEX} file")
    footer = io.BytesIO(index[-FOOTER_BYTES:])  # place and size of the meta index, then of the index of blocks
    _, _, place, size = (_varint(footer) for _ in range(4))
    variables = {}
    for _, handle in _block(index, place, size):
        numbers = io.BytesIO(handle)
        for name, entry in _block(index, _varint(numbers), _varint(numbers)):
            fields = _message(entry)
            if name and fields.get(1) == [DT_FLOAT]:  # the empty name holds the bundle's header
                variables[name.decode()] = _variable(name.decode(), fields, data)
    return variables


def _variable(name: str, fields: dict[int, list], data: bytes) -> np.ndarray:
    """What a BundleEntryProto points to: 2 is its shape (of 2: dimensions of 1: size), 4 its place, 5 its bytes."""
    dimensions = [size for shape in fields.get(2, []) for size in _message(shape).get(2, [])]
    shape = tuple(_message(size).get(1, [0])[0] for size in dimensions)
    offset, num_bytes = fields.get(4, [0])[0], fields.get(5, [0])[0]  # zeros are not written
    if num_bytes != 4 * math.prod(shape) or offset + num_bytes > len(data):
        raise ValueError(f"{name} {shape} is not in the data ({len(data)} bytes): they do not belong together")
    return np.frombuffer(data, np.dtype("<f4"), math.prod(shape), offset).reshape(shape)


def _block(table: bytes, place: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one LevelDB block, whose keys share prefixes; restart points, for random access, end it."""
    if place + size >= len(table):
        raise ValueError(f"the index ({len(table)} bytes) is cut short; give the whole {INDEX} file of a checkpoint")
    if table[place + size] != 0:
        raise ValueError(f"the index is compressed (kind {table[place + size]}); checkpoints are written uncompressed")
    block = io.BytesIO(table[place : place + size])
    num_restarts = int.from_bytes(table[place + size - 4 : place + size], "little")
    key = b""
    while block.tell() < size - 4 - 4 * num_restarts:
        num_shared, num_new, num_value = (_varint(block) for _ in range(3))
        key = key[:num_shared] + block.read(num_new)
        yield key, block.read(num_value)


def _message(content: bytes) -> dict[int, list]:
    """A protocol buffer's fields by number: integers, or bytes for what has a length."""
    stream, fields = io.BytesIO(content), {}
    while stream.tell() < len(content):
        number, wire_type = divmod(_varint(stream), 8)
        if wire_type == 0:
            value = _varint(stream)
        elif wire_type == 2:
            value = stream.read(_varint(stream))
        else:
            value = int.from_bytes(stream.read({1: 8, 5: 4}[wire_type]), "little")
        fields.setdefault(number, []).append(value)
    return fields


def _varint(stream: io.BytesIO) -> int:
    """Seven bits a byte, lowest first, until a byte without its top bit."""
    value = shift = 0
    while byte := stream.read(1):
        value |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            break
    return value


def to_state_dict(variables: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """TensorFlow's variables by the names and in the axis orders of `MusicnnTagger`.

    Raises ValueError if one is missing or has another shape: it is another network's checkpoint.
    """
    found = {}
    for kind, targets in LAYERS.items():
        for number, target in enumerate(targets):
            layer = f"{kind}_{number}" if number else kind
            for theirs, ours in NAMES.items():
                if (name := f"{layer}/{theirs}") in variables:
                    key = f"{target}.{ours}"
                    found[key] = torch.tensor(_reorder(key, variables[name])).contiguous()
    with torch.device("meta"):
        expected = MusicnnTagger().state_dict()
    for key, like in expected.items():
        if key.endswith("num_batches_tracked"):
            found[key] = torch.tensor(0)
        elif key not in found or found[key].shape != like.shape:
            got = tuple(found[key].shape) if key in found else "none"
            raise ValueError(f"no musicnn checkpoint: {key} should have shape {tuple(like.shape)}, there is {got}")
    return {key: found[key] for key in expected}


def _reorder(key: str, values: np.ndarray) -> np.ndarray:
    """From (height, width, in, out), and from pooled channels as pairs of (maximum, mean)."""
    if key.startswith("back_end.pooled_norm") or key == "back_end.dense.weight":
        values = np.concatenate([values[::2], values[1::2]])
    if key.startswith("mid_end") and values.ndim == 4:
        return values[:, :, 0].transpose(2, 1, 0)  # theirs is an image of one plane, (frames, channels)
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m linernotes.convert_musicnn", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="WHEEL_OR_FOLDER", help=f"from `{DOWNLOAD}`")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument(
        "--variant", choices=TAGS, default="MSD", help="Million Song Dataset (default) or MagnaTagATune"
    )
    options = parser.parse_args(arguments)
    try:
        state = convert(options.source, options.variant)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    source = f"musicnn 0.1.0, {options.variant}_musicnn"
    about = json.dumps({"source": source, "tags": TAGS[options.variant], "licence": LICENCE})
    save_file(state, options.out, {"about": about})  # several entries would come in another order each time
    print(f"{options.out}: {len(state)} tensors, {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
