"""`.ecdc` files as the `encodec` tool writes them, with no language model; the models only read them."""

import json
from typing import BinaryIO

import numpy as np

from linernotes.modeling.ecdc import HEAD, MAGIC, VERSION

BITS = 10  # of an entry, whatever the codec: codebooks have 1,024


def write_ecdc(file: BinaryIO, codes: np.ndarray, *, codec_name: str, num_samples: int) -> None:
    """Writes the codes (codebooks, frames) of `num_samples` samples."""
    header = json.dumps({"m": codec_name, "al": num_samples, "nc": len(codes), "lm": False}).encode()
    file.write(HEAD.pack(MAGIC, VERSION, len(header)) + header)
    values = np.asarray(codes).T.reshape(-1, 1)
    file.write(np.packbits((values >> np.arange(BITS)) & 1, bitorder="little").tobytes())
