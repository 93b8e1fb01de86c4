"""A song on paper and its performance: tempo, key, parts and notes first, then the audio made of them.

A genre's generator writes into a `Song`; `render` plays it. Whatever the labels say of a clip (tempo, swing, chords,
sections) can therefore be read from the song that it was played from. Conventions: times are beats (four to the bar,
0 = start of the clip) unless named `_seconds`; pitches are MIDI numbers, pitch classes count semitones from C;
audio is mono float32 `(samples,)` with peak <= 1.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from zlib import crc32

import numpy as np

from linernotes.corpora.sounds import Drum, Tone, compress, distort, duck, low_pass, reverberate

BEATS_PER_BAR = 4
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "major_pentatonic": (0, 2, 4, 7, 9),
    "minor_pentatonic": (0, 3, 5, 7, 10),
}
CHORDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7, 12),
    "7": (0, 4, 7, 10),
    "maj9": (0, 4, 7, 11, 14),
    "m9": (0, 3, 7, 10, 14),
    "9": (0, 4, 7, 10, 14),
}


@dataclass(frozen=True)
class Note:
    """One note or stroke; `bend_semitones` is how far below `pitch` it starts before it is bent up."""

    start_beats: float
    length_beats: float
    pitch: float
    velocity: float = 0.8
    bend_semitones: float = 0.0


@dataclass
class Part:
    """An instrument, its notes and its place in the mix."""

    sound: Tone | Drum
    gain: float = 1.0
    drive: float = 0.0  # of the tanh clipping; 0 leaves it clean
    cabinet_hz: float = 20_000.0
    ducked: float = 0.0  # how far the kick pushes it down
    notes: list[Note] = field(default_factory=list)


@dataclass
class Song:
    """What is played: `settle` draws the tempo, key and mode that were not given, `add_part` and `play` the rest.

    swing: length of the first half of a beat over that of the second (1 = straight, 2 = triplets).
    sections: (name, first bar, bars). bar_roots: the chord root in each bar, in semitones above the tonic.
    dynamics_db: (beat, gain) points, interpolated. compression: ratio of the compressor over the mix, 1 = none.
    """

    rng: np.random.Generator
    duration_seconds: float
    tempo_bpm: float | None = None
    tonic: int | None = None
    mode: str | None = None
    swing: float = 1.0
    parts: dict[str, Part] = field(default_factory=dict)
    sections: list[tuple[str, int, int]] = field(default_factory=list)
    bar_roots: list[int] = field(default_factory=list)
    dynamics_db: list[tuple[float, float]] = field(default_factory=list)
    compression: float = 1.0
    room_seconds: float = 0.6
    room_level: float = 0.2
    peak_db: float = -1.0
    looseness_seconds: float = 0.004  # players are late or early by about so much
    noise_seed: int = 0

    def settle(self, tempo_bpm: tuple[float, float], modes: tuple[str, ...]) -> None:
        """Draw what is still open. A tempo given from outside is halved or doubled into the range if that can be."""
        low, high = tempo_bpm
        drawn = self.rng.uniform(low, high)
        given = drawn if self.tempo_bpm is None else self.tempo_bpm
        self.tempo_bpm = next((tempo for tempo in (given, 2.0 * given, 0.5 * given) if low <= tempo <= high), given)
        self.tonic = int(self.rng.integers(12)) if self.tonic is None else self.tonic
        self.mode = self.mode if self.mode in modes else str(self.rng.choice(modes))
        self.peak_db = self.rng.uniform(-12.0, -1.0)
        self.room_seconds *= self.rng.uniform(0.7, 1.5)
        self.room_level *= self.rng.uniform(0.6, 1.4)
        self.noise_seed = int(self.rng.integers(2**62))

    @property
    def beats(self) -> float:
        return self.duration_seconds * self.tempo_bpm / 60.0

    @property
    def bars(self) -> int:
        """Bars begun within the clip."""
        return max(ceil(self.beats / BEATS_PER_BAR - 1e-9), 1)

    def seconds(self, beats: float) -> float:
        return beats * 60.0 / self.tempo_bpm

    def swung(self, beats: float) -> float:
        """Where a straight position falls in swing: the off-beat eighth moves back, the beats stay."""
        beat, fraction = divmod(beats, 1.0)
        late = self.swing / (1.0 + self.swing)
        return beat + (2.0 * late * fraction if fraction < 0.5 else late + (2.0 * fraction - 1.0) * (1.0 - late))

    def add_part(self, name: str, sound: Tone | Drum, gain: float, **desk: float) -> None:
        """Seat a player; `gain` varies by 3 dB either way, so that no two mixes are alike."""
        self.parts[name] = Part(sound, gain * 10.0 ** (self.rng.uniform(-3.0, 3.0) / 20.0), **desk)

    def add_beat(self, name: str, sound: Drum, gain: float, beats_in_bar: list[float]) -> None:
        """Seat a drum that strikes the same beats in every bar."""
        self.add_part(name, sound, gain)
        self.strike(name, beats_in_bar, range(self.bars))

    def play(self, name: str, notes: list[Note], at_beats: float = 0.0) -> None:
        """Place notes, written from beat 0 in straight time, at `at_beats`; they swing, and end with the clip."""
        for note in notes:
            start, end = (self.swung(at_beats + b) for b in (note.start_beats, note.start_beats + note.length_beats))
            if 0.0 <= start < self.beats:
                self.parts[name].notes.append(replace(note, start_beats=start, length_beats=end - start))

    def strike(self, name: str, beats_in_bar: list[float], bars: range) -> None:
        """The same strokes in each of these bars, no two quite as hard, the first beat the hardest."""
        for bar in bars:
            strokes = [Note(b, 0.25, 0.0, self.rng.uniform(0.65, 0.8 if b else 0.9)) for b in beats_in_bar]
            self.play(name, strokes, bar * BEATS_PER_BAR)

    def ladder(self, scale: str, low: int, high: int) -> list[int]:
        """All pitches of a scale on the tonic from `low` to `high`, rising."""
        return [p for p in range(low, high + 1) if (p - self.tonic) % 12 in SCALES[scale]]

    def chord(self, root: int, quality: str, centre: float) -> list[int]:
        """The chord's notes, each in the octave nearest to `centre` (so that the voices move little)."""
        return sorted({nearest(self.tonic + root + step, centre) for step in CHORDS[quality]})


def nearest(pitch: int, centre: float) -> int:
    """The pitch of the same pitch class that lies nearest to `centre`."""
    return int(pitch + 12 * round((centre - pitch) / 12))


def chord_line(song: Song, progression: list[tuple[int, str]], first_bar: int = 0) -> list[tuple[int, str]]:
    """One chord a bar, the progression repeated from `first_bar` on; also notes the roots in the song."""
    chords = [progression[(first_bar + bar) % len(progression)] for bar in range(song.bars)]
    song.bar_roots = [root for root, _ in chords]
    return chords


def melody(
    rng: np.random.Generator,
    ladder: list[int],
    rhythms: list[list[float]],
    chord_tones: list[list[int]],
    legato: float = 0.9,
) -> list[Note]:
    """A line that walks up and down a ladder of pitches, mostly by step, bar by bar from beat 0.

    rhythms: bars to choose from, each a list of lengths in beats (negative: a rest).
    chord_tones: for each bar to fill the pitch classes on which strong beats land (empty: anywhere).
    """
    notes, rung, heading = [], int(rng.integers(len(ladder) // 3, 2 * len(ladder) // 3 + 1)), 1
    for bar, tones in enumerate(chord_tones):
        beat = float(bar * BEATS_PER_BAR)
        for length in rhythms[rng.integers(len(rhythms))]:
            heading = -heading if rng.uniform() < 0.25 else heading
            rung += heading * int(rng.choice([0, 1, 1, 1, 2, 3], p=[0.1, 0.25, 0.25, 0.15, 0.15, 0.1]))
            if not 0 <= rung < len(ladder):
                heading, rung = -heading, min(max(rung, 0), len(ladder) - 1)
            if beat % 2 == 0:
                near = [i for i, p in enumerate(ladder) if p % 12 in tones]
                rung = min(near, key=lambda i: abs(i - rung), default=rung)
            if length > 0:
                accent = 0.85 if beat % 1 == 0 else 0.7
                notes.append(Note(beat, length * legato, ladder[rung], accent * rng.uniform(0.85, 1.15)))
            beat += abs(length)
    return notes


def with_passing_tones(rng: np.random.Generator, notes: list[Note], chance: float, keep: list[int]) -> list[Note]:
    """Replace off-beat notes by the semitone outside `keep` (pitch classes) that leads into the next beat's note."""
    passed = list(notes)
    for i, (note, following) in enumerate(pairwise(notes)):
        step = 1 if note.pitch > following.pitch else -1
        outside = [s for s in (step, -step) if (following.pitch + s) % 12 not in keep]
        leads = note.start_beats % 1 and following.start_beats == note.start_beats // 1 + 1
        if leads and outside and rng.uniform() < chance:
            passed[i] = replace(note, pitch=following.pitch + outside[0])
    return passed


def with_bends(rng: np.random.Generator, notes: list[Note], chance: float) -> list[Note]:
    """Bend into the notes that are long enough to hear it, from one or two semitones below."""
    long = [note.length_beats > 0.6 and rng.uniform() < chance for note in notes]
    return [replace(n, bend_semitones=float(rng.choice([1, 2]))) if b else n for n, b in zip(notes, long, strict=True)]


def strum(pitches: list[int], start: float, length: float, velocity: float, spread: float = 0.0) -> list[Note]:
    """A chord: its notes together, or `spread` beats apart from the lowest up."""
    return [Note(start + i * spread, length, pitch, velocity) for i, pitch in enumerate(pitches)]


def render_part(song: Song, name: str, sampling_rate: int) -> np.ndarray:
    """One part alone `(samples,)`, before the room and the mix: same song, same sound, whatever else plays."""
    part = song.parts[name]
    rng = np.random.default_rng([song.noise_seed, crc32(name.encode())])
    stem = np.zeros(ceil(song.duration_seconds * sampling_rate), np.float32)
    stroke = part.sound.stroke(sampling_rate, rng) if isinstance(part.sound, Drum) else None
    for note in part.notes:
        start_seconds = max(song.seconds(note.start_beats) + rng.normal(0.0, song.looseness_seconds), 0.0)
        start = int(start_seconds * sampling_rate)
        sound = stroke
        if stroke is None:
            length_seconds = song.seconds(note.length_beats)
            sound = part.sound.play(note.pitch, length_seconds, sampling_rate, rng, note.bend_semitones)
        room = stem[start : start + sound.size]
        room += np.float32(note.velocity) * sound[: room.size]
    if part.drive:
        stem = low_pass(distort(stem, part.drive), part.cabinet_hz, sampling_rate)
    if part.ducked:
        stem = duck(stem, [song.seconds(n.start_beats) for n in song.parts["kick"].notes], part.ducked, sampling_rate)
    return stem * np.float32(part.gain)


def render(song: Song, sampling_rate: int) -> np.ndarray:
    """The whole song `(samples,)` float32, peak at `song.peak_db` under full scale."""
    mix = sum(render_part(song, name, sampling_rate) for name in song.parts)
    time_beats = np.arange(mix.size) * (song.tempo_bpm / 60.0 / sampling_rate)
    if song.dynamics_db:
        beats, gains_db = zip(*song.dynamics_db, strict=True)
        mix = mix * (10.0 ** (np.interp(time_beats, beats, gains_db) / 20.0)).astype(np.float32)
    mix = reverberate(mix, song.room_seconds, song.room_level, sampling_rate, np.random.default_rng(song.noise_seed))
    if song.compression > 1.0:
        mix = compress(mix, -14.0, song.compression, sampling_rate)
    edge = min(int(0.005 * sampling_rate), mix.size // 2)  # a clip cut out of a song must not click
    mix[:edge] *= np.linspace(0.0, 1.0, edge, dtype=np.float32)
    mix[mix.size - edge :] *= np.linspace(1.0, 0.0, edge, dtype=np.float32)
    return mix * np.float32(10.0 ** (song.peak_db / 20.0) / max(np.abs(mix).max(), 1e-9))
