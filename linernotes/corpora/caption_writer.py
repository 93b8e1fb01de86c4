"""Captions of music from what is true of it: which facts are told, in which order and in which words is drawn.

Nothing is told that the facts do not hold, and `linernotes.modeling.caption_facts` reads from every caption what was
told, which the tests check over all sentences. Captions of one recording are differently worded; with `withheld` they
are made of sentences that nothing is learned from.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np

from linernotes.corpora import caption_grammar as grammar
from linernotes.corpora.music_facts import MusicFacts
from linernotes.modeling.music_words import KINDS

MOST_INSTRUMENTS = 4  # that are named
ODDS = {"style": 0.9, "mood": 0.5, "i": 0.95, "k": 0.5, "t": 0.6, "m": 0.2, "v": 0.6, "n": 0.25}
VOWELS = tuple("aeiouAEIOU")


def write_caption(facts: MusicFacts, rng: np.random.Generator, withheld: bool = False) -> str:
    """One caption of a recording.

    withheld: whether of the sentences that are kept for the test. A recording of which nothing is known that could be
    told is "a piece of music".
    """
    first, following = (grammar.WITHHELD, grammar.WITHHELD_NEXT) if withheld else (grammar.LEARNT, grammar.LEARNT_NEXT)
    words, left = drawn_words(facts, rng), ""
    told = [letter for letter, known in tellable(facts).items() if known and rng.random() < ODDS[letter]]
    sentence, left = _sentence(first, told, rng, opening=True)
    sentences = [sentence]
    while left:
        sentence, left = _sentence(following, left, rng)
        sentences.append(sentence)
    return " ".join(each.format_map(words) for each in sentences)


def captions_of(facts: MusicFacts, clip: str, count: int) -> list[str]:
    """Captions in the sentences that are kept for the test: the same for the same clip, whenever they are asked for."""
    rng = np.random.default_rng(list(sha256(clip.encode()).digest()[:16]))
    return [write_caption(facts, rng, withheld=True) for _ in range(count)]


def tellable(facts: MusicFacts) -> dict[str, bool]:
    """Which kinds of facts, by the letters of the grammar, are known and have words."""
    return {
        "i": bool(nameable(facts)),
        "k": facts.key is not None,
        "t": facts.tempo is not None,
        "m": facts.meter is not None,
        "v": facts.vocals is not None,
        "n": bool(deniable(facts)),
    }


def nameable(facts: MusicFacts) -> list[str]:
    return [name for name in facts.instruments or () if name in grammar.NAMES]


def deniable(facts: MusicFacts) -> list[str]:
    """Instruments that are surely not there, nor any that goes by their name."""
    if facts.instruments is None or not facts.complete:
        return []
    return [name for name in grammar.ABSENT if not {name, *KINDS.get(name, ())} & set(facts.instruments)]


def _sentence(
    sentences: Mapping[str, Sequence[str]], told: Sequence[str], rng: np.random.Generator, opening: bool = False
) -> tuple[str, list[str]]:
    """A sentence that tells some of the facts that are to be told, and those that are left."""
    kinds = [kind for kind in sentences if set(kind) <= set(told) and (kind or opening)]
    sizes = np.array([0.3 + len(kind) for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=sizes / sizes.sum())]
    return _pick(sentences[kind], rng), [letter for letter in told if letter not in kind]


def drawn_words(facts: MusicFacts, rng: np.random.Generator) -> dict[str, str]:
    """What stands for each slot of the grammar; "" where nothing is known."""
    what, names = _what(facts, rng), nameable(facts)
    chosen = [names[i] for i in sorted(rng.permutation(len(names))[:MOST_INSTRUMENTS])]
    listed = [_pick(grammar.NAMES[name], rng) for name in rng.permutation(chosen)] if chosen else []
    several = len(listed) > 1 or any(name.endswith("s") and not name.startswith(("a ", "an ")) for name in listed)
    paced = _pick(grammar.PACED[facts.tempo], rng) if facts.tempo else ""
    absent = _pick(grammar.ABSENT[_pick(deniable(facts), rng)], rng) if deniable(facts) else ""
    words = {
        "what": what,
        "a_what": with_article(what),
        "who": joined(listed),
        "play": "play" if several else "plays",
        "is": "are" if listed and listed[0].endswith("s") and not listed[0].startswith(("a ", "an ")) else "is",
        "is_no": "are" if absent.endswith("s") else "is",
        "key": _key(facts.key, rng) if facts.key else "",
        "tempo": _pick(grammar.TEMPOS[facts.tempo], rng) if facts.tempo else "",
        "paced": paced,
        "a_paced": with_article(paced),
        "meter": _pick(grammar.METERS.get(facts.meter, (facts.meter,)), rng) if facts.meter else "",
        "sung": _pick(grammar.SUNG[facts.vocals], rng) if facts.vocals else "",
        "voice": _pick(grammar.VOICE_SENTENCES[facts.vocals], rng) if facts.vocals else "",
        "absent": absent,
    }
    return words | {name[:1].upper() + name[1:]: text[:1].upper() + text[1:] for name, text in words.items()}


def _what(facts: MusicFacts, rng: np.random.Generator) -> str:
    style = _pick(facts.styles, rng) if facts.styles and rng.random() < ODDS["style"] else ""
    moods = [mood for mood in facts.moods or () if mood in grammar.MOODS]
    mood = _pick(grammar.MOODS[_pick(moods, rng)], rng) if moods and rng.random() < ODDS["mood"] else ""
    return " ".join(filter(None, (mood, style, _pick(grammar.PIECES if style else grammar.PLAIN_PIECES, rng))))


def _key(key: str, rng: np.random.Generator) -> str:
    """ "C# minor" also as "C sharp minor"."""
    spoken = key.replace("#", " sharp").replace("b ", " flat ")
    return _pick((key, key, spoken), rng)


def with_article(words: str) -> str:
    return f"an {words}" if words.startswith(VOWELS) else f"a {words}"


def joined(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return str(options[rng.integers(len(options))])
