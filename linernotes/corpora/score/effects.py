"""What happens to music between the instrument and the listener: tone controls, rooms, tape, noise and codecs.

A chain is drawn from a generator, describes itself as plain JSON, and does the same to the same samples every time. It
moves nothing in time: filters are of minimum phase, the room's direct sound stays where it was, and a codec's delay is
measured and taken out, so that the facts of a score hold after it as before. Conventions: samples are floating point,
`(samples,)` or `(samples, channels)`, full scale 1; levels in dB, frequencies in Hz.

Filters are scipy's. Libraries of audio effects were left out: those looked at draw from Python's and numpy's global
generators, or bring librosa along, or are under the GPL.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr
from scipy import signal

from linernotes.corpora.sounds import distort

CODECS = {"mp3": ("MP3", "MPEG_LAYER_III"), "vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS")}
CODEC_RATES = {
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
}
MAX_CODEC_DELAY = 4_096  # samples; MP3 without its own note of the delay is 1,105 late
COLOURS = ("white", "pink", "hum")
BAND_KINDS = ("peak", "low_shelf", "high_shelf")


class Effect(Protocol):
    """One member of a chain: a frozen dataclass of plain values."""

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Gain:
    db: float

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        return samples * _linear(self.db)


@dataclass(frozen=True)
class Band:
    """A tone control: `db` around `hz` (a peak `hz / q` wide) or on one side of it (a shelf)."""

    kind: str
    hz: float
    db: float
    q: float = 0.7

    def __post_init__(self) -> None:
        if self.kind not in BAND_KINDS:
            raise ValueError(f"unknown kind of band {self.kind!r}: choose from {', '.join(BAND_KINDS)}")

    def section(self, sampling_rate: int) -> np.ndarray:
        """Second-order section `(6,)`, after R. Bristow-Johnson's cookbook."""
        root, turn = 10.0 ** (self.db / 40.0), 2.0 * np.pi * min(self.hz / sampling_rate, 0.49)
        width, cosine = np.sin(turn) / (2.0 * self.q), np.cos(turn)
        if self.kind == "peak":
            b = [1.0 + width * root, -2.0 * cosine, 1.0 - width * root]
            a = [1.0 + width / root, -2.0 * cosine, 1.0 - width / root]
        else:
            side = 1.0 if self.kind == "low_shelf" else -1.0  # a high shelf is a low one seen from half the rate
            cosine, slope = side * cosine, 2.0 * np.sqrt(root) * width
            plus, minus = root + 1.0, root - 1.0
            b = [plus - minus * cosine + slope, 2.0 * side * (minus - plus * cosine), plus - minus * cosine - slope]
            b = [root * value for value in b]
            a = [plus + minus * cosine + slope, -2.0 * side * (minus + plus * cosine), plus + minus * cosine - slope]
        return np.array([*b, *a]) / a[0]


@dataclass(frozen=True)
class Equaliser:
    bands: tuple[Band, ...]

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        return signal.sosfilt([band.section(sampling_rate) for band in self.bands], samples, axis=0)


@dataclass(frozen=True)
class BandLimit:
    """A small loudspeaker: 12 dB an octave less below `low_hz`, 24 dB an octave less above `high_hz`."""

    low_hz: float
    high_hz: float

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        sections = [signal.butter(2, self.low_hz, "highpass", fs=sampling_rate, output="sos")]
        if self.high_hz < 0.49 * sampling_rate:
            sections.append(signal.butter(4, self.high_hz, fs=sampling_rate, output="sos"))
        return signal.sosfilt(np.concatenate(sections), samples, axis=0)


@dataclass(frozen=True)
class Reverb:
    """A room: noise that falls by 60 dB in `seconds`, dull above `damping_hz`, `wet_db` beside the direct sound."""

    seconds: float
    wet_db: float
    delay_seconds: float
    damping_hz: float
    seed: int

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        late, ring = round(self.delay_seconds * sampling_rate), max(round(self.seconds * sampling_rate), 1)
        noise = np.random.default_rng(self.seed).standard_normal(ring)
        damping = signal.butter(1, min(self.damping_hz, 0.49 * sampling_rate), fs=sampling_rate, output="sos")
        tail = signal.sosfilt(damping, noise * 10.0 ** (-3.0 * np.arange(ring) / ring))
        tail *= _linear(self.wet_db) / np.sqrt(np.sum(tail**2))
        room = np.concatenate([[1.0], np.zeros(late), tail])
        shape = (-1, *[1] * (samples.ndim - 1))
        return signal.oaconvolve(samples, room.reshape(shape), axes=0)[: len(samples)]


@dataclass(frozen=True)
class Saturation:
    """Tape or an amplifier turned up: tanh at `drive` times full scale, of the same level as before."""

    drive: float

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        peak = np.abs(samples).max()
        if not peak:
            return samples
        driven = distort(samples / peak, self.drive)
        return driven * (_rms(samples) / _rms(driven))


@dataclass(frozen=True)
class Noise:
    """Hiss ("white"), a duller hiss ("pink") or the mains ("hum"), `snr_db` under the root mean square of the music."""

    colour: str
    snr_db: float
    seed: int
    hum_hz: float = 50.0

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ValueError(f"unknown noise {self.colour!r}: choose from {', '.join(COLOURS)}")

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        noise = self._noise(samples.shape, sampling_rate)
        return samples + noise * (_rms(samples) * _linear(-self.snr_db) / max(_rms(noise), 1e-12))

    def _noise(self, shape: tuple[int, ...], sampling_rate: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        if self.colour == "hum":
            turns = 2.0 * np.pi * self.hum_hz * np.arange(shape[0]) / sampling_rate
            hum = sum(np.sin(k * turns + phase) / k for k, phase in enumerate(rng.uniform(0, 2 * np.pi, 6), start=1))
            return np.broadcast_to(hum.reshape(-1, *[1] * (len(shape) - 1)), shape)
        white = rng.standard_normal(shape)
        if self.colour == "white":
            return white
        fall = 1.0 / np.sqrt(np.maximum(np.arange(shape[0] // 2 + 1), 1.0))  # 3 dB an octave
        return np.fft.irfft((np.fft.rfft(white, axis=0).T * fall).T, shape[0], axis=0)


@dataclass(frozen=True)
class Codec:
    """To MP3, Ogg Vorbis or Opus and back, by libsndfile; `compression` as its own, from 0 (best) to 0.95.

    At 24 kHz mono, 0.3 to 0.7 is 113 to 56 kbit/s of MP3, 43 to 28 of Vorbis, 182 to 82 of Opus.
    """

    name: str
    compression: float

    def __post_init__(self) -> None:
        if self.name not in CODECS:
            raise ValueError(f"unknown codec {self.name!r}: choose from {', '.join(CODECS)}")
        if not 0.0 <= self.compression <= 0.95:
            raise ValueError(f"compression={self.compression}: choose from 0 (best) to 0.95")

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        rates = CODEC_RATES.get(self.name, (sampling_rate,))
        rate = sampling_rate if sampling_rate in rates else max(rates)
        loud = max(np.abs(samples).max(), 1.0)  # codecs clip what is beyond full scale
        coded = soxr.resample(samples / loud, sampling_rate, rate) if rate != sampling_rate else samples / loud
        delay = codec_delay(self.name, self.compression, rate, coded.shape[1] if coded.ndim == 2 else 1)
        decoded = _round_trip(self.name, self.compression, coded, rate)[delay:]
        if rate != sampling_rate:
            decoded = soxr.resample(decoded, rate, sampling_rate)
        missing = [(0, max(len(samples) - len(decoded), 0)), *[(0, 0)] * (samples.ndim - 1)]
        return np.pad(decoded[: len(samples)], missing) * loud


@lru_cache(maxsize=1024)
def codec_delay(name: str, compression: float, sampling_rate: int, channels: int = 1) -> int:
    """By how many samples the decoded sound is late, measured on two seconds of noise.

    Most streams say how late they are and are put right as they are read. MP3 at low bit rates has no room to say it.
    """
    noise = 0.2 * np.random.default_rng(0).standard_normal(2 * sampling_rate)
    decoded = _round_trip(name, compression, np.repeat(noise[:, None], channels, axis=1), sampling_rate)
    decoded = decoded if channels == 1 else decoded[:, 0]
    likeness = signal.correlate(decoded, noise, method="fft")[len(noise) - 1 :]  # of lags from 0 on
    return int(likeness[:MAX_CODEC_DELAY].argmax())


@dataclass(frozen=True)
class Chain:
    """Effects in the order of a recording's life."""

    effects: tuple[Effect, ...] = ()

    def apply(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        """Float32 of the same shape; turned down as a whole where it went beyond full scale, never clipped.

        Raises ValueError for samples that are not finite floating-point numbers, or a rate that is none.
        """
        if sampling_rate <= 0:
            raise ValueError(f"sampling_rate={sampling_rate}: give the rate in Hz, such as 24000")
        samples = np.asarray(samples)
        if samples.ndim not in (1, 2) or samples.dtype.kind != "f" or not np.isfinite(samples).all():
            raise ValueError(
                f"got {samples.dtype} of shape {samples.shape}: give finite floating-point samples, "
                "(samples,) or (samples, channels)"
            )
        if not samples.size:
            return samples.astype(np.float32)
        heard = samples.astype(np.float64)
        for effect in self.effects:
            heard = effect.apply(heard, sampling_rate)
        return (heard / max(np.abs(heard).max(), 1.0)).astype(np.float32)

    def describe(self) -> list[dict[str, Any]]:
        """Each effect's name and parameters, ready for JSON."""
        return [{"effect": type(effect).__name__, **asdict(effect)} for effect in self.effects]


def draw_chain(rng: np.random.Generator, strength: float = 0.5) -> Chain:
    """A random chain. strength: 0 (no effect at all) to 1; it scales how likely each effect is and how far it goes."""
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength={strength}: choose from 0 (nothing) to 1")
    return Chain(tuple(draw(rng, strength) for odds, draw in _DRAWS if rng.random() < odds * strength))


def _draw_equaliser(rng: np.random.Generator, strength: float) -> Equaliser:
    reach = 12.0 * strength
    shelves = (
        Band("low_shelf", rng.uniform(60.0, 300.0), rng.uniform(-reach, 0.7 * reach)),
        Band("high_shelf", rng.uniform(2_000.0, 8_000.0), rng.uniform(-reach, 0.7 * reach)),
    )
    peaks = (
        Band("peak", 100.0 * 80.0 ** rng.random(), rng.uniform(-reach, reach), rng.uniform(0.5, 2.0))
        for _ in range(rng.integers(1, 4))
    )
    return Equaliser((*shelves, *peaks))


def _draw_reverb(rng: np.random.Generator, strength: float) -> Reverb:
    return Reverb(
        seconds=rng.uniform(0.15, 0.3 + 2.2 * strength),
        wet_db=rng.uniform(-24.0, -16.0 + 12.0 * strength),
        delay_seconds=rng.uniform(0.002, 0.03),
        damping_hz=rng.uniform(1_500.0, 9_000.0),
        seed=int(rng.integers(2**32)),
    )


def _draw_noise(rng: np.random.Generator, strength: float) -> Noise:
    return Noise(
        colour=str(rng.choice(COLOURS)),
        snr_db=rng.uniform(55.0 - 35.0 * strength, 60.0),
        seed=int(rng.integers(2**32)),
        hum_hz=float(rng.choice([50.0, 60.0])),
    )


def _draw_band_limit(rng: np.random.Generator, strength: float) -> BandLimit:
    return BandLimit(
        low_hz=rng.uniform(20.0, 40.0 + 120.0 * strength), high_hz=rng.uniform(11_000.0 - 7_000.0 * strength, 12_000.0)
    )


def _draw_codec(rng: np.random.Generator, strength: float) -> Codec:
    steps = rng.integers(4, 6 + round(10.0 * strength))  # of 0.05, so that few delays have to be measured
    return Codec(str(rng.choice(list(CODECS))), round(0.05 * steps, 2))


# How likely each effect is in a chain of full strength.
_DRAWS: tuple[tuple[float, Callable[[np.random.Generator, float], Effect]], ...] = (
    (0.9, _draw_equaliser),
    (0.4, lambda rng, strength: Saturation(rng.uniform(0.3, 0.5 + 3.5 * strength))),
    (0.7, _draw_reverb),
    (0.6, _draw_noise),
    (0.4, _draw_band_limit),
    (1.0, lambda rng, strength: Gain(rng.uniform(-18.0 * strength, 3.0 * strength))),
    (0.6, _draw_codec),
)


def _round_trip(name: str, compression: float, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
    container, subtype = CODECS[name]
    stream = BytesIO()
    mode = {"bitrate_mode": "CONSTANT"} if name == "mp3" else {}
    soundfile.write(
        stream, samples, sampling_rate, format=container, subtype=subtype, compression_level=compression, **mode
    )
    stream.seek(0)
    return soundfile.read(stream)[0]


def _linear(db: float) -> float:
    return 10.0 ** (db / 20.0)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))
