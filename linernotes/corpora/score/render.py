"""Plays a score with a soundfont, by tinysoundfont, sample-exactly: what the facts say of a time is true of the audio.

Every note starts on the sample nearest to its time. Instruments are played one after the other, so that each has all
voices to itself, and then mixed. Nothing is left to chance: the same score, font and rate give the same samples, in any
process of one machine. A program or a note that the font does not have is an error, because the facts would speak of
what cannot be heard; drum kits alone are replaced by the standard kit, as the facts say "drums" of any.

Of MIDI the notes, pitch bends (their range too, by RPN), volume, expression, pan and the sustain pedal are heard. There
is no reverb or chorus: `effects` has them.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from math import inf
from pathlib import Path

import numpy as np
import pretty_midi

from linernotes.corpora.score.score import Score
from linernotes.corpora.score.soundfonts import SAMPLING_RATES_HZ

try:
    import tinysoundfont
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "playing a score needs tinysoundfont: `pip install --no-deps tinysoundfont` "
        "(what it asks for besides, PyAudio, is for loudspeakers and needs a compiler)"
    ) from error

DRUM_BANK, STANDARD_KIT = 128, 0
ALL_CONTROLLERS_OFF, PEDAL, PEDAL_DOWN = 121, 64, 64
WHEEL_CENTRE, WHEEL_SEMITONES = 8192, 2.0
FRAME_BYTES = 8  # two channels of float32
FADE_SECONDS = 0.02  # of a tail that still rings where it is cut
QUIET = 1e-4  # 80 dB under full scale: a tail is over
FLUSH_SECONDS = 0.1  # voices that are cut off fade within 10 ms
PROBE_SECONDS = 0.3  # long enough for the slowest attack to be more than zero
HELD_SECONDS = 60.0  # at most, by a pedal that never comes up

Event = tuple[int, int, Callable[[], object]]  # sample, rank among those of one sample, what happens


class MissingSoundError(LookupError):
    """A font lacks a program, or sounds for a note, that a score asks for."""


class Renderer:
    """A font, loaded once, that plays at one sampling rate (Hz). Not to be shared between threads."""

    def __init__(self, font: Path | str, sampling_rate: int = 24_000) -> None:
        """Raises FileNotFoundError for no such file; ValueError if it is no font, or for a rate beyond 8 to 96 kHz."""
        self.font, self.sampling_rate = Path(font), sampling_rate
        if not self.font.is_file():
            raise FileNotFoundError(f"{self.font} is no file: give a soundfont (.sf2 or .sf3), see soundfonts.find()")
        low, high = SAMPLING_RATES_HZ
        if not low <= sampling_rate <= high:
            raise ValueError(f"sampling_rate={sampling_rate} Hz: choose from {low} to {high}, such as 24000")
        self._synth = tinysoundfont.Synth(samplerate=sampling_rate)
        try:
            self._id = self._synth.sfload(str(self.font))
        except RuntimeError as error:
            raise ValueError(f"{self.font} cannot be read as a soundfont: give an .sf2 or .sf3 file") from error
        self._sounding: dict[tuple[int, int, bool], bool] = {}

    def has_program(self, program: int, is_drum: bool = False) -> bool:
        """Whether the font has this General MIDI program (0 to 127) or drum kit (0: the standard kit)."""
        return self._synth.sfpreset_name(self._id, DRUM_BANK if is_drum else 0, program) is not None

    def has_note(self, program: int, pitch: int, is_drum: bool = False) -> bool:
        """Whether it sounds at that pitch: fonts leave out what the real instrument cannot reach."""
        key = program, pitch, is_drum
        if key not in self._sounding:
            probe = _part_of_one_note(program, is_drum, pitch, 127, PROBE_SECONDS)
            samples = round(PROBE_SECONDS * self.sampling_rate)
            self._sounding[key] = self.has_program(program, is_drum) and bool(self._stem(probe, samples).any())
        return self._sounding[key]

    def missing(self, midi: pretty_midi.PrettyMIDI) -> list[str]:
        """What of a score the font cannot play, in words: programs it lacks, notes it has no sound for."""
        lacks = []
        for part in midi.instruments:
            program = self._program(part)
            wanted = f"{_kind(part.is_drum)} {program} ({part.name or 'unnamed'})"
            if not self.has_program(program, part.is_drum):
                lacks.append(wanted)
                continue
            pitches = sorted({note.pitch for note in part.notes})
            if silent := [pitch for pitch in pitches if not self.has_note(program, pitch, part.is_drum)]:
                lacks.append(f"notes {', '.join(map(str, silent))} of {wanted}")
        return lacks

    def render(
        self,
        score: Score,
        *,
        gain_db: Mapping[str, float] | None = None,
        tail_seconds: float = 0.0,
        mono: bool = True,
    ) -> np.ndarray:
        """Float32 `(samples,)`, or `(samples, 2)` unless `mono`; a mix beyond full scale (1) is turned down to it.

        It lasts as long as the score, to the sample, and at most `tail_seconds` longer where it still rings.
        gain_db: by instrument name; those unnamed keep their level.
        Raises MissingSoundError for what the font lacks, ValueError for a gain of an instrument that does not play.
        """
        parts, gains = score.midi.instruments, dict(gain_db or {})
        if unknown := gains.keys() - {part.name for part in parts}:
            names = ", ".join(part.name for part in parts) or "none"
            raise ValueError(f"gain_db names {min(unknown)!r}, which does not play: choose from {names}")
        if lacks := self.missing(score.midi):
            raise MissingSoundError(
                f"{self.font.name} has no {'; no '.join(lacks)}: choose another font, or other instruments or pitches"
            )
        length = round(score.duration_seconds * self.sampling_rate)
        mix = np.zeros((length + round(tail_seconds * self.sampling_rate), 2), np.float32)
        for part in parts:
            mix += np.float32(10.0 ** (gains.get(part.name, 0.0) / 20.0)) * self._stem(part, len(mix))
        return self._finish(mix.mean(axis=1) if mono else mix, length)

    def note(
        self,
        program: int,
        pitch: int,
        velocity: int = 100,
        seconds: float = 1.0,
        *,
        tail_seconds: float = 2.0,
        is_drum: bool = False,
    ) -> np.ndarray:
        """One note held for `seconds`, and its release, float32 `(samples,)`. Errors: as `render`, or beyond MIDI."""
        if not (0 <= program <= 127 and 0 <= pitch <= 127 and 1 <= velocity <= 127):
            raise ValueError(
                f"program={program}, pitch={pitch}, velocity={velocity}: choose from 0 to 127 (velocity from 1)"
            )
        if not self.has_note(program, pitch, is_drum):
            raise MissingSoundError(
                f"{self.font.name} has no note {pitch} of {_kind(is_drum)} {program}: choose another pitch or font"
            )
        length, tail = (round(span * self.sampling_rate) for span in (seconds, tail_seconds))
        stem = self._stem(_part_of_one_note(program, is_drum, pitch, velocity, seconds), length + tail)
        return self._finish(stem.mean(axis=1), length)

    def _program(self, part: pretty_midi.Instrument) -> int:
        return part.program if not part.is_drum or self.has_program(part.program, True) else STANDARD_KIT

    def _stem(self, part: pretty_midi.Instrument, samples: int) -> np.ndarray:
        """One instrument alone, `(samples, 2)`; the synthesizer is as new before and after."""
        stem = np.zeros((samples, 2), np.float32)
        frames, now = memoryview(stem.reshape(-1)).cast("B"), 0
        bank = DRUM_BANK if part.is_drum else 0
        self._synth.program_select(0, self._id, bank, self._program(part), part.is_drum)
        events = sorted(self._events(part), key=lambda event: event[:2])
        for sample, _, act in (*events, (samples, 0, lambda: None)):
            until = min(sample, samples)
            if until > now:
                self._synth.generate_simple(until - now, frames[FRAME_BYTES * now : FRAME_BYTES * until])
                now = until
            act()
        self._silence()
        return stem

    def _events(self, part: pretty_midi.Instrument) -> Iterator[Event]:
        """On one sample notes end before controls move, and controls before notes begin: repeats are struck anew."""
        synth, at = self._synth, lambda seconds: round(seconds * self.sampling_rate)
        for change in part.control_changes:
            if change.number != PEDAL:
                yield at(change.time), 1, lambda c=change: synth.control_change(0, c.number, c.value)
        for bend in part.pitch_bends:
            yield at(bend.time), 1, lambda b=bend: synth.pitchbend(0, b.pitch + WHEEL_CENTRE)
        for note, end in _held(part):
            start = at(note.start)
            yield start, 2, lambda n=note: synth.noteon(0, n.pitch, n.velocity)
            yield max(at(end), start + 1), 0, lambda n=note: synth.noteoff(0, n.pitch)

    def _silence(self) -> None:
        self._synth.sounds_off(0)
        self._synth.generate_simple(round(FLUSH_SECONDS * self.sampling_rate))
        self._synth.control_change(0, ALL_CONTROLLERS_OFF, 0)  # the wheel is none of them
        self._synth.pitchbend(0, WHEEL_CENTRE)
        self._synth.pitchbend_range(0, WHEEL_SEMITONES)

    def _finish(self, sound: np.ndarray, length: int) -> np.ndarray:
        """Cut silence off the tail, never before `length`; fade what still rings at its end; keep to full scale."""
        level = np.abs(sound).reshape(len(sound), -1).max(axis=1)
        loud = np.flatnonzero(level > QUIET)
        sound = sound[: max(length, loud[-1] + 1 if loud.size else 0)]
        fade = min(len(sound) - length, round(FADE_SECONDS * self.sampling_rate))
        if fade:
            ramp = np.linspace(1.0, 0.0, fade, dtype=np.float32)
            sound[-fade:] *= ramp if sound.ndim == 1 else ramp[:, None]
        return sound / max(level.max(initial=0.0), np.float32(1.0))


def render(
    score: Score,
    font: Path | str,
    *,
    sampling_rate: int = 24_000,
    gain_db: Mapping[str, float] | None = None,
    tail_seconds: float = 0.0,
    mono: bool = True,
) -> np.ndarray:
    """As `Renderer.render`, by a font that this process then keeps loaded. There is no default font."""
    return load(Path(font), sampling_rate).render(score, gain_db=gain_db, tail_seconds=tail_seconds, mono=mono)


@lru_cache(maxsize=4)  # a large font takes half a gigabyte
def load(font: Path, sampling_rate: int = 24_000) -> Renderer:
    """This process's renderer of a font."""
    return Renderer(font, sampling_rate)


def _held(part: pretty_midi.Instrument) -> Iterator[tuple[pretty_midi.Note, float]]:
    """Each note and when its sound is let go; with the pedal down, as it comes up or the key is struck again."""
    pedal = sorted((change for change in part.control_changes if change.number == PEDAL), key=lambda c: c.time)
    times = [change.time for change in pedal]
    strokes = defaultdict(list)
    for note in sorted(part.notes, key=lambda note: note.start):
        strokes[note.pitch].append(note.start)
    for note in part.notes:
        last = bisect_right(times, note.end) - 1
        if last < 0 or pedal[last].value < PEDAL_DOWN:
            yield note, note.end
            continue
        lifted = next((change.time for change in pedal[last:] if change.value < PEDAL_DOWN), inf)
        again = next((time for time in strokes[note.pitch] if time >= note.end), inf)
        yield note, min(lifted, again, note.end + HELD_SECONDS)


def _part_of_one_note(program: int, is_drum: bool, pitch: int, velocity: int, seconds: float) -> pretty_midi.Instrument:
    part = pretty_midi.Instrument(program, is_drum)
    part.notes = [pretty_midi.Note(velocity, pitch, 0.0, seconds)]
    return part


def _kind(is_drum: bool) -> str:
    return "drum kit" if is_drum else "program"
