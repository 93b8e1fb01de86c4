"""`.ecdc` files of the `encodec` tool: codes as they lie there, unpacked a stretch at a time and never decoded.

    "ECDC" | version, 1 byte, 0 | size of the header, 4 bytes, big-endian | header, JSON | codes

The header says `m`, the codec's name; `al`, the length of the sound in samples; `nc`, how many codebooks; and `lm`,
whether a language model has compressed the codes further, which takes that model to undo and is refused here. Codes
follow frame by frame, of a frame codebook by codebook, each in as many bits as an entry needs, least significant first.
Written from the format that https://github.com/facebookresearch/encodec documents in `encodec/binary.py`.
"""

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from .audio import AudioError, describe

MAGIC, VERSION = b"ECDC", 0
HEAD = struct.Struct("!4sBI")


@dataclass(frozen=True)
class EcdcFile:
    """Codes of `num_frames` frames, `num_codebooks` of `bits` bits each; `packed` holds them."""

    num_codebooks: int
    num_frames: int
    bits: int
    packed: memoryview

    def read(self, start: int, stop: int) -> np.ndarray:
        """The codes of some frames, (codebooks, stop - start) int64."""
        frame_bits = self.num_codebooks * self.bits
        first, last = start * frame_bits, stop * frame_bits
        packed = np.frombuffer(self.packed[first // 8 : -(-last // 8)], np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[first % 8 :][: last - first]
        return (bits.reshape(stop - start, self.num_codebooks, self.bits) @ (1 << np.arange(self.bits))).T


def find_ecdc(source: Any) -> bytes | None:
    """The bytes of an `.ecdc` file, whatever its name, or None."""
    if isinstance(source, Mapping):
        source = source.get("path") if source.get("bytes") is None else source["bytes"]
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source) if bytes(source[: len(MAGIC)]) == MAGIC else None
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source) or not os.access(source, os.R_OK):  # the audio reader says what is wrong with it
            return None
        with open(source, "rb") as file:
            return _rest(file)
    return _rest(source) if hasattr(source, "seekable") and source.seekable() else None


def _rest(file: BinaryIO) -> bytes | None:
    start = file.tell()
    if file.read(len(MAGIC)) == MAGIC:
        return MAGIC + file.read()
    file.seek(start)
    return None


def open_ecdc(source: Any, config) -> EcdcFile | None:
    """An `.ecdc` file of the codec that a model knows, or None where the source is no such file.

    Args:
        source: whatever `stream_audio` reads. A file object must be one that can be rewound.
        config: a MegaAudioFormerConfig; a file with more codebooks than it says will do.

    Raises:
        AudioError: not_audio (of another codec, too few codebooks, compressed by a language model, another version, a
            header that is none), truncated, empty.
    """
    data = find_ecdc(source)
    try:
        return None if data is None else _parse(data, config)
    except AudioError as error:
        error.path = describe(source)
        raise


def _parse(data: bytes, config) -> EcdcFile:
    header, codes_start = _header(data)
    length, books = header["al"], header["nc"]
    codec, needed = config.codec_config, config.num_codebooks
    if header["m"] != config.codec_name:
        message = (
            f"codes of {header['m'][:200]!r}; the model knows those of {config.codec_name!r} alone: give it the sound"
        )
        raise AudioError("not_audio", message)
    if header["lm"]:
        message = "codes that a language model has compressed (`lm`) cannot be read: write the file without --lm"
        raise AudioError("not_audio", message)
    if books < needed:
        message = f"{books} codebooks; the model needs {needed} or more: compress at a higher bandwidth"
        raise AudioError("not_audio", message)
    if length < 1:
        raise AudioError("empty", "there is no sound in it (0 samples): at least one sample is needed")
    num_frames, packed = -(-length // codec.hop_length), memoryview(data)[codes_start:]
    missing = -(-num_frames * books * codec.codebook_nbits // 8) - len(packed)
    if missing > 0:
        message = f"it promises {missing} bytes more than it holds: the file is cut or damaged; fetch it again"
        raise AudioError("truncated", message)
    return EcdcFile(books, num_frames, codec.codebook_nbits, packed)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """What the header says, and where the codes begin."""
    if len(data) < HEAD.size:
        raise AudioError("truncated", f"it ends within its first {HEAD.size} bytes: the file is cut; fetch it again")
    _, version, size = HEAD.unpack_from(data)
    if version != VERSION:
        raise AudioError("not_audio", f"version {version} of the .ecdc format; version {VERSION} can be read")
    if len(data) < HEAD.size + size:
        raise AudioError("truncated", "it ends within its header: the file is cut; fetch it again")
    try:
        header = json.loads(data[HEAD.size : HEAD.size + size])
    except (ValueError, RecursionError) as error:  # neither JSON nor UTF-8, or nested beyond reading
        raise AudioError(
            "not_audio", f"its header is not JSON ({error}): the file is damaged; fetch it again"
        ) from error
    kinds = {"m": str, "al": int, "nc": int, "lm": bool}
    if not isinstance(header, dict) or not all(type(header.get(key)) is kind for key, kind in kinds.items()):
        got, allowed = repr(header)[:200], "m (text), al and nc (whole numbers) and lm (true or false)"
        raise AudioError("not_audio", f"its header is {got}; it must state {allowed}")
    if max(abs(header["al"]), abs(header["nc"])) >= 2**63:  # a number that is too long to be printed
        raise AudioError("not_audio", "its header states more than any file holds: the file is damaged; fetch it again")
    return header, HEAD.size + size
