"""What a caption states of the music: key, tempo word, meter, instruments, vocals, style. Pure functions over English.

A statement is what can be true or false of a recording: "in A minor", "slow tempo", "3/4", "an acoustic guitar", "no
drums", "a female voice", "a jazz song". Of what music is good for ("for a car chase") and of moods nothing is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .music_words import FEMALE, MALE, SINGING, vocabulary

PLAIN = str.maketrans({"\u2019": "'", "\u266f": "#", "\u266d": "b"})  # one for one: places stay what they are
SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\d)[^.!?\n]*)*[.!?]*")
TONICS = {"C#": "C#", "DB": "C#", "D#": "Eb", "EB": "Eb", "FB": "E", "E#": "F", "F#": "F#", "GB": "F#", "G#": "Ab"}
TONICS |= {"AB": "Ab", "A#": "Bb", "BB": "Bb", "CB": "B", "B#": "C"} | {tonic: tonic for tonic in "CDEFGAB"}
KEY = re.compile(
    r"(?P<before>\b(?:in|of|is|to|from|into|key|around)(?: the)?(?: key(?: of)?)?:? )?"
    r"(?<![\w'])(?P<tonic>[A-Ga-g])(?:(?P<sign>[#b])|[- ]?(?P<word>sharp|flat))?[- ](?P<mode>major|minor|maj|min)\b"
    r"(?! (?:role|part|changes?|differences?|league|hit|issues?|problem))"
)
PACE = r"(?:tempo|paced?|pacing|beats?|rhythms?|songs?|ballads?|tracks?|pieces?|tunes?|music|numbers?|waltz|speed)"
BETWEEN = r"(?:[ -](?:and )?(?!but|not|to|of|in|with|the|a|an)[\w-]+){0,2}"
VERY = "(?:very |extremely |really )?"
TEMPO_WORDS = {
    "slow": rf"{VERY}slow(?:er)?|leisurely|low",
    "medium": r"medium(?:[- ](?:to[- ])?(?:fast|slow))?|mid|moderate(?:ly)?|mid-?range",
    "fast": rf"{VERY}fast(?:er)?|quick|rapid|brisk|high|up",
}
TEMPO_OF = {  # a word that says it with what it is said of
    "slow": rf"(?:slow|slow-moving|leisurely){BETWEEN}[ -]{PACE}\b|\bdowntempo\b|\bslowly paced",
    "medium": rf"(?:medium|moderate|mid){BETWEEN}[ -](?:paced?|pacing|beat|speed)\b|\bmoderately paced",
    "fast": rf"(?:fast|quick|brisk){BETWEEN}[ -]{PACE}\b|\bup-?tempo",
}
TEMPO_IS = r"\b(?:tempo|pace|speed) (?:of \w+ \w+ )?is (?:a )?"
TEMPOS = {
    word: re.compile(rf"\b(?:{words})[ -]?tempo\b|{TEMPO_IS}(?:{words})\b|\b(?:{TEMPO_OF[word]})\b", re.IGNORECASE)
    for word, words in TEMPO_WORDS.items()
}
METERS = [
    (re.compile(r"(?<![\d/])(1[0-5]|[2-9])/(2|4|8|16)(?![\d/])"), None),
    (re.compile(r"\bcommon time\b", re.I), "4/4"),
    (re.compile(r"\bwaltz(?:es)?\b|\bthree[- ]four\b|\btriple (?:meter|metre|time)\b", re.I), "3/4"),
    (re.compile(r"\bfour[- ]four\b|\bfour[- ]on[- ]the[- ]floor\b", re.I), "4/4"),
    (re.compile(r"\bsix[- ]eight\b", re.I), "6/8"),
    (re.compile(r"\bfive[- ]four\b", re.I), "5/4"),
    (re.compile(r"\bseven[- ]eight\b", re.I), "7/8"),
]
FEW = r"(?:[\w'-]+[ ,]+(?:and |or )?){0,4}?"
ITEM = r"(?:(?!an? |the )[\w-]+ ){0,3}"  # what may stand before a name: "no loud electric guitar"
DENIED = re.compile(
    r"(?:\bno|\bnot any|\bwithout(?: any| an?)?|\black(?:s|ing|ed)?(?: of)?(?: any)?|\babsence of|\bdevoid of|"
    r"n't (?:any|(?:have|contain|feature|include)(?: any| an?)?)) "
    rf"(?:{ITEM}[\w-]+(?:, (?:or |nor )?| or | nor )){{0,4}}{ITEM}$",
    re.IGNORECASE,
)
# what music is good for is no statement about it
PURPOSE = re.compile(
    r"\b(?:can|could|may|might|would)(?: also| well)? (?:be|work) (?:well )?(?:used|playing|played|play|heard|suitable|"
    r"in|ideal|perfect|great|good|performed|an?|the)\b.*|\b(?:suitable|ideal|perfect|great|good) (?:for|as|in)\b.*",
    re.IGNORECASE,
)
LIKENED = re.compile(
    r"\b(?:like (?:an?|the|some)|(?:serving as|acts? as|resembl\w+|imitat\w+|reminiscent of|similar to)"
    r"(?: that of)?(?: an?| the)?)\s+(?:\w+ )?$",
    re.IGNORECASE,
)
NOT_HEARD = re.compile(r"^(?:-like\b| (?:is|are) (?:not|barely|hardly) (?:audible|heard|played|present)\b)", re.I)
SUNG_BY = rf"\b{SINGING}\b (?:is |are )?(?:by |of |from )?(?:an? |the )?"
SINGERS = {
    whose: re.compile(rf"\b{words}\b {FEW}{SINGING}\b|{SUNG_BY}{words}\b", re.IGNORECASE)
    for whose, words in (("female", FEMALE), ("male", MALE))
}
SUNG = re.compile(rf"\b{SINGING}\b", re.IGNORECASE)
INSTRUMENTAL = re.compile(r"\binstrumental\b(?! (?:break|part|section|solo|intro|interlude|accompaniment))", re.I)


@dataclass(frozen=True)
class Statement:
    """One thing that a caption says: kind "key", "tempo", "meter", "instrument", "vocals" or "style", and its value.

    denied: whether the caption says that it is not there. start, stop: where the words stand in the caption.
    """

    kind: str
    value: str
    denied: bool
    start: int
    stop: int


@dataclass(frozen=True)
class Facts:
    """What a caption states, all sentences together; None or nothing where it does not say.

    key: as "A minor", C# Eb F# Ab Bb for the black keys. tempo: "slow", "medium", "fast". meter: as "3/4".
    vocals: "instrumental", "female", "male", "mixed", or "voice" where it does not say whose.
    absent: the instruments that are said not to be there.
    """

    key: str | None
    tempo: str | None
    meter: str | None
    vocals: str | None
    instruments: frozenset[str]
    absent: frozenset[str]
    styles: frozenset[str]


def sentences(text: str) -> list[str]:
    """The sentences of a caption, each with the mark that ends it."""
    return [found for match in SENTENCE.finditer(text) if (found := match[0].strip())]


def facts_of(caption: str) -> Facts:
    """The facts that a caption states. Of several keys, tempi or meters, the first counts."""
    said = statements(caption)

    def all_of(kind: str, denied: bool = False) -> list[str]:
        return [each.value for each in said if each.kind == kind and each.denied == denied]

    voices = set(all_of("vocals"))
    singing = voices - {"instrumental"}
    whose = "mixed" if {"female", "male"} <= singing else next(iter(sorted(singing - {"voice"})), None)
    return Facts(
        **{kind: next(iter(all_of(kind)), None) for kind in ("key", "tempo", "meter")},
        vocals=whose or ("voice" if singing else "instrumental" if voices else None),
        instruments=frozenset(all_of("instrument")),
        absent=frozenset(all_of("instrument", denied=True)),
        styles=frozenset(all_of("style")),
    )


def statements(caption: str) -> list[Statement]:
    """All that a caption states, in the order of its words."""
    found, caption = [], caption.translate(PLAIN)
    for match in SENTENCE.finditer(caption):
        text = PURPOSE.sub("", match[0])
        for part in (_key, _tempo, _meter, _vocals, _named):
            found += [
                Statement(kind, value, denied, match.start() + start, match.start() + stop)
                for kind, value, denied, start, stop in part(text)
            ]
    return sorted(found, key=lambda each: (each.start, each.kind))


def _key(text: str) -> Iterator[tuple]:
    for match in KEY.finditer(text):
        tonic, sign = match["tonic"], match["sign"] or match["word"] or ""
        before = match["before"] or ""
        if tonic.islower() and "key" not in before:  # "in a minor key"
            continue
        if tonic == "A" and not before and not sign:  # "A minor third"
            continue
        name = TONICS[tonic.upper() + {"sharp": "#", "flat": "B", "b": "B"}.get(sign, sign)]
        yield "key", f"{name} {match['mode'][:3]}or", False, match.start("tonic"), match.end()


def _tempo(text: str) -> Iterator[tuple]:
    first = [(match.start(), word, match) for word, each in TEMPOS.items() if (match := each.search(text))]
    if first:
        start, word, match = min(first, key=lambda found: found[0])
        yield "tempo", word, False, start, match.end()


def _meter(text: str) -> Iterator[tuple]:
    for each, name in METERS:
        if match := each.search(text):
            yield "meter", name or match[0], False, match.start(), match.end()
            return


def _vocals(text: str) -> Iterator[tuple]:
    sung = [match for match in SUNG.finditer(text) if not _likened(text, match)]
    heard = [match for match in sung if not DENIED.search(text[: match.start()])]
    if sung and not heard:
        yield "vocals", "instrumental", False, sung[0].start(), sung[0].end()
    for whose in ("female", "male") if heard else ():
        match = SINGERS[whose].search(text)
        if match and not DENIED.search(text[: match.start()] + " "):
            yield "vocals", whose, False, match.start(), match.end()
    if heard:
        yield "vocals", "voice", False, heard[0].start(), heard[0].end()
    elif match := INSTRUMENTAL.search(text):
        yield "vocals", "instrumental", False, match.start(), match.end()


def _named(text: str) -> Iterator[tuple]:
    """Instruments and styles; of names that overlap the longest counts: a bass guitar is no guitar."""
    found = [
        (match.start(), match.end(), kind, name)
        for kind, name, words in vocabulary()
        for match in words.finditer(text)
        if kind == "style" or not _likened(text, match)
    ]
    taken: list[tuple[int, int]] = []
    for start, stop, kind, name in sorted(found, key=lambda each: (each[0] - each[1], each[0])):
        if all(stop <= other or start >= end for other, end in taken):
            taken.append((start, stop))
            yield kind, name, bool(DENIED.search(text[:start])), start, stop


def _likened(text: str, match: re.Match[str]) -> bool:
    """Whether the words only say what something sounds like."""
    return bool(LIKENED.search(text[: match.start()]) or NOT_HEARD.match(text[match.end() :]))
