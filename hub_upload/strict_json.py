"""JSON that has one meaning: what Python's parser forgives and other parsers read otherwise is refused."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

LARGEST_TEXT = 2**25  # 32 MiB in bytes: beyond any config, index or list of tensors, far below what memory holds


def read_json(path: Path) -> Any:
    """The value in a UTF-8 file. Raises ValueError, whose text goes on from "<file> " (`holds the key 'a' twice`)."""
    if path.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"is over {LARGEST_TEXT >> 20} MiB, too large to be read as text")
    return parse_json(path.read_bytes())


def parse_json(data: bytes) -> Any:
    """As `read_json`, of bytes. Keys given twice, NaN, infinities and depths beyond reading are a ValueError."""
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_number, parse_float=_finite
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply to be read") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    block = dict(pairs)
    if len(block) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"holds the key {twice!r} twice, and parsers differ in which one counts")
    return block


def _refuse_number(literal: str) -> float:
    raise ValueError(f"holds {literal}, which is no JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    return number if math.isfinite(number) else _refuse_number(literal)
