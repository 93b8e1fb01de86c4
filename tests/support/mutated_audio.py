"""Damaged sound files without end, and a process with limits that reads them: what neither may do is take us along.

Each file follows from a seed. The child is kept for many files; where it dies, or takes too long, another is begun.
"""

import math
import os
import resource
import select
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from hostile_audio import numbers
from numpy.random import Generator, default_rng

SUPPORT = Path(__file__).parent
FORMATS = {
    "WAV": (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("WAV", "IMA_ADPCM")),
    "FLAC": (("FLAC", "PCM_16"), ("FLAC", "PCM_24")),
    "OGG": (("OGG", "VORBIS"), ("OGG", "OPUS")),
    "MP3": (("MP3", "MPEG_LAYER_III"),),
}
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # where counters turn over
HEADER_BYTES = 200
SECONDS, MEMORY_BYTES = 10.0, 2**30  # that one file may take, and what reading may add to what is loaded
HANG, DEATH, CRASH = "hang", "death", "crash"


@cache
def originals(name: str) -> list[bytes]:
    """Whole files of a format: one or two channels, two rates, half a second and a second and a half."""
    files = []
    for container, subtype in FORMATS[name]:
        for rate, seconds, channels in ((48_000, 0.5, 1), (16_000, 1.5, 2)):
            times = np.arange(round(rate * seconds)) / rate
            noise = default_rng(0).normal(scale=0.01, size=(times.size, channels))
            samples = 0.4 * np.sin(2 * np.pi * 330 * times)[:, None] * np.exp(-3 * (times % 0.5))[:, None] + noise
            file = BytesIO()
            soundfile.write(file, samples, rate, format=container, subtype=subtype)
            files.append(file.getvalue())
    return files


def mutated(name: str, seed: int) -> bytes:
    """One damaged file of a format."""
    rng = default_rng((list(FORMATS).index(name), seed))
    content = originals(name)[rng.integers(len(originals(name)))]
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        content = MUTATIONS[rng.integers(len(MUTATIONS))](rng, content)
    return content


def _place(rng: Generator, content: bytes) -> int:
    """Half of all damage is done to the header, which most can be made of."""
    length = len(content) if rng.random() < 0.5 else min(len(content), HEADER_BYTES)
    return int(rng.integers(max(length, 1)))


def _flip(rng: Generator, content: bytes) -> bytes:
    place = _place(rng, content)
    return (
        content[:place]
        + bytes(byte ^ 1 << rng.integers(8) for byte in content[place : place + 1])
        + content[place + 1 :]
    )


def _noise(rng: Generator, content: bytes) -> bytes:
    place, length = _place(rng, content), int(rng.integers(1, 65))
    return content[:place] + rng.bytes(length) + content[place + length :]


def _number(rng: Generator, content: bytes) -> bytes:
    place, form = _place(rng, content), str(rng.choice(["<I", ">I", "<H", ">H", "B"]))
    value = NUMBERS[rng.integers(len(NUMBERS))] % 2 ** (8 * struct.calcsize(form))
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form) :]


def _cut_out(rng: Generator, content: bytes) -> bytes:
    place = _place(rng, content)
    return content[:place] + content[place + int(rng.integers(1, 2_000)) :]


def _repeat(rng: Generator, content: bytes) -> bytes:
    place, length = _place(rng, content), int(rng.integers(1, 2_000))
    return (
        content[: place + length]
        + content[place : place + length] * int(rng.integers(1, 8))
        + content[place + length :]
    )


def _cut_off(rng: Generator, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _graft(rng: Generator, content: bytes) -> bytes:
    """The beginning of one file, the end of another."""
    others = originals(str(rng.choice(list(FORMATS))))
    return content[: _place(rng, content)] + others[rng.integers(len(others))][_place(rng, content) :]


MUTATIONS = (_flip, _flip, _noise, _number, _number, _cut_out, _repeat, _cut_off, _graft)


# The child


def serve(listener: Callable[[bytes], Any], memory_bytes: int = MEMORY_BYTES) -> None:
    """Hears files from standard input, each behind its length, and says of each in a line what came of it."""
    from linernotes.modeling.audio import AudioError

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (loaded + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers.write("ready\n")
    while head := sys.stdin.buffer.read(4):
        content = sys.stdin.buffer.read(struct.unpack(">I", head)[0])
        try:
            outcome = "answer" if listener(content) else "not_finite"
        except AudioError as error:
            outcome = f"refused {error.code}"
        except Exception as error:  # whatever it is: these are what is counted
            outcome = f"{CRASH} {type(error).__name__}"
        answers.write(f"{outcome}\n")


def reading(content: bytes) -> bool:
    """Whether all that is read of a file is finite."""
    from linernotes.modeling.audio import stream_audio

    return all(np.isfinite(block).all() for block in stream_audio(content, 22_050))


def predicting() -> Callable[[bytes], bool]:
    """A listener that asks the smallest published model, and tells whether all that it says is finite."""
    import linernotes

    model = linernotes.load("genre-moe")
    return lambda content: all(map(math.isfinite, numbers(model.predict(content, timeline=True))))


class Child:
    """A process that hears files. `listener`: a line of Python that imports a function of that name."""

    def __init__(self, listener: str, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES):
        self.code = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); {listener}; from mutated_audio import serve"
        self.code += f"; serve(listener, {memory_bytes})"
        self.seconds, self.process, self.starts = seconds, None, 0

    def hear(self, content: bytes) -> str:
        """What came of a file; a process that did not survive it is replaced before the next."""
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(struct.pack(">I", len(content)) + content)
            self.process.stdin.flush()
            answer = self._line(self.seconds)
        except BrokenPipeError:
            answer = ""
        if answer:
            return answer
        outcome = HANG if answer is None else DEATH
        status = self.stop()
        return outcome if outcome == HANG else f"{DEATH} {signal.Signals(-status).name if status < 0 else status}"

    def _start(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-W", "ignore", "-c", self.code]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)
        self.starts += 1
        if self._line(300.0) != "ready":
            raise RuntimeError(f"the process that hears cannot begin: {self.code}")

    def _line(self, seconds: float) -> str | None:
        """The next line; "" where the process has ended, None where none came in time."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return None
        return self.process.stdout.readline().decode().strip()

    def stop(self) -> int:
        """Ends the process; answers how it ended."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None and process.stdin.close() is None:
            select.select([process.stdout], [], [], 0.2)
        process.kill()
        process.stdout.close()
        return process.wait()


def heard(child: Child, name: str, seeds: range) -> Counter:
    """Outcomes of damaged files of a format."""
    try:
        return Counter(child.hear(mutated(name, seed)) for seed in seeds)
    finally:
        child.stop()


def failures(outcomes: Counter) -> Iterator[str]:
    """Outcomes that should not be: all but an answer and a refusal."""
    return (outcome for outcome in outcomes if outcome != "answer" and not outcome.startswith("refused "))
