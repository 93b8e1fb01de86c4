"""Reading back what a client uploaded with hf_xet, which takes a plain folder as its store ("local://FOLDER").

A store keeps chunks in blocks and says in shard files (.mdb) which of them make up a file. A shard is a row of records
of 48 bytes. The first is its header. Then each file has: its xet hash (32 bytes), flags and the number of its segments
(4 bytes each, little-endian); as many segments, each with its length at byte 36; as many again if the flags say that
the segments can be verified; and, if the flags say so, the SHA-256 of the content. A hash of ones ends the row.
"""

import hashlib
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hf_xet

RECORD = 48
VERIFIED, HASHED = 1 << 31, 1 << 30
END = b"\xff" * 32


def read_back(store: Path, sha256: str) -> bytes | None:
    """The bytes of the file with this SHA-256, or None if the store has none.

    The client may hold the store open, and only one process can: a copy is read.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy, out = Path(folder, "store"), Path(folder, "file")
        shutil.copytree(store, copy)
        found = {content: (xet_hash, size) for content, xet_hash, size in indexed(copy)}.get(sha256)
        if found is None:
            return None
        endpoint, expiry = f"local://{copy}", int(time.time()) + 3600
        session = hf_xet.XetSession()
        with session.new_file_download_group(endpoint=endpoint, token="-", token_expiry_unix_secs=expiry) as group:
            group.start_download_file(hf_xet.XetFileInfo(*found), str(out))
        data = out.read_bytes()
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def indexed(store: Path) -> Iterator[tuple[str, str, int]]:
    """SHA-256, xet hash and size in bytes of every file that the shards of a store name."""
    for shard in store.rglob("*.mdb"):
        data, start = shard.read_bytes(), RECORD
        while len(data) >= start + RECORD and data[start : start + 32] != END:
            flags, count = struct.unpack_from("<II", data, start + 32)
            segments = range(start + RECORD, start + RECORD * (1 + count), RECORD)
            end = start + RECORD * (1 + count * (2 if flags & VERIFIED else 1))
            if flags & HASHED:
                size = sum(struct.unpack_from("<I", data, segment + 36)[0] for segment in segments)
                yield spelled(data[end : end + 32]), spelled(data[start : start + 32]), size
                end += RECORD
            start = end


def spelled(digest: bytes) -> str:
    """A hash as xet writes it: four little-endian numbers of 64 bits."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))
