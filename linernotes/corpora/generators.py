"""Five genres, composed and played by rule: jazz, blues, rock, pop and classical, after the table of the README.

Each generator writes a `Song` out of shared building blocks (song.py, instruments.py) and is deterministic by seed.
What it can teach is the recipe of a genre, not the genre: accuracy on these clips says nothing of recordings.
To add a genre, decorate one such function with `@generator(name)` and it is in `GENRE_GENERATORS`.
"""

from collections.abc import Callable
from functools import wraps
from zlib import crc32

import numpy as np

from linernotes.corpora import instruments as band
from linernotes.corpora.song import (
    CHORDS,
    SCALES,
    Note,
    Song,
    chord_line,
    melody,
    nearest,
    render,
    strum,
    with_bends,
    with_passing_tones,
)

SAMPLING_RATE = 22_050
EIGHTHS = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
GENRE_GENERATORS: dict[str, Callable[[np.random.Generator, float, int], np.ndarray]] = {}

JAZZ_CHANGES = (
    [(2, "m9"), (7, "9"), (0, "maj9"), (9, "9")],
    [(0, "maj9"), (9, "9"), (2, "m9"), (7, "9")],
    [(4, "m9"), (9, "9"), (2, "m9"), (7, "9"), (0, "maj9"), (0, "maj9")],
    [(0, "9"), (5, "9"), (0, "9"), (0, "9"), (5, "9"), (5, "9"), (0, "9"), (9, "9"), (2, "m9"), (7, "9")],
)
TWELVE_BAR_ROOTS = (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7)
ROCK_ROOTS = {
    "minor": ([0, 8, 3, 10], [0, 0, 10, 8], [0, 3, 10, 5]),
    "mixolydian": ([0, 10, 5, 0], [0, 5, 10, 5], [0, 0, 5, 10]),
}
POP_CHORDS = (
    [(0, ""), (7, ""), (9, "m"), (5, "")],
    [(9, "m"), (5, ""), (0, ""), (7, "")],
    [(0, ""), (9, "m"), (5, ""), (7, "")],
    [(5, ""), (7, ""), (9, "m"), (0, "")],
)
CLASSICAL_CHORDS = {
    "major": (
        [(0, ""), (5, ""), (7, ""), (0, "")],
        [(0, ""), (9, "m"), (2, "m"), (7, "7")],
        [(0, ""), (7, ""), (9, "m"), (4, "m"), (5, ""), (0, ""), (5, ""), (7, "7")],
    ),
    "minor": (
        [(0, "m"), (5, "m"), (7, "7"), (0, "m")],
        [(0, "m"), (8, ""), (5, "m"), (7, "7")],
        [(0, "m"), (10, ""), (8, ""), (7, "7")],
    ),
}


def generator(genre: str):
    """Register a function that writes a `Song` as the genre's generator: (rng, seconds, sampling rate) -> samples.

    The generator's `write` is the function itself, for whoever wants the plan of a clip and not only its sound.
    """

    def register(write: Callable[[Song], None]):
        @wraps(write)
        def generate(rng: np.random.Generator, duration_seconds: float, sampling_rate: int) -> np.ndarray:
            song = Song(rng, duration_seconds)
            write(song)
            return render(song, sampling_rate)

        generate.write = write
        GENRE_GENERATORS[genre] = generate
        return generate

    return register


def write_song(genre: str, seed: int | tuple[int, ...], duration_seconds: float = 10.0, **given) -> Song:
    """The plan of the clip that `generate_clip` plays from the same seed; `given` may fix tempo_bpm, tonic, mode."""
    make = _find(genre)
    if not hasattr(make, "write"):
        raise ValueError(f"the generator of {genre!r} writes no song: register it with @generator({genre!r})")
    song = Song(_rng(seed, genre), duration_seconds, **given)
    make.write(song)
    return song


def generate_clip(
    genre: str, seed: int | tuple[int, ...], duration_seconds: float = 10.0, sampling_rate: int = SAMPLING_RATE
) -> np.ndarray:
    """A clip of a genre, `(samples,)` float32 with peak <= 1; the same seed gives the same samples.

    Raises ValueError for a genre without a generator and for a length or rate that cannot be rendered.
    """
    _check_form(duration_seconds, sampling_rate)
    return _find(genre)(_rng(seed, genre), duration_seconds, sampling_rate)


def blend(
    genre_a: str,
    genre_b: str,
    seed: int | tuple[int, ...],
    share: float = 0.5,
    duration_seconds: float = 10.0,
    sampling_rate: int = SAMPLING_RATE,
) -> np.ndarray:
    """Two genres at once, `(samples,)` float32: `share` of the energy is `genre_b`'s, the rest `genre_a`'s.

    `genre_b` takes the key of `genre_a`, and its tempo or twice or half of it; its mode too where the genre knows it.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share={share} is not a share: give a number from 0 (all {genre_a}) to 1 (all {genre_b})")
    _check_form(duration_seconds, sampling_rate)
    first = write_song(genre_a, seed, duration_seconds)
    second = write_song(genre_b, seed, duration_seconds, tempo_bpm=first.tempo_bpm, tonic=first.tonic, mode=first.mode)
    clips = [render(song, sampling_rate) for song in (first, second)]
    loudness = [np.sqrt(np.mean(np.square(clip))) for clip in clips]
    mix = np.sqrt(1.0 - share) * clips[0] / loudness[0] + np.sqrt(share) * clips[1] / loudness[1]
    return (mix * (10.0 ** (first.peak_db / 20.0) / np.abs(mix).max())).astype(np.float32)


@generator("jazz")
def make_jazz(song: Song) -> None:
    """Swung eighths, ii-V-I changes in ninth chords, a walking bass, a horn line with chromatic passing tones."""
    rng = song.rng
    song.settle((110, 220), ("major",))
    song.swing = rng.uniform(1.6, 2.4)
    chords = chord_line(song, JAZZ_CHANGES[rng.integers(len(JAZZ_CHANGES))], rng.integers(12))
    song.add_beat("ride", band.ride(rng), 0.22, [0, 1, 1.5, 2, 3, 3.5])
    song.add_beat("hat", band.closed_hat(rng), 0.25, [1, 3])
    song.add_part("bass", band.upright_bass(rng), 0.35)
    song.add_part("piano", band.one_of(rng, band.piano, band.electric_piano, band.clean_guitar), 0.2)
    song.add_part("horn", band.horn(rng), 0.3)
    song.play("bass", walking_bass(song, chords))
    stabs = ([0, 1.5], [1.5, 3.5], [0.5, 2], [1, 2.5], [0])
    for bar, (root, quality) in enumerate(chords):
        for beat in stabs[rng.integers(len(stabs))]:
            song.play("piano", strum(song.chord(root, quality, 58), beat, rng.choice([0.4, 0.9]), 0.7), 4.0 * bar)
    rhythms = [[0.5] * 8, [1, 0.5, 0.5, 1, 0.5, 0.5], [-0.5, 0.5, 0.5, 0.5, 1.5, 0.5], [0.5, 0.5, 1, 0.5, 0.5, -1]]
    low = int(rng.integers(50, 63))
    line = melody(rng, song.ladder("major", low, low + 19), rhythms, chord_tones(song, chords))
    song.play("horn", with_passing_tones(rng, line, 0.5, scale_classes(song, "major")))


@generator("blues")
def make_blues(song: Song) -> None:
    """Twelve bars in shuffle, boogie in the guitar, pentatonic calls (line A, A, B) with bends, and answers."""
    rng = song.rng
    song.settle((70, 130), ("mixolydian",))
    song.swing = rng.uniform(1.85, 2.2)
    first_bar = 0 if song.bars >= 12 else int(rng.integers(1, 12))  # a short clip is cut from where the chords move
    chords = chord_line(song, [(root, "7") for root in TWELVE_BAR_ROOTS], first_bar)
    song.add_beat("kick", band.kick(rng), 0.6, [0, 2])
    song.add_beat("snare", band.snare(rng), 0.5, [1, 3])
    song.add_beat("hat", band.closed_hat(rng), 0.4, EIGHTHS)
    song.add_part("bass", band.electric_bass(rng), 0.3)
    song.add_part("boogie", band.one_of(rng, band.clean_guitar, band.piano, band.organ), 0.2)
    song.add_part("lead", band.lead_guitar(rng), 0.25, drive=rng.uniform(0.5, 3.0), cabinet_hz=5_000.0)
    song.add_part("answer", band.one_of(rng, band.mouth_harp, band.piano, band.organ), 0.35)
    boogie(song, chords)
    low = int(rng.integers(55, 64))
    ladder = song.ladder("minor_pentatonic", low, low + 17)
    rhythms = [[0.5, 0.5, 1, 0.5, 0.5, 1], [-0.5, 0.5, 0.5, 0.5, 2], [1, 0.5, 1.5, 1], [0.5, 0.5, 0.5, 0.5, -2]]
    call, last_call, answer = (with_bends(rng, melody(rng, ladder, rhythms, [[], []]), 0.7) for _ in range(3))
    for bar in range(-(first_bar % 4), song.bars, 4):
        song.play("lead", last_call if (first_bar + bar) % 12 == 8 else call, 4.0 * bar)
        song.play("answer", answer, 4.0 * (bar + 2))


@generator("rock")
def make_rock(song: Song) -> None:
    """Power chords through a clipping amplifier, the bass with them, kick on 1 and 3, snare on 2 and 4."""
    rng = song.rng
    song.settle((96, 168), tuple(ROCK_ROOTS))
    song.compression = rng.uniform(1.5, 2.5)
    roots = ROCK_ROOTS[song.mode][rng.integers(3)]
    chords = chord_line(song, [(root, "5") for root in roots], rng.integers(4))
    song.add_beat("kick", band.kick(rng), 0.7, [0, 2, 2.5] if rng.uniform() < 0.4 else [0, 2])
    song.add_beat("snare", band.snare(rng), 0.9, [1, 3])
    song.add_beat("hat", band.one_of(rng, band.closed_hat, band.open_hat, band.ride), 0.45, EIGHTHS)
    song.add_part("crash", band.crash(rng), 0.4)
    song.strike("crash", [0], range(0, song.bars, 4))
    amplifier = {"drive": rng.uniform(5.0, 14.0), "cabinet_hz": rng.uniform(4_000, 6_500)}
    song.add_part("guitar", band.driven_guitar(rng), 0.3, **amplifier)
    song.add_part("bass", band.electric_bass(rng), 0.22, drive=1.5)
    power_riff(song, chords)
    if rng.uniform() < 0.6:
        song.add_part("solo", band.driven_guitar(rng), 0.22, **amplifier)
        rhythms = [[0.5] * 8, [1, 0.5, 0.5, 2], [1.5, 0.5, 2], [0.5, 0.5, 1, 2]]
        line = melody(rng, song.ladder("minor_pentatonic", 60, 79), rhythms, [[]] * song.bars)
        song.play("solo", with_bends(rng, line, 0.3))


@generator("pop")
def make_pop(song: Song) -> None:
    """Verse and chorus over four-on-the-floor, a clean major-scale tune, a ducked pad, a hard-working compressor."""
    rng = song.rng
    song.settle((98, 132), ("major",))
    song.compression, song.looseness_seconds = rng.uniform(4.0, 8.0), 0.001
    chords = chord_line(song, POP_CHORDS[rng.integers(len(POP_CHORDS))])
    song.add_beat("kick", band.kick(rng), 0.7, [0, 1, 2, 3])
    song.add_beat("clap", band.clap(rng), 0.7, [1, 3])
    song.add_part("hat", band.open_hat(rng), 0.4)
    song.add_part("bass", band.electric_bass(rng), 0.25, ducked=0.6)
    song.add_part("keys", band.one_of(rng, band.piano, band.electric_piano, band.clean_guitar), 0.18)
    song.add_part("pad", band.synth_pad(rng), 0.14, ducked=rng.uniform(0.5, 0.9))
    song.add_part("tune", band.one_of(rng, band.synth_lead, band.electric_piano, band.woodwind), 0.3)
    length = 2 ** int(np.log2(np.clip(song.bars // 2, 1, 8)))  # bars to a section: eight, or what the clip holds
    ladder, tones = song.ladder("major", 62, 79), chord_tones(song, chords[:length])
    sparse = [[1, 0.5, 0.5, -2], [-1, 1, 0.5, 0.5, -1], [0.5, 0.5, 1, -2]]
    busy = [[0.5, 0.5, 1, 1, 1], [1, 0.5, 0.5, 1.5, 0.5], [1.5, 1.5, 1]]
    verse = melody(rng, ladder[: len(ladder) * 2 // 3], sparse, tones)
    hook = melody(rng, ladder[len(ladder) // 3 :], busy, tones)
    for first in range(0, song.bars, length):
        chorus = first // length % 2 == 1
        bars = range(first, min(first + length, song.bars))
        song.sections.append(("chorus" if chorus else "verse", first, len(bars)))
        song.play("tune", hook if chorus else verse, 4.0 * first)
        for bar in bars:
            pop_bar(song, bar, chords[bar], chorus)


@generator("classical")
def make_classical(song: Song) -> None:
    """Four bowed voices with vibrato and a solo over them, in one long crescendo; nobody drums."""
    rng = song.rng
    song.settle((56, 112), tuple(CLASSICAL_CHORDS))
    song.room_seconds, song.room_level = song.room_seconds * 2.5, song.room_level * 1.8
    song.looseness_seconds = 0.015
    chords = chord_line(song, CLASSICAL_CHORDS[song.mode][rng.integers(3)])
    climax = rng.uniform(0.75, 0.97) * song.beats
    song.dynamics_db = [(0.0, rng.uniform(-32, -20)), (climax, 0.0), (song.beats, rng.uniform(-6, 0))]
    for name in ("violin", "viola", "cello", "bass"):
        song.add_part(name, band.bowed_string(rng), 0.2)
    song.add_part("solo", band.one_of(rng, band.bowed_string, band.woodwind), 0.3)
    bow = float(rng.choice([1, 2, 4]))
    for bar, (root, quality) in enumerate(chords):
        low = nearest(song.tonic + root, 43)
        song.play("bass", [Note(0, 4.0, low - 12, 0.8)], 4.0 * bar)
        for name, centre in (("cello", 50), ("viola", 57), ("violin", 64)):
            voices = song.chord(root, quality, centre)
            drawn = rng.choice(voices, size=int(4 / bow))
            song.play(name, [Note(i * bow, bow * 0.98, int(p), 0.7) for i, p in enumerate(drawn)], 4.0 * bar)
    rhythms = [[2, 1, 1], [1, 1, 1, 1], [3, 1], [1.5, 0.5, 1, 1], [1, 0.5, 0.5, 2]]
    low = int(rng.integers(62, 70))
    ladder = song.ladder(song.mode, low, low + 19)
    song.play("solo", melody(rng, ladder, rhythms, chord_tones(song, chords), legato=0.98))


def walking_bass(song: Song, chords: list[tuple[int, str]]) -> list[Note]:
    """Four quarters a bar: the root, two chord notes, and the semitone above or below the next bar's root."""
    notes = []
    for bar, (root, quality) in enumerate(chords):
        coming = nearest(song.tonic + chords[(bar + 1) % len(chords)][0], 40)
        low = nearest(song.tonic + root, 40)
        middle = song.rng.choice([nearest(low + step, 43) for step in CHORDS[quality][1:4]], size=2)
        pitches = (low, *middle, coming + song.rng.choice([-1, 1]))
        notes += [Note(4.0 * bar + i, 0.92, int(p), 0.85) for i, p in enumerate(pitches)]
    return notes


def boogie(song: Song, chords: list[tuple[int, str]]) -> None:
    """Root with fifth, sixth and seventh in eighths, over a bass that climbs the chord."""
    for bar, (root, _) in enumerate(chords):
        low = nearest(song.tonic + root, 45)
        climb = (0, 0, 4, 4, 7, 7, 9, 9) if song.rng.uniform() < 0.5 else (0, 7, 9, 10, 9, 7, 4, 0)
        for i, (step, top) in enumerate(zip(climb, (7, 7, 9, 9, 7, 7, 10, 9), strict=True)):
            accent = 0.8 - 0.2 * (i % 2)
            song.play("bass", [Note(i / 2, 0.45, low - 12 + step, accent)], 4.0 * bar)
            song.play("boogie", strum([low + 12, low + 12 + top], i / 2, 0.4, accent), 4.0 * bar)


def power_riff(song: Song, chords: list[tuple[int, str]]) -> None:
    """One rhythm throughout, in power chords (root, fifth, octave) and in the bass an octave below."""
    riffs = ([0.5] * 8, [1, 0.5, 0.5, 1, 1], [1.5, 1.5, 1], [0.5, 0.5, 1, 0.5, 0.5, 1], [2, 1, 1])
    riff = riffs[song.rng.integers(len(riffs))]
    choke = song.rng.uniform(0.55, 0.95)  # the palm of the right hand
    for bar, (root, quality) in enumerate(chords):
        low = nearest(song.tonic + root, 45)
        for start, length in zip(np.cumsum([0, *riff[:-1]]), riff, strict=True):
            song.play("guitar", strum([low + step for step in CHORDS[quality]], start, length * choke, 0.8), 4.0 * bar)
            song.play("bass", [Note(start, length * 0.9, low - 12, 0.8)], 4.0 * bar)


def pop_bar(song: Song, bar: int, chord: tuple[int, str], chorus: bool) -> None:
    """The band under one bar: bass and keys, and in the chorus twice as many of them, the pad and open hats."""
    low, voicing = nearest(song.tonic + chord[0], 38), song.chord(*chord, 62)
    for beat in EIGHTHS if chorus else EIGHTHS[1::2]:
        song.play("bass", [Note(beat, 0.4, low, 0.9 if chorus else 0.7)], 4.0 * bar)
    for beat in (0, 1, 2, 3) if chorus else (0, 1.5):
        song.play("keys", strum(voicing, beat, 0.9, 0.8 if chorus else 0.6), 4.0 * bar)
    if chorus:
        song.play("pad", strum(voicing, 0, 4.0, 0.8), 4.0 * bar)
        song.strike("hat", EIGHTHS[1::2], range(bar, bar + 1))


def chord_tones(song: Song, chords: list[tuple[int, str]]) -> list[list[int]]:
    """For each bar the pitch classes of its chord."""
    return [[(song.tonic + root + step) % 12 for step in CHORDS[quality]] for root, quality in chords]


def scale_classes(song: Song, scale: str) -> list[int]:
    """Pitch classes of a scale on the song's tonic."""
    return [(song.tonic + step) % 12 for step in SCALES[scale]]


def _find(genre: str):
    if genre not in GENRE_GENERATORS:
        known = ", ".join(GENRE_GENERATORS)
        raise ValueError(f"no generator for genre {genre!r}: choose from {known}, or register one")
    return GENRE_GENERATORS[genre]


def _rng(seed: int | tuple[int, ...], genre: str) -> np.random.Generator:
    # The name enters the seed, so that clip 7 of two genres shares no tempo, no key and no noise.
    return np.random.default_rng([crc32(genre.encode()), *np.atleast_1d(seed).tolist()])


def _check_form(duration_seconds: float, sampling_rate: int) -> None:
    if not 0.0 < duration_seconds <= 3600.0:
        raise ValueError(f"duration_seconds={duration_seconds}: a clip lasts more than 0 and at most 3600 seconds")
    if not 4_000 <= sampling_rate <= 192_000:
        raise ValueError(f"sampling_rate={sampling_rate} Hz: give a rate from 4000 to 192000 Hz")
