"""Reads tunes in ABC notation (abcnotation.com, standard 2.1): one voice, repeats played out, chord symbols.

The notations of folk collections, and no more: what they never use (several voices, overlays, macros) is an AbcError,
so that a tune is read exactly or not at all. Grace notes, ornaments, slurs and words are passed over. Lengths and
places are fractions of quarter notes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

from linernotes.corpora.score.harmony import NAMES
from linernotes.corpora.score.sources.chords import LETTERS, pitch_class
from linernotes.corpora.score.sources.notation import Measure

TOKEN = re.compile(
    r"""(?P<space>[\s`\\)y]+|%.*)
    |\[(?P<field>[A-Za-z]):(?P<value>[^\]]*)\]
    |"(?P<text>[^"]*)"
    |(?P<grace>\{[^}]*\})
    |(?P<bar>\[\|\]?|:*\|[|\]:]*|:+)\s*(?P<ending>\[?[12](?!\d))?
    |\[(?P<volta>[12])
    |\((?P<p>[2-9])(?::(?P<q>\d?))?(?::(?P<r>\d?))?
    |(?P<ornament>![a-z]+!|[.~TuvHKLMOPRSUVijkmnorst!(])
    |\[(?P<stack>(?:[.~Tuv\s]*[_^=]*[A-Ga-g][,']*[\d/]*-?\s*)+)\](?P<stacked>[\d/]*)
    |(?P<accidental>_{1,2}|\^{1,2}|=)?(?P<letter>[A-Ga-gzx])(?P<octave>[,']*)(?P<length>[\d/]*)
    |(?P<tie>-)
    |(?P<broken>>{1,3}|<{1,3})""",
    re.VERBOSE,
)
NOTE = re.compile(r"(?P<accidental>_{1,2}|\^{1,2}|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)(?P<length>[\d/]*)")
LENGTH = re.compile(r"(\d*)(/*)(\d*)")
KEY = re.compile(r"([A-G])([b#]?)\s*([A-Za-z]*)\s*")
SHARPS = {"C": 0, "D": 2, "E": 4, "F": -1, "G": 1, "A": 3, "B": 5}
MODES = {"": 0, "maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4, "loc": -5, "lyd": 1}
MAJOR, MINOR = ("", "maj", "ion"), ("m", "min", "aeo")
SIGNATURES = {"C": (4, 4), "C|": (2, 2)}
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # so many in the time of; of 5, 7 and 9 it depends on the meter
SEMITONES = {"__": -2, "_": -1, "=": 0, "^": 1, "^^": 2}


class AbcError(ValueError):
    """A tune that cannot be read: the message says what stands where."""


@dataclass
class Line:
    """A measure as printed: notes are (start, length, pitch, whether tied to the next), starts counted from its own."""

    signature: tuple[int, int] | None
    key: str | None
    notes: list[tuple[Fraction, Fraction, int, bool]] = field(default_factory=list)
    chords: list[tuple[Fraction, str]] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False
    closes: bool = False
    ends: bool = False
    ending: int | None = None


@dataclass(frozen=True)
class Tune:
    """A tune as it is played, repeats and all; times in quarter notes from its beginning.

    fields: of its head, by letter. notes: start, length, pitch; of notes together the highest. keys: "G major", and
    None for other modes. chords: the texts of the symbols. quarter_bpm: None where no tempo is given.
    """

    fields: dict[str, str]
    measures: tuple[Measure, ...]
    notes: tuple[tuple[Fraction, Fraction, int], ...]
    keys: tuple[tuple[Fraction, str | None], ...]
    chords: tuple[tuple[Fraction, str], ...]
    quarter_bpm: float | None


def split_book(text: str) -> Iterator[str]:
    """The tunes of a file, each from its X: field to the next empty line or field."""
    for block in re.split(r"^(?=X:)", text.replace("\r\n", "\n"), flags=re.MULTILINE)[1:]:
        lines = []
        for line in block.split("\n"):
            if lines and not line.strip() and any(kept.startswith("K:") for kept in lines):
                break
            lines.append(line)
        yield "\n".join(lines)


def head(text: str) -> dict[str, str]:
    """The fields of a tune's head up to K:, the first of each letter, without comments."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if re.match(r"[A-Za-z]:", line):
            fields.setdefault(line[0], line[2:].split("%")[0].strip())
            if line[0] == "K":
                break
    return fields


def numerator(text: str) -> int | None:
    """Of the signature that a tune keeps, head and body; None where it changes, or there is none."""
    signatures = set(re.findall(r"(?:^|\[)M:\s*([^\s%\]]+)", text, re.MULTILINE))
    if len(signatures) != 1:
        return None
    (one,) = signatures
    match = re.match(r"(\d+)/", one)
    return int(match[1]) if match else SIGNATURES.get(one, (None,))[0]


def read_tune(text: str) -> Tune:
    """Reads one tune. Raises AbcError for what cannot be read."""
    fields = head(text)
    if missing := [letter for letter in "XTMK" if not fields.get(letter)]:
        raise AbcError(f"no {missing[0]}: field: a tune needs X:, T:, M: and K:")
    printed = _Reader(fields).read(text)
    order = list(_played(printed))
    starts = accumulate((printed[i].length for i in order), initial=Fraction(0))
    lines = [(start, printed[i]) for start, i in zip(starts, order, strict=False)]
    return Tune(
        fields=fields,
        measures=tuple(Measure(line.length, line.signature) for _, line in lines),
        notes=tuple(_tied([(start + at, *note) for start, line in lines for at, *note in line.notes])),
        keys=tuple((start, line.key) for start, line in lines),
        chords=tuple((start + at, text) for start, line in lines for at, text in line.chords),
        quarter_bpm=_tempo(fields["Q"]) if "Q" in fields else None,
    )


class _Reader:
    """Goes through a tune's body; what changes on the way: key, signature, unit, accidentals, tuplet, broken rhythm."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.signature = _signature(fields["M"])
        self.key, self.altered = _key(fields["K"])
        self.unit = _unit(fields["L"]) if "L" in fields else self._default_unit()
        self.lines = [Line(self.signature, self.key)]
        self.accidentals: dict[tuple[str, int], int] = {}
        self.tuplet = (Fraction(1), 0)
        self.broken = Fraction(1)

    def read(self, text: str) -> list[Line]:
        body = text[re.search(r"^K:.*$", text, re.MULTILINE).end() :]
        for row in body.split("\n"):
            if re.match(r"[A-Za-z]:[^|:]", row) or re.match(r"[A-Za-z]:$", row.rstrip()):
                self._change(row[0], row[2:].split("%")[0].strip())
                continue
            at = 0
            while at < len(row):
                match = TOKEN.match(row, at)
                if match is None:
                    raise AbcError(f"{row[at : at + 12]!r} in {row.strip()[:60]!r} is nothing that is read here")
                self._token(match)
                at = match.end()
        return [line for line in self.lines if line.length or line.closes or line.opens]

    def _token(self, match: re.Match[str]) -> None:
        line = self.lines[-1]
        if match["letter"]:
            self._note([match], match["length"])
        elif match["stack"]:
            notes = list(NOTE.finditer(match["stack"]))
            self._note(notes, match["stacked"] or notes[0]["length"])
            self._tie("-" in match["stack"])
        elif match["tie"]:
            self._tie(True)
        elif match["bar"]:
            self._bar(match["bar"], match["ending"])
        elif match["volta"]:
            self._bar("", match["volta"])
        elif match["text"] is not None:
            line.chords.append((line.length, match["text"]))
        elif match["p"]:
            self._tuplet(int(match["p"]), match["q"], match["r"])
        elif match["broken"]:
            self._break(match["broken"])
        elif match["field"]:
            self._change(match["field"], match["value"].strip())

    def _note(self, notes: list[re.Match[str]], length: str) -> None:
        """A note, several together of which the highest is kept, or a rest."""
        line, (ratio, left) = self.lines[-1], self.tuplet
        quarters = _times(length) * self.unit * ratio * self.broken
        self.tuplet = (ratio, left - 1) if left > 1 else (Fraction(1), 0)
        self.broken = Fraction(1)
        if notes[0]["letter"] not in "zx":
            line.notes.append((line.length, quarters, max(map(self._pitch, notes)), False))
        line.length += quarters

    def _tie(self, tied: bool) -> None:
        """Ties the last note to the next; it may stand after a broken rhythm's mark, and is a slur between pitches."""
        notes = self.lines[-1].notes
        if notes and tied:
            notes[-1] = (*notes[-1][:3], True)

    def _pitch(self, note: re.Match[str]) -> int:
        letter = note["letter"].upper()
        octave = note["letter"].islower() + note["octave"].count("'") - note["octave"].count(",")
        if note["accidental"]:  # it holds for that note until the bar ends, as engravers have it
            self.accidentals[letter, octave] = SEMITONES[note["accidental"]]
        altered = self.accidentals.get((letter, octave), self.altered.get(letter, 0))
        return 60 + 12 * octave + LETTERS[letter] + altered

    def _break(self, marks: str) -> None:
        """a>b: the first note is longer by as much as the second is shorter; a<b the other way round."""
        line, share = self.lines[-1], Fraction(1, 2 ** len(marks))
        if not line.notes or line.notes[-1][0] + line.notes[-1][1] != line.length:
            raise AbcError(f"{marks!r} does not follow a note")
        long, short = 2 - share, share
        first, self.broken = (long, short) if marks[0] == ">" else (short, long)
        start, length, pitch, tied = line.notes[-1]
        line.notes[-1] = (start, length * first, pitch, tied)
        line.length = start + length * first

    def _tuplet(self, many: int, time: str | None, count: str | None) -> None:
        compound = self.signature is not None and self.signature[0] % 3 == 0 and self.signature[0] > 3
        default = TUPLETS.get(many, 3 if compound else 2)
        self.tuplet = Fraction(int(time or default), many), int(count or many)

    def _bar(self, bar: str, ending: str | None) -> None:
        line = self.lines[-1]
        line.closes |= bar.startswith(":")
        line.ends |= "||" in bar or "]" in bar
        self.accidentals.clear()
        after = Line(self.signature, self.key, opens=bar.endswith(":"))
        if not line.length and not line.closes:  # nothing since the last bar line: the same place
            self.lines.pop()
            after.opens, after.ending, after.chords = after.opens or line.opens, line.ending, line.chords
        after.ending = int(ending[-1]) if ending else after.ending
        self.lines.append(after)

    def _change(self, letter: str, value: str) -> None:
        if letter == "V":
            raise AbcError("several voices (V:) are not read here")
        if letter == "K":
            self.key, self.altered = _key(value)
        elif letter == "M":
            self.signature = _signature(value)
        elif letter == "L":
            self.unit = _unit(value)
        line = self.lines[-1]
        if not line.length:
            line.signature, line.key = self.signature, self.key
        elif letter == "M":
            raise AbcError("the meter changes within a measure")

    def _default_unit(self) -> Fraction:
        short = self.signature is not None and Fraction(*self.signature) < Fraction(3, 4)
        return Fraction(1, 4) if short else Fraction(1, 2)


def _played(lines: list[Line]) -> Iterator[int]:
    """The order in which measures are played: repeats twice, first endings the first time only.

    A repeat goes back to where it opens; where nothing opens it, to the double bar or the repeat before it.
    """
    start, turn, opened, last, i = 0, 1, False, False, 0
    while i < len(lines):
        line = lines[i]
        if line.opens and i != start:
            start, turn, last = i, 1, False
        opened |= line.opens
        if line.ending == 2 and turn == 1:  # no repeat is printed before the second ending
            i, turn = start, 2
            continue
        if line.ending == 1 and turn == 2:
            i = next((j for j in range(i, len(lines)) if lines[j].ending == 2), len(lines))
            continue
        yield i
        last |= line.ending == 2
        if line.closes and turn == 1:
            i, turn = start, 2
            continue
        i += 1
        if line.closes or (line.ends and (last or not opened)):
            start, turn, opened, last = i, 1, False, False


def _tied(notes: list[tuple[Fraction, Fraction, int, bool]]) -> Iterator[tuple[Fraction, Fraction, int]]:
    """Ties joined, also over bar lines and repeats."""
    held: tuple[Fraction, Fraction, int, bool] | None = None
    for note in notes:
        if held and held[3] and held[2] == note[2] and held[0] + held[1] == note[0]:
            held = (held[0], held[1] + note[1], note[2], note[3])
            continue
        if held:
            yield held[:3]
        held = note
    if held:
        yield held[:3]


def _times(text: str) -> Fraction:
    """ "3/2", "/" (a half), "//" (a quarter), "2", or nothing (once)."""
    many, slashes, parts = LENGTH.fullmatch(text).groups()
    return Fraction(int(many or 1), int(parts) if parts else 2 ** len(slashes))


def _unit(text: str) -> Fraction:
    """L:1/8 is half a quarter."""
    match = re.fullmatch(r"1/(\d+)", text)
    if match is None:
        raise AbcError(f"L:{text} is no unit: expected such as 1/8")
    return Fraction(4, int(match[1]))


def _signature(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d+)/(1|2|4|8|16|32)", text)
    if match is None and text not in (*SIGNATURES, "none", ""):
        raise AbcError(f"M:{text} is no signature: expected such as 9/8, C, C| or none")
    return (int(match[1]), int(match[2])) if match else SIGNATURES.get(text)


def _key(text: str) -> tuple[str | None, dict[str, int]]:
    """The key's name if it is major or minor, and what it does to the letters."""
    match = KEY.fullmatch(text)
    mode = match[3] if match and match[3] == "m" else match[3].lower()[:3] if match else ""
    if match is None or (mode not in MODES and match[3] != "M"):
        raise AbcError(f"K:{text} is no key: expected such as G, F# minor or Ador")
    mode = "" if match[3] == "M" else mode
    sharps = SHARPS[match[1]] + MODES[mode] + {"b": -7, "#": 7, "": 0}[match[2]]
    order = "FCGDAEB"
    altered = dict.fromkeys(order[:sharps], 1) if sharps > 0 else dict.fromkeys(order[::-1][:-sharps], -1)
    tonic = NAMES[pitch_class(match[1], match[2])]
    return f"{tonic} major" if mode in MAJOR else f"{tonic} minor" if mode in MINOR else None, altered


def _tempo(text: str) -> float | None:
    """Quarters a minute of "1/4=120", "3/8=104"; None of words and of tempi that count no note value."""
    match = re.match(r"(\d+)/(\d+)\s*=\s*(\d+)", text)
    return 4.0 * int(match[1]) / int(match[2]) * int(match[3]) if match else None
