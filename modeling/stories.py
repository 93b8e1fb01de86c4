"""One story of a long recording, composed of what was heard of its sections: the same words for the same facts.

Neighbours that say the same are told together; of a change it is said when it comes and what is new, what ends and what
stays away. Times are minutes and seconds from the start.
"""

from dataclasses import dataclass, field
from typing import Any

from .music_words import INSTRUMENTS, STYLES, squashed

FACTS = ("key", "vocals", "instruments", "genres")
VOICES = {"instrumental": "no singing", "female": "a female voice", "male": "a male voice", "voice": "a voice"}
SPACED = {squashed(name): name for name in (*INSTRUMENTS, *STYLES)}
MANY = ("drums", "strings")  # names that are plural
SURE = 0.5  # a key or a voice that is less likely is not told, nor one that is uncertain


@dataclass
class Told:
    """What is told of one stretch: its times in seconds, its caption, and the facts that hold in it."""

    start_seconds: float
    end_seconds: float
    caption: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def told(segment: dict[str, Any]) -> Told:
    """A segment of `predict(..., long=True)` with its facts alone: labels, not probabilities."""
    facts = {}
    for name in FACTS:
        if name in segment:
            found = segment[name]
            if "labels" in found:
                facts[name] = tuple(sorted(found["labels"]))
            else:
                sure = found["confidence"] >= SURE and not found.get("uncertain", False)
                facts[name] = found["label"] if sure else None
    if "vocals" in facts and "voice" in facts.get("instruments", ()):  # one of the two says it, who knows more
        facts["instruments"] = tuple(name for name in facts["instruments"] if name != "voice")
        facts["vocals"] = facts["vocals"] or "voice"
    return Told(segment["start_seconds"], segment["end_seconds"], segment.get("caption") or "", facts)


def merged(stretches: list[Told]) -> list[Told]:
    """Neighbours of which nothing different is known as one, with all their facts and the first's caption.

    Where there are no facts at all, those that have the same caption.
    """
    found: list[Told] = []
    for stretch in stretches:
        last = found[-1] if found else None
        if last and same(last.facts, stretch.facts) and (stretch.facts or last.caption == stretch.caption):
            facts = {name: last.facts[name] or value for name, value in stretch.facts.items()}
            found[-1] = Told(last.start_seconds, stretch.end_seconds, last.caption or stretch.caption, facts)
        else:
            found.append(stretch)
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether nothing is known to differ; a key or voice that is not sure differs from none."""
    known = one.keys() == other.keys()  # of silence nothing is
    return known and all(None in (one[name], other[name]) or one[name] == other[name] for name in one)


def story(segments: list[dict[str, Any]]) -> str:
    """The story of a recording.

    segments: in order, each with `start_seconds`, `end_seconds`, `caption` (or None) and facts as `predict` gives them.
    """
    parts, lines = merged([told(segment) for segment in segments]), []
    for number, part in enumerate(parts):
        before = parts[number - 1].facts if number else {}
        changes = changed(before, part.facts) if before and part.facts else opening(part.facts)
        times = f"{clock(part.start_seconds)}-{clock(part.end_seconds)}"
        words = [f"{changes[0].upper()}{changes[1:]}." if changes else "", part.caption]
        lines.append(f"{times}: {' '.join(filter(None, words)) or 'Nothing is sure here.'}")
    return "\n".join(lines)


def opening(facts: dict[str, Any]) -> str:
    """What holds at the start, as half a sentence."""
    genres = [spaced(name) for name in facts.get("genres", ())]
    kind = f"{listed(genres)} music" if genres else "music"
    key = f"in {facts['key']}" if facts.get("key") else ""
    heard = [spaced(name) for name in facts.get("instruments", ())]
    heard += [VOICES.get(facts["vocals"], facts["vocals"])] if facts.get("vocals") else []
    return " ".join(filter(None, (kind, key, f"with {listed(heard)}" if heard else ""))) if facts else ""


def changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What is another from one stretch to the next, as half a sentence."""
    said, voice = [], after.get("vocals")
    if after.get("key") and after["key"] != before.get("key"):
        since = f"the key changes from {before['key']} to" if before.get("key") else "the key is now"
        said.append(f"{since} {after['key']}")
    if voice and voice != before.get("vocals"):
        said.append("the singing stops" if voice == "instrumental" else f"{VOICES.get(voice, voice)} enters")
    for name, comes, goes in (("instruments", "enters", "falls silent"), ("genres", "comes in", "fades away")):
        had, has = (set(facts.get(name, ())) for facts in (before, after))
        for names, verb in ((has - had, comes), (had - has, goes)):
            if names:
                many = sorted(map(spaced, names))
                said.append(f"{listed(many)} {verb if len(many) == 1 and many[0] not in MANY else plural(verb)}")
    return "; ".join(said)


def sentence_of(facts: dict[str, Any]) -> str:
    """One sentence that says facts and nothing else; for a caption of which nothing else was left."""
    words = opening(facts)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def plural(verb: str) -> str:
    """enters -> enter, falls silent -> fall silent."""
    first, *rest = verb.split(" ")
    return " ".join((first.removesuffix("s"), *rest))


def spaced(name: str) -> str:
    """A class of MTG-Jamendo as words."""
    return SPACED.get(name, name)


def listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def clock(seconds: float) -> str:
    """61.5 -> 1:01.5; whole seconds without a decimal; hours only where there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"
