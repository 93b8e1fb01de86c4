"""What a sound file promises about its own length, which decoders believe, or quietly lower to what is there.

Asked of a seekable binary stream (its position is not kept): does the file hold all the bytes that it promises? Is it
more than one recording in a row? And, where it promises nothing, which head in front of the same sound lets libsndfile
read to the very end?

Sources: RIFF and RF64 (EBU Tech 3306), Wave64, AIFF 1.3, AU, ASF, Ogg pages (RFC 3533), the MPEG audio header
(ISO 11172-3 and 13818-3) and the Xing header, which MP3 encoders hide in a first, silent frame.
"""

import os
import struct
from typing import BinaryIO

MAX_CHUNKS = 1_000  # before the sound; a chain of empty chunks could be as long as the file
MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
SLOPPY_BYTES = 64  # some writers count their own header as sound
ENDLESS_FRAMES = 0x7FFFFFFF


def missing_bytes(stream: BinaryIO) -> int:
    """How many bytes the file lacks of those that its header, or the last page of an Ogg, promises; 0 if none."""
    size = stream.seek(0, os.SEEK_END)
    head = _head(stream, 4096)
    if head.startswith(b"OggS"):
        return max(0, _last_ogg_page(stream, size)[1] - size)
    properties = head.find(ASF_FILE_PROPERTIES)
    if head.startswith(b"riff"):  # Wave64
        start, length = 0, int.from_bytes(head[16:24], "little")
    elif head.startswith(b".snd") and len(head) >= 12:
        start, length = struct.unpack(">II", head[4:12])
    elif properties > 0:
        start, length = 0, int.from_bytes(head[properties + 40 : properties + 48], "little")
    else:
        start, length = _sound_chunk(stream)
    missing = 0 if _is_unknown(length) else start + length - size
    return missing if missing > SLOPPY_BYTES else 0


def is_chained_ogg(stream: BinaryIO) -> bool:
    """Whether an Ogg ends in another stream than it began with, as taped radio does; libsndfile reads the first."""
    size = stream.seek(0, os.SEEK_END)
    head = _head(stream, 18)
    return head.startswith(b"OggS") and _last_ogg_page(stream, size)[0] != head[14:18]


def head_stating_length(stream: BinaryIO, container: str) -> tuple[bytes, int] | None:
    """A head that states a length, and where in the stream the sound goes on behind it; None if none is needed.

    Without a Xing header libsndfile guesses the length of an MP3 from its first frame, and reads no further: less than
    half of a file at a variable bit rate. A WAV that was never closed says 0, and 0 samples are read.
    """
    if container == "MP3":
        return _endless_xing_frame(stream)
    start, length = _sound_chunk(stream)
    size = stream.seek(0, os.SEEK_END)
    riff_size = int.from_bytes(_head(stream, 8)[4:], "little")
    if length or not start or riff_size + 8 == size:  # a whole file with no sound in it keeps its 0
        return None
    return _head(stream, start - 4) + b"\xff\xff\xff\xff", start


def _head(stream: BinaryIO, length: int) -> bytes:
    stream.seek(0)
    return stream.read(length)


def _is_unknown(length: int) -> bool:
    """Whether a chunk length is one that programs write when they cannot seek back: 0, or just below 2 or 4 GiB."""
    return length == 0 or 0x7FFFF000 <= length <= 0x7FFFFFFF or 0xFFFFF000 <= length <= 0xFFFFFFFF


def _sound_chunk(stream: BinaryIO) -> tuple[int, int]:
    """(start, length) in bytes of the sound of a RIFF, RF64 or AIFF stream, as its header has it; (0, 0) if none."""
    order = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">", b"FORM": ">"}.get(_head(stream, 12)[:4])
    long_length = 0
    for _ in range(MAX_CHUNKS if order else 0):
        header = stream.read(8)
        if len(header) < 8:
            break
        name, length = struct.unpack(f"{order}4sI", header)
        start = stream.tell()
        if name in (b"data", b"SSND"):
            return start, long_length or length
        if name == b"ds64":  # the 64-bit lengths of RF64: of the file, of the sound
            long_length = int.from_bytes(stream.read(16)[8:], "little")
        stream.seek(start + length + length % 2)
    return 0, 0


def _last_ogg_page(stream: BinaryIO, size: int) -> tuple[bytes, int]:
    """The serial number of the last page's stream, and where in the file the page says that it ends."""
    stream.seek(max(0, size - MAX_OGG_PAGE_BYTES))
    tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    segments = page[26] if len(page) > 26 else 1  # a page cut in its header lacks at least its segment table
    return page[14:18], size - len(page) + 27 + segments + sum(page[27 : 27 + segments])


def _endless_xing_frame(stream: BinaryIO) -> tuple[bytes, int] | None:
    """A silent MP3 frame like the stream's first, whose Xing header promises ten weeks and more, if it has none."""
    start = _id3_length(_head(stream, 10))
    stream.seek(start)
    frame = stream.read(64)
    is_layer_3 = len(frame) == 64 and frame[0] == 0xFF and frame[1] & 0xE6 == 0xE2
    if not is_layer_3 or _states_length(frame, stream.seek(0, os.SEEK_END) - start):
        return None
    is_mpeg1, is_mono = frame[1] & 0x08, frame[3] >> 6 == 3
    rate_hz = (44_100, 48_000, 32_000, 0)[frame[2] >> 2 & 3] // {0x18: 1, 0x10: 2, 0x00: 4}.get(frame[1] & 0x18, 1)
    if not rate_hz:
        return None
    side_info = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)
    header = bytes([0xFF, frame[1] | 1, 0x90 | frame[2] & 0x0C, frame[3]])  # no checksum; 128 kbit/s, or 80 for MPEG-2
    length = (144 * 128_000 if is_mpeg1 else 72 * 80_000) // rate_hz
    xing = b"Xing" + struct.pack(">II", 1, ENDLESS_FRAMES)
    return (header + bytes(side_info) + xing).ljust(length, b"\0"), start


def _id3_length(head: bytes) -> int:
    """Length in bytes of the ID3v2 tag in front of the sound: four bytes of seven bits, and perhaps a footer."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    length = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 10 + length + (10 if head[5] & 0x10 else 0)


def _states_length(frame: bytes, available: int) -> bool:
    """Whether an MP3's first frame has a Xing (or Info) header with the number of frames, and means the whole file."""
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or not frame[at + 7] & 1 or frame[at + 8 : at + 12] == bytes(4):
        return False
    stated = int.from_bytes(frame[at + 12 : at + 16], "big") if frame[at + 7] & 2 else available
    return available < 1.5 * stated  # beyond that, other recordings were appended to the one that it counts
