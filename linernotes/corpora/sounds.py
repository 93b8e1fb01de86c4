"""Synthesis in numpy: pitched tones, drum strokes and the effects of a mixing desk.

A tone is one cycle of a waveform, summed from its partials and read at the speed of the note, so that forty partials
cost no more than four. Two cycles, one bright and one dull, are crossfaded while the note sounds: strings and hammers
lose their high partials first. Conventions: signals are mono float32 `(samples,)`; pitches are MIDI numbers
(69 = A at 440 Hz, fractions allowed); times are seconds, frequencies Hz, gains are linear unless named `_db`.
"""

from dataclasses import dataclass, field
from math import inf

import numpy as np

CABINET_TAPS = 15  # of the low-pass
TABLE_SAMPLES = 4096  # nearest-sample reading of so long a cycle leaves its error over 60 dB under the fundamental


def midi_to_hz(pitch: float) -> float:
    """Frequency of a MIDI pitch in equal temperament, A4 = 440 Hz."""
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def falling_partials(count: int, slope: float, even: float = 1.0) -> tuple[float, ...]:
    """Amplitudes k**-slope of partials 1..count; `even` scales the even ones (0 leaves a clarinet or a square)."""
    return tuple(k**-slope * (even if k % 2 == 0 else 1.0) for k in range(1, count + 1))


@dataclass(frozen=True)
class Tone:
    """A pitched sound.

    partials: amplitudes of harmonics 1, 2, 3 ... at full brightness.
    dullness: once the note has gone dull, partial k has fallen by k**-dullness; `dull_seconds` is the time constant.
    decay_seconds: time constant of the whole note (`inf`: it is held, as by a bow).
    vibrato_hz, vibrato_cents: rate and half-width of the vibrato, which sets in after `vibrato_delay_seconds`.
    detune_cents: a second, detuned voice (chorus, a section of strings); 0 for a single one.
    breath: level of the noise in the attack (bow, reed, hammer), relative to the tone.
    """

    partials: tuple[float, ...]
    attack_seconds: float = 0.005
    decay_seconds: float = inf
    release_seconds: float = 0.06
    dullness: float = 0.0
    dull_seconds: float = 0.3
    vibrato_hz: float = 0.0
    vibrato_cents: float = 0.0
    vibrato_delay_seconds: float = 0.15
    detune_cents: float = 0.0
    breath: float = 0.0
    bend_seconds: float = 0.12
    cycles: dict = field(default_factory=dict, repr=False, compare=False, hash=False)

    def play(
        self,
        pitch: float,
        duration_seconds: float,
        sampling_rate: int,
        rng: np.random.Generator,
        bend_semitones: float = 0.0,
    ) -> np.ndarray:
        """One note `(samples,)`, release included, peak near 1. `bend_semitones` below pitch at first, then bent up."""
        samples = max(int((duration_seconds + self.release_seconds) * sampling_rate), 2)
        time = np.arange(samples, dtype=np.float32) / sampling_rate
        bright, dull = self._cycles(midi_to_hz(pitch), sampling_rate)
        wave = np.zeros(samples, np.float32)
        for cents in (-self.detune_cents, self.detune_cents) if self.detune_cents else (0.0,):
            turns = self._turns(time, midi_to_hz(pitch + cents / 100.0), bend_semitones, sampling_rate)
            index = (turns * TABLE_SAMPLES + rng.uniform(0.0, TABLE_SAMPLES)).astype(np.int64)
            index &= TABLE_SAMPLES - 1
            wave += dull[index]
            if self.dullness:
                wave += (bright - dull)[index] * np.exp(-time / np.float32(self.dull_seconds))
        if self.breath:
            gust = np.linspace(self.breath, 0.0, min(samples, sampling_rate // 20), dtype=np.float32)
            wave[: gust.size] += gust * rng.standard_normal(gust.size, dtype=np.float32)
        return self._shape(wave, time, sampling_rate) * np.float32(0.5 if self.detune_cents else 1.0)

    def _cycles(self, frequency_hz: float, sampling_rate: int) -> tuple[np.ndarray, np.ndarray]:
        # Partials stop a quarter-tone short of half the sampling rate: vibrato and bends must not fold over.
        audible = min(len(self.partials), max(int(0.485 * sampling_rate / frequency_hz), 1))
        if audible not in self.cycles:
            amplitudes = np.asarray(self.partials[:audible])
            fallen = amplitudes * np.arange(1, audible + 1) ** -self.dullness
            bright, dull = one_cycle(amplitudes), one_cycle(fallen)
            self.cycles[audible] = tuple(cycle / np.abs(bright).max() for cycle in (bright, dull))
        return self.cycles[audible]

    def _turns(self, time: np.ndarray, frequency_hz: float, bend_semitones: float, sampling_rate: int) -> np.ndarray:
        if not bend_semitones and not self.vibrato_cents:
            return np.arange(time.size) * (frequency_hz / sampling_rate)
        semitones = -bend_semitones * np.clip(1.0 - time / self.bend_seconds, 0.0, 1.0)
        onset = np.clip(time / self.vibrato_delay_seconds - 1.0, 0.0, 1.0)
        semitones += self.vibrato_cents / 100.0 * onset * np.sin(2.0 * np.pi * self.vibrato_hz * time)
        return np.cumsum(frequency_hz / sampling_rate * np.exp2(semitones / 12.0), dtype=np.float64)

    def _shape(self, wave: np.ndarray, time: np.ndarray, sampling_rate: int) -> np.ndarray:
        attack = min(max(int(self.attack_seconds * sampling_rate), 1), wave.size)
        release = min(max(int(self.release_seconds * sampling_rate), 1), wave.size)
        wave[:attack] *= time[:attack] / self.attack_seconds
        wave[wave.size - release :] *= 1.0 - time[:release] / self.release_seconds
        return wave if self.decay_seconds == inf else wave * np.exp(-time / np.float32(self.decay_seconds))


@dataclass(frozen=True)
class Drum:
    """A stroke: a skin, whose pitch drops from `hit_hz` to `skin_hz`, and filtered noise (snares, metal).

    `bursts` repeats the noise 11 ms apart (hands that do not clap at once); `metal` adds inharmonic partials.
    """

    decay_seconds: float
    skin_hz: float = 0.0
    hit_hz: float = 0.0
    noise: float = 0.0
    noise_decay_seconds: float = 0.1
    noise_hz: tuple[float, float] = (200.0, 20_000.0)
    bursts: int = 1
    metal: float = 0.0

    def stroke(self, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
        """The stroke `(samples,)`, peak 1, about five time constants long."""
        samples = int(5.0 * max(self.decay_seconds, self.noise_decay_seconds) * sampling_rate)
        samples = -(-samples // 512) * 512  # a prime length would make the Fourier transform of the noise slow
        time = np.arange(samples) / sampling_rate
        wave = np.zeros(samples)
        if self.skin_hz:
            frequency_hz = self.skin_hz + (self.hit_hz - self.skin_hz) * np.exp(-time / 0.018)
            phase = np.cumsum(frequency_hz) / sampling_rate
            wave += np.sin(2.0 * np.pi * phase) * np.exp(-time / self.decay_seconds)
        if self.noise:
            noise = band_noise(samples, self.noise_hz, sampling_rate, rng) * np.exp(-time / self.noise_decay_seconds)
            for burst in range(self.bursts):
                late = int(0.011 * burst * sampling_rate)
                wave[late:] += self.noise * noise[: samples - late]
        if self.metal:
            ratios = np.array([1.0, 1.34, 1.83, 2.42, 2.91, 3.57])  # no two in a simple ratio, as in a cymbal
            partials = np.sin(np.outer(2.0 * np.pi * 0.45 * self.noise_hz[0] * ratios, time).astype(np.float32)).sum(0)
            wave += self.metal * partials * np.exp(-time / self.decay_seconds)
        return (wave / np.abs(wave).max()).astype(np.float32)


def one_cycle(amplitudes: np.ndarray) -> np.ndarray:
    """One cycle `(TABLE_SAMPLES,)` float32 of sines with these amplitudes, all at phase 0."""
    spectrum = np.zeros(TABLE_SAMPLES // 2 + 1, complex)
    spectrum[1 : len(amplitudes) + 1] = -0.5j * TABLE_SAMPLES * amplitudes
    return np.fft.irfft(spectrum).astype(np.float32)


def band_noise(samples: int, band_hz: tuple[float, float], sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise `(samples,)` between two frequencies, 12 dB an octave less outside them, root mean square 1."""
    frequencies_hz = np.fft.rfftfreq(samples, 1.0 / sampling_rate)
    above = 1.0 + (band_hz[0] / np.maximum(frequencies_hz, 1.0)) ** 4
    below = 1.0 + (frequencies_hz / band_hz[1]) ** 4
    spectrum = rng.standard_normal((frequencies_hz.size, 2)) @ [1.0, 1.0j] / np.sqrt(above * below)
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(noise**2))


def distort(signal: np.ndarray, drive: float) -> np.ndarray:
    """Clip softly by tanh: an odd function, so a single tone gains odd harmonics and no even ones."""
    return np.tanh(drive * signal) / np.float32(np.tanh(drive))


def low_pass(signal: np.ndarray, cutoff_hz: float, sampling_rate: int) -> np.ndarray:
    """Windowed-sinc low-pass of linear phase (the speaker cabinet behind a distorted guitar)."""
    if cutoff_hz >= 0.5 * sampling_rate:
        return signal
    time = np.arange(CABINET_TAPS // 2 + 1)
    kernel = np.sinc(2.0 * cutoff_hz / sampling_rate * time) * np.cos(0.5 * np.pi * time / (CABINET_TAPS // 2 + 1)) ** 2
    kernel = (kernel / (kernel[0] + 2.0 * kernel[1:].sum())).astype(np.float32)
    filtered = kernel[0] * signal
    for late, weight in enumerate(kernel[1:], start=1):  # a loop over taps: far faster than np.convolve on long signals
        filtered[late:] += weight * signal[:-late]
        filtered[:-late] += weight * signal[late:]
    return filtered


def compress(signal: np.ndarray, threshold_db: float, ratio: float, sampling_rate: int) -> np.ndarray:
    """Turn down what is louder than `threshold_db` (dB under the loudest 50 ms) by `ratio`, frame by frame."""
    frame = max(int(0.01 * sampling_rate), 1)
    frames = -(-signal.size // frame)
    power = np.square(np.pad(signal, (0, frames * frame - signal.size))).reshape(frames, frame).mean(1)
    power = np.convolve(np.pad(power, 2, mode="edge"), np.full(5, 0.2), mode="valid")  # 50 ms: hears the beat, no wave
    level_db = 10.0 * np.log10(power / max(power.max(), 1e-12) + 1e-12)
    gain_db = np.minimum((threshold_db - level_db) * (1.0 - 1.0 / ratio), 0.0)
    centres = (np.arange(frames) + 0.5) * frame
    gain = np.interp(np.arange(signal.size), centres, 10.0 ** (gain_db / 20.0))
    return signal * gain.astype(np.float32)


def duck(signal: np.ndarray, at_seconds: list[float], depth: float, sampling_rate: int) -> np.ndarray:
    """Push the signal down by `depth` (0..1) at every kick and let it swell back within 0.25 s."""
    swell = np.linspace(1.0 - depth, 1.0, int(0.25 * sampling_rate), dtype=np.float32)
    gain = np.ones_like(signal)
    for kick_seconds in at_seconds:
        room = gain[int(kick_seconds * sampling_rate) :][: swell.size]
        np.minimum(room, swell[: room.size], out=room)
    return signal * gain


def reverberate(signal: np.ndarray, room_seconds: float, wet: float, sampling_rate: int, rng) -> np.ndarray:
    """Add a room: early reflections, each of which is echoed again, 60 dB down after `room_seconds`."""
    early = _echoes(signal, rng.uniform(0.005, 0.045, 12), room_seconds, sampling_rate, rng)
    late = _echoes(early, rng.uniform(0.02, 0.6 * room_seconds, 20), room_seconds, sampling_rate, rng)
    dark = 0.5 * late + 0.25 * (np.roll(late, 1) + np.roll(late, -1))  # walls swallow the top octave
    level = np.sqrt(np.mean(np.square(signal)) / max(np.mean(np.square(dark)), 1e-12))
    return signal + np.float32(wet * level) * dark


def _echoes(signal: np.ndarray, delays_seconds: np.ndarray, room_seconds: float, sampling_rate: int, rng) -> np.ndarray:
    echoed = np.zeros_like(signal)
    for delay_seconds in delays_seconds:
        late = int(delay_seconds * sampling_rate)
        if late < signal.size:
            gain = np.float32(rng.choice([-1.0, 1.0]) * 10.0 ** (-3.0 * delay_seconds / room_seconds))
            echoed[late:] += gain * signal[: signal.size - late]
    return echoed
