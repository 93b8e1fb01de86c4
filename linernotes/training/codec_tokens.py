"""What a codec makes of rows of sound, kept on disk: encoding costs more than all that is learned from the codes.

A row of codes is kept under the codec's weights, the file that was listened to and what was done to its sound, so that
what has changed is encoded anew and nothing else. Codes are (codebooks, frames) of whole numbers.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import soundfile
import soxr
import torch
from datasets import Dataset, Features, List, Value
from transformers import EncodecConfig, EncodecModel

from linernotes.corpora.manifest import read_excerpt
from linernotes.corpora.score.effects import BandLimit, Chain, Codec, Gain, Noise, draw_chain
from linernotes.modeling.audio import read_audio
from linernotes.modeling.codec import CodecEncoder
from linernotes.modeling.level import SILENCE
from linernotes.training.rows import find_model

FORM = 1  # of what is kept: counted up where the same row would become other codes
COLUMNS = {"codes": List(Value("uint16")), "copy": Value("int32")}
LOWEST_HZ = 60.0  # what lies below goes where what lies above `highest_hz` does


@dataclass(frozen=True)
class Preparation:
    """What is done to the sound of every row alike, before the codec hears it.

    Args:
        seconds: heard of a row, from its middle.
        level_db: from where to where the root mean square is put, in dB of full scale; None leaves the level alone.
        highest_hz: everything above is taken away, of all classes alike; None leaves it.
        recode: whether each row goes to MP3, Vorbis or Opus and back, as drawn for it.
        noise_db, gain_db, shift_seconds: of the varied copies: white noise so far under the music at least; louder or
            softer, and later or earlier, by so much at most.
        effects: how far the varied copies go into other rooms, tones and codecs, as the corpora's own do; 0 to 1.
        semitones: how far they are played faster or slower, and so higher or lower, at most: an instrument of another
            size.
    """

    seconds: float = 10.0
    level_db: tuple[float, float] | None = None
    highest_hz: float | None = None
    recode: bool = False
    noise_db: float = 15.0
    gain_db: float = 6.0
    shift_seconds: float = 0.5
    effects: float = 0.5
    semitones: float = 2.0

    def __post_init__(self):
        if not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}; it must be above 0")
        levels = [level for level in self.level_db or () if isinstance(level, (int, float))]
        if self.level_db is not None and not (len(self.level_db) == len(levels) == 2 and levels[0] <= levels[1]):
            raise ValueError(f"level_db is {list(self.level_db)}; give two levels, the lower one first, or null")
        if self.highest_hz is not None and not self.highest_hz > LOWEST_HZ:
            raise ValueError(f"highest_hz is {self.highest_hz}; it must be above {LOWEST_HZ:g} Hz, or null")

    def sound(self, row: dict[str, Any], sampling_rate: int) -> np.ndarray:
        """(samples,) float32; `copy` 0 of a row is plain, the others are varied, each in its own way."""
        rng = np.random.default_rng(list(sha256(f"{row['clip']}\n{row['copy']}".encode()).digest()[:16]))
        samples = read_row(row, sampling_rate)
        length = round(self.seconds * sampling_rate)
        start = max(len(samples) - length, 0) // 2
        if row["copy"]:
            start += round(rng.uniform(-self.shift_seconds, self.shift_seconds) * sampling_rate)
            start = int(np.clip(start, 0, max(len(samples) - length, 0)))
        samples = samples[start : start + length]
        if row["copy"]:
            speed = 2.0 ** (rng.uniform(-self.semitones, self.semitones) / 12.0)
            samples = soxr.resample(samples, round(speed * sampling_rate), sampling_rate)
        loudness = float(np.sqrt(np.mean(samples**2)))
        if self.level_db is not None and loudness > SILENCE:
            samples = samples * (10 ** (rng.uniform(*self.level_db) / 20) / loudness)
        return Chain(tuple(self._effects(row, rng))).apply(samples, sampling_rate)

    def _effects(self, row: dict[str, Any], rng: np.random.Generator) -> list[Any]:
        effects: list[Any] = []
        if row["copy"]:
            noise = Noise("white", rng.uniform(self.noise_db, 60.0), int(rng.integers(2**32)))
            chain = draw_chain(rng, self.effects).effects
            effects += [*chain, Gain(rng.uniform(-self.gain_db, self.gain_db)), noise]
        if self.highest_hz is not None:
            effects.append(BandLimit(low_hz=LOWEST_HZ, high_hz=self.highest_hz))
        if self.recode:
            effects.append(Codec(str(rng.choice(["mp3", "vorbis", "opus"])), round(0.05 * rng.integers(4, 15), 2)))
        return effects


def read_row(row: dict[str, Any], sampling_rate: int) -> np.ndarray:
    """The sound of a row, mono float32 (samples,): its excerpt, all channels mixed or one of them, and what is over it.

    `over` is laid over its middle, so much louder than the row itself (root mean squares) as its `level_db` says.
    """
    start = row["start_seconds"] or 0.0
    if row.get("channel") is None:
        sound = read_excerpt(row["audio"], start, row["end_seconds"], sampling_rate)
    else:
        sound = _read_channel(row["audio"]["path"], row["channel"], sampling_rate, start, row["end_seconds"])
    over = row.get("over")
    if not over or over["path"] is None:
        return sound
    voice = _read_channel(over["path"], over["channel"], sampling_rate)
    length = min(len(voice), len(sound))
    voice = voice[(len(voice) - length) // 2 :][:length]
    levels = [float(np.sqrt(np.mean(part**2))) for part in (sound, voice)]
    mixed, start = sound.copy(), (len(sound) - length) // 2
    if min(levels) > SILENCE:
        mixed[start : start + length] += voice * (levels[0] / levels[1] * 10 ** (over["level_db"] / 20))
    return mixed


def _read_channel(
    path: str, channel: int, sampling_rate: int, start_seconds: float = 0.0, end_seconds: float | None = None
) -> np.ndarray:
    whole, rate = soundfile.read(path, dtype="float32", always_2d=True)
    stop = None if end_seconds is None else round(end_seconds * rate)
    part = whole[round(start_seconds * rate) : stop, channel]
    return read_audio(part, sampling_rate, source_sampling_rate=rate)


def codec_folder(name: str) -> str:
    """Where a codec lies: a bundled name's folder, or the folder or Hub id that is given.

    Raises FileNotFoundError where it is none of these.
    """
    remedy = "allowed besides is a Hub id, such as facebook/encodec_24khz"
    return find_model(name, "the codec", "codec", remedy)


def codec_config(name: str) -> EncodecConfig:
    return EncodecConfig.from_pretrained(codec_folder(name))


@lru_cache(maxsize=1)
def load_codec(folder: str, bandwidth_kbps: float) -> CodecEncoder:
    whole = EncodecModel.from_pretrained(folder, dtype=torch.float32)
    config = deepcopy(whole.config)
    config.target_bandwidths = [bandwidth_kbps]
    encoder = CodecEncoder(config).eval()
    encoder.take_over(whole)
    return encoder


def with_codes(
    rows: Dataset,
    codec: str,
    preparation: Preparation,
    *,
    bandwidth_kbps: float,
    copies: int = 0,
    processes: int = 1,
    kept_in: Path | None = None,
) -> Dataset:
    """Adds `codes` (books one after the other) and `copy`; the rows come 1 + `copies` times, one copy after the other.

    Args:
        codec: as `codec_folder` takes it.
        bandwidth_kbps: of the codes; fewer books are the first of these.
        processes: that encode side by side.
        kept_in: where what was encoded is kept; a folder beside what `datasets` keeps by default.
    """
    folder = codec_folder(codec)
    weights = weights_digest(load_codec(folder, bandwidth_kbps))
    place = Path(kept_in or Path(datasets.config.HF_DATASETS_CACHE) / "linernotes")
    place.mkdir(parents=True, exist_ok=True)
    parts = []
    for copy in range(1 + copies):
        asked = rows.add_column("copy", np.full(len(rows), copy, np.int32))
        told_by = digest([weights, asdict(preparation), [row_identity(row) for row in asked]])
        heard = asked.map(
            _encoded,
            fn_kwargs={"folder": folder, "bandwidth_kbps": bandwidth_kbps, "preparation": preparation},
            features=Features({**rows.features, **COLUMNS}),
            num_proc=min(processes, len(rows)) if processes > 1 else None,
            cache_file_name=str(place / f"codes-{told_by}.arrow"),
            new_fingerprint=told_by,
        )
        parts.append(heard)
    return datasets.concatenate_datasets(parts)


def _encoded(row: dict[str, Any], folder: str, bandwidth_kbps: float, preparation: Preparation) -> dict[str, Any]:
    encoder = load_codec(folder, bandwidth_kbps)
    sound = preparation.sound(row, encoder.config.sampling_rate)
    codes, _ = encoder.tokens(torch.from_numpy(sound)[None])
    return {"codes": codes[0].flatten().numpy().astype(np.uint16)}


def row_identity(row: dict[str, Any]) -> list[Any]:
    """What tells a row's sound from any other, without listening to it."""
    path = row["audio"]["path"] and str(Path(row["audio"]["path"]).resolve())
    known = Path(path).stat().st_size if path and Path(path).is_file() else sha256(row["audio"]["bytes"]).hexdigest()
    told = [path, known, row["start_seconds"], row["end_seconds"], row.get("channel"), row["clip"], row["copy"]]
    over = row.get("over") or {}
    return told if over.get("path") is None else [*told, sorted(over.items())]


def weights_digest(encoder: CodecEncoder) -> str:
    """Of every weight's name and numbers: the same for the same codec, wherever it lies."""
    told = sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        told.update(name.encode() + weight.contiguous().numpy().tobytes())
    return told.hexdigest()


def digest(facts: Any) -> str:
    return sha256(json.dumps([FORM, facts], sort_keys=True).encode()).hexdigest()[:16]


def decoded(rows: Dataset, num_codebooks: int, all_codebooks: int) -> list[np.ndarray]:
    """The first books of each row, (num_codebooks, frames) int64: all at once, since Arrow lists are slow to read."""
    columns = rows.with_format("numpy")["codes"]
    return [np.asarray(flat).reshape(all_codebooks, -1)[:num_codebooks].astype(np.int64) for flat in columns]


def code_shares(codes: Sequence[np.ndarray], codebook_size: int) -> np.ndarray:
    """How often each entry of each codebook occurs in a recording, (recordings, codebooks * codebook_size)."""
    shares = np.zeros((len(codes), len(codes[0]) * codebook_size), np.float32)
    for row, heard in zip(shares, codes, strict=True):
        entries = heard + codebook_size * np.arange(len(heard))[:, None]
        np.add.at(row, entries.ravel(), 1.0 / heard.shape[1])
    return shares
