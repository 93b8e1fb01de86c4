"""A checkpoint written here, byte by byte, comes back; and TensorFlow's layers mean the same in torch."""

import hashlib
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors import safe_open

from linernotes import convert_musicnn
from linernotes.convert_musicnn import DATA, INDEX, convert, main, read_bundle, to_state_dict
from linernotes.modeling.musicnn import MSD_TAGS, MusicnnTagger

MAGIC = 0xDB4775248B80FB57


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(rows: list[tuple[bytes, bytes]]) -> bytes:
    """Keys share what they can with the one before; a restart point, kind 0 (uncompressed) and a checksum close it."""
    content, last = b"", b""
    for key, value in rows:
        shared = max(size for size in range(len(last) + 1) if key.startswith(last[:size]))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return content + struct.pack("<II", 0, 1) + b"\0" + b"\0" * 4


def write_bundle(variables: dict[str, np.ndarray], rows_a_block: int = 3) -> tuple[bytes, bytes]:
    rows, data = [(b"", field(1, 1) + b"\x1d" + struct.pack("<I", 7))], b""  # the header, with one fixed-width field
    for name in sorted(variables):
        values = variables[name]
        shape = b"".join(field(2, field(1, size) if size else b"") for size in values.shape)
        kind = 1 if values.dtype == np.float32 else 9
        place = field(4, len(data)) if data else b""  # protocol buffers leave zeros out
        rows.append((name.encode(), field(1, kind) + field(2, shape) + place + field(5, values.nbytes)))
        data += values.tobytes()
    table, handles = b"", []
    for start in range(0, len(rows), rows_a_block):
        part = rows[start : start + rows_a_block]
        content = block(part)
        handles.append((part[-1][0] + b"~", varint(len(table)) + varint(len(content) - 5)))
        table += content
    index = block(handles)
    footer = varint(0) + varint(0) + varint(len(table)) + varint(len(index) - 5)
    return table + index + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC), data


def tensorflow_variables(seed: int = 0) -> dict[str, np.ndarray]:
    """As the published checkpoints: names, shapes, and an optimiser's leftovers."""
    rng = np.random.default_rng(seed)
    kernels = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    numbered = {"conv2d": kernels, "dense": [(1506, 200), (200, 50)]}
    variables = {"beta1_power": np.float32(0.9).reshape(()), "global_step": np.array(7, np.int64)}
    for kind, shapes in numbered.items():
        for number, shape in enumerate(shapes):
            name = f"{kind}_{number}" if number else kind
            variables[f"{name}/kernel"] = rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape).astype(np.float32)
            variables[f"{name}/bias"] = rng.normal(0, 0.3, shape[-1]).astype(np.float32)
            variables[f"{name}/kernel/Adam"] = np.zeros(shape, np.float32)
    for number, size in enumerate([1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200]):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        for theirs in ("gamma", "beta", "moving_mean"):
            variables[f"{name}/{theirs}"] = rng.normal(0, 0.5, size).astype(np.float32)
        variables[f"{name}/moving_variance"] = rng.uniform(0.5, 2, size).astype(np.float32)
    return variables


def tensorflow_tags(variables: dict[str, np.ndarray], patches: torch.Tensor) -> torch.Tensor:
    """The published graph in its own axis order, (batch, frames, mels, channels), and its own pooling by pairs."""

    def get(kind, number, name):
        return torch.from_numpy(variables[f"{kind}_{number}/{name}" if number else f"{kind}/{name}"])

    def norm(values, number):
        gamma, beta, mean, variance = (
            get("batch_normalization", number, name) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (values - mean) / (variance + 1e-3).sqrt() * gamma + beta

    def conv(image, number, before, after):
        kernel = get("conv2d", number, "kernel").permute(3, 2, 0, 1)
        padded = F.pad(image, (0, 0, 0, 0, before, after)).permute(0, 3, 1, 2)
        answer = F.conv2d(padded, kernel).permute(0, 2, 3, 1) + get("conv2d", number, "bias")
        return norm(answer.relu(), number + 1)

    image = norm(patches[..., None], 0)
    padding = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    fronts = torch.cat([conv(image, number, *pad).amax(2) for number, pad in enumerate(padding)], 2)
    first = conv(fronts[..., None], 5, 3, 3)[:, :, 0]  # (batch, frames, 64)
    second = conv(first[..., None], 6, 3, 3)[:, :, 0] + first
    third = conv(second[..., None], 7, 3, 3)[:, :, 0] + second
    channels = torch.cat([fronts, first, second, third], 2)
    pooled = norm(torch.stack([channels.amax(1), channels.mean(1)], 2).flatten(1), 9)
    dense = norm((pooled @ get("dense", 0, "kernel") + get("dense", 0, "bias")).relu(), 10)
    return (dense @ get("dense", 1, "kernel") + get("dense", 1, "bias")).sigmoid()


@pytest.fixture(scope="module")
def variables() -> dict[str, np.ndarray]:
    return tensorflow_variables()


@pytest.fixture
def folder(tmp_path, variables, monkeypatch):
    """An unpacked wheel with a checkpoint of ours in it, known as the published one."""
    inside = tmp_path / "wheel" / "musicnn" / "MSD_musicnn"
    inside.mkdir(parents=True)
    digests = {}
    for name, content in zip((INDEX, DATA), write_bundle(variables), strict=True):
        (inside / name).write_bytes(content)
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(convert_musicnn.SHA256, "MSD", digests)
    return tmp_path / "wheel"


def test_the_layers_mean_what_they_meant(variables):
    tagger = MusicnnTagger().eval()
    tagger.load_state_dict(to_state_dict(variables))
    patches = 4 * torch.rand(2, 187, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(tagger(patches), tensorflow_tags(variables, patches), atol=1e-5, rtol=0)


names = st.text("abcdefgh_0123/", min_size=1, max_size=12)
arrays = npst.arrays(np.float32, npst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=130))


@settings(max_examples=40)
@given(st.dictionaries(names, arrays, max_size=9), st.integers(1, 4))
def test_any_bundle_is_read_back(variables, rows_a_block):
    read = read_bundle(*write_bundle(variables, rows_a_block))
    assert read.keys() == variables.keys()
    for name, values in variables.items():
        np.testing.assert_array_equal(read[name], values, strict=True)


def test_variables_that_are_no_floats_are_left_out(variables):
    read = read_bundle(*write_bundle({"step": np.array([7], np.int64), "beta": np.float32([0.5, -2])}))
    assert {name: values.tolist() for name, values in read.items()} == {"beta": [0.5, -2]}


def test_wheel_and_folders_give_the_same(folder, tmp_path):
    wheel = tmp_path / "musicnn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in folder.rglob(".*"):
            archive.write(file, file.relative_to(folder))
    states = [convert(source) for source in (wheel, folder, folder / "musicnn", folder / "musicnn" / "MSD_musicnn")]
    for state in states[1:]:
        assert all(torch.equal(state[key], states[0][key]) for key in states[0])


def test_command_writes_weights_that_load_and_their_licence(folder, tmp_path, capsys):
    out = tmp_path / "tagger.safetensors"
    assert main([str(folder), "--out", str(out)]) == 0
    assert "75 tensors" in capsys.readouterr().out
    with safe_open(out, "pt") as weights:
        MusicnnTagger().load_state_dict({key: weights.get_tensor(key) for key in weights.keys()})  # noqa: SIM118
        about = json.loads(weights.metadata()["about"])
    assert about["tags"] == list(MSD_TAGS)
    assert "Pons" in about["licence"]
    assert "this permission notice appear in all copies" in about["licence"].replace("\n", " ")


def test_command_says_what_to_do_and_writes_nothing(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere.whl"), "--out", str(tmp_path / "out.safetensors")]) == 1
    assert "does not exist. Fetch the wheel with `pip download --no-deps musicnn==0.1.0`" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


def test_changed_weights_are_refused(folder):
    data = folder / "musicnn" / "MSD_musicnn" / DATA
    data.write_bytes(data.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        ValueError, match=r"MSD_musicnn/.data-00000-of-00001 has sha256 .* fetch it again with `pip download"
    ):
        convert(folder)


def test_sources_without_the_network_are_refused(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("no wheel")
    for source in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match=r"holds no musicnn/MSD_musicnn/.index. Give the wheel of musicnn 0.1.0"):
            convert(source)
    with pytest.raises(ValueError, match="holds no musicnn/MTT_musicnn"):
        convert(folder, "MTT")
    with pytest.raises(ValueError, match="variant 'MSDB' is unknown; choose one of MSD, MTT"):
        convert(folder, "MSDB")


def test_another_network_is_refused(variables):
    with pytest.raises(ValueError, match=r"spectrogram_norm.weight should have shape \(1,\), there is none"):
        to_state_dict({})
    wider = variables | {"dense_1/bias": np.zeros(188, np.float32)}
    with pytest.raises(ValueError, match=r"classifier.bias should have shape \(50,\), there is \(188,\)"):
        to_state_dict(wider)


def test_damaged_bundles_are_refused():
    index, data = write_bundle({"beta": np.float32([1, 2, 3])})
    with pytest.raises(ValueError, match="is no LevelDB table"):
        read_bundle(b"not an index", data)
    with pytest.raises(ValueError, match="is no LevelDB table"):
        read_bundle(index[:-1], data)
    with pytest.raises(ValueError, match="is cut short"):
        read_bundle(index[-48:], data)
    with pytest.raises(ValueError, match=r"beta \(3,\) is not in the data \(11 bytes\)"):
        read_bundle(index, data[:-1])
    squeezed = index.replace(b"\0\0\0\0\1\0\0\0\0", b"\0\0\0\0\1\0\0\0\1")
    with pytest.raises(ValueError, match=r"is compressed \(kind 1\)"):
        read_bundle(squeezed, data)
