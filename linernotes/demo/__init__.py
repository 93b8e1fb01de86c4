"""The web page: drop or record a song, and see its report grow. It needs the extra `demo` (gradio), but for what stands
here, which the command line knows without it."""

from typing import NamedTuple


class Limits(NamedTuple):
    """What a visitor may bring."""

    max_seconds: float = 900.0
    max_megabytes: float = 50.0
