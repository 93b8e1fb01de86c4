"""Whether what captions state is true: precision and recall of facts, kind by kind, with intervals over groups.

    precision   of all statements that could be judged, the share that is true
    recall      of all facts that are known, the share that was stated

A statement of which nobody knows whether it is true (an instrument that a person's caption does not name) counts in
neither. Each statement counts once a caption. The baseline is the one caption for all recordings whose statements are
true most often. Facts are read from captions by `linernotes.modeling.caption_facts`, which knows nothing of how
captions were written.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import mir_eval
import numpy as np

from linernotes.corpora.music_facts import MusicFacts
from linernotes.modeling.caption_facts import Statement, statements
from linernotes.modeling.music_words import KINDS
from linernotes.training.bootstrap import ratio, resample, with_interval

FACT_KINDS = ("key", "tempo", "meter", "instrument", "vocals", "style")
TRUE, FALSE, STATED, KNOWN = range(4)  # columns of a tally


def holds(statement: Statement, facts: MusicFacts) -> bool | None:
    """Whether a statement is true of a recording; None where nobody knows."""
    if statement.kind == "instrument":
        return instrument_holds(statement, facts)
    if statement.kind == "style":
        if facts.styles is None:
            return None
        return (statement.value in facts.styles) != statement.denied
    known = getattr(facts, statement.kind)
    if known is None:
        return None
    if statement.kind == "vocals" and statement.value == "voice":
        return known != "instrumental"
    if statement.kind == "vocals" and known == "voice":
        return False if statement.value == "instrumental" else None
    return statement.value == known


def instrument_holds(statement: Statement, facts: MusicFacts) -> bool | None:
    """A name is true of what goes by it: strings of a violin. Denied, it is false of any of these."""
    meant = {statement.value, *KINDS.get(statement.value, ())}
    if facts.instruments is not None and meant & set(facts.instruments):
        return not statement.denied
    if (facts.instruments is not None and facts.complete) or statement.value in facts.absent:
        return statement.denied
    return None


def told(caption: str) -> list[Statement]:
    """The statements of a caption, each once; "a voice" says nothing besides whose it is."""
    found = {(each.kind, each.value, each.denied): each for each in statements(caption)}
    if any(kind == "vocals" and value in ("female", "male") for kind, value, _ in found):
        found.pop(("vocals", "voice", False), None)
    return list(found.values())


def known_facts(facts: MusicFacts) -> list[tuple[str, str]]:
    """(kind, value) of all that is known and could be stated."""
    single = [(kind, getattr(facts, kind)) for kind in ("key", "tempo", "meter", "vocals")]
    several = [("instrument", name) for name in facts.instruments or ()] + [
        ("style", name) for name in facts.styles or ()
    ]
    return [(kind, value) for kind, value in single if value is not None] + several


def is_stated(kind: str, value: str, said: Sequence[Statement]) -> bool:
    names = [each.value for each in said if each.kind == kind and not each.denied]
    if kind == "instrument":
        return any(value == name or value in KINDS.get(name, ()) for name in names)
    return value in names or (kind == "vocals" and value == "voice" and bool({"female", "male"} & set(names)))


def tally(captions: Sequence[str], truths: Sequence[MusicFacts]) -> np.ndarray:
    """Of each recording and kind how many statements are true and false, how many facts are stated and known:
    (recordings, kinds, 4)."""
    counts = np.zeros((len(captions), len(FACT_KINDS), 4))
    for row, caption, facts in zip(counts, captions, truths, strict=True):
        said = told(caption)
        for each in said:
            true = holds(each, facts)
            if true is not None:
                row[FACT_KINDS.index(each.kind), TRUE if true else FALSE] += 1
        for kind, value in known_facts(facts):
            row[FACT_KINDS.index(kind), KNOWN] += 1
            row[FACT_KINDS.index(kind), STATED] += is_stated(kind, value, said)
    return counts


def shares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of counts (..., 4); NaN where nothing could be judged, or nothing is known."""
    precision = ratio(counts[..., TRUE], counts[..., TRUE] + counts[..., FALSE])
    return precision, ratio(counts[..., STATED], counts[..., KNOWN])


def constant_tally(truths: Sequence[MusicFacts]) -> np.ndarray:
    """What `tally` finds of the one caption that states of each kind what holds most often, (recordings, kinds, 4)."""
    counts = np.zeros((len(truths), len(FACT_KINDS), 4))
    every = [known_facts(facts) for facts in truths]
    for number, kind in enumerate(FACT_KINDS):
        found = Counter(value for facts in every for name, value in facts if name == kind)
        if not found:
            continue
        guess = Statement(kind, found.most_common(1)[0][0], False, 0, 0)
        for row, facts, known in zip(counts, truths, every, strict=True):
            true = holds(guess, facts)
            row[number, [TRUE, FALSE]] += (true is True, true is False)
            row[number, KNOWN] += sum(name == kind for name, _ in known)
            row[number, STATED] += sum(name == kind and is_stated(kind, value, [guess]) for name, value in known)
    return counts


def fact_figures(captions: Sequence[str], truths: Sequence[MusicFacts], groups: np.ndarray) -> dict[str, Any]:
    """fact_precision and fact_recall of all statements together, and `by_kind` the same of each kind that is known,
    with how many statements were judged and how many facts there are."""
    counts, always = tally(captions, truths), constant_tally(truths)
    numbers = np.unique(groups, return_inverse=True)[1]
    weights = resample(int(numbers.max()) + 1, seed=0)[:, numbers]

    def figures_of(part: np.ndarray, plain: np.ndarray) -> dict[str, Any]:
        drawn = shares(weights @ part)
        pairs = zip(("fact_precision", "fact_recall"), shares(part.sum(0)), drawn, shares(plain.sum(0)), strict=True)
        return {name: with_interval(float(v), d, majority_baseline=float(base)) for name, v, d, base in pairs}

    found = figures_of(counts.sum(1), always.sum(1))
    found["by_kind"] = {
        kind: figures_of(counts[:, number], always[:, number])
        | {
            "statements": int(counts[:, number, [TRUE, FALSE]].sum()),
            "known": int(counts[:, number, KNOWN].sum()),
        }
        for number, kind in enumerate(FACT_KINDS)
        if counts[:, number].any()
    }
    return found


def fact_difference(
    ours: Sequence[str], theirs: Sequence[str], truths: Sequence[MusicFacts], groups: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Precision and recall of our captions minus those of others of the same recordings, resampled together."""
    numbers = np.unique(groups, return_inverse=True)[1]
    weights = resample(int(numbers.max()) + 1, seed=0)[:, numbers]
    both = [tally(captions, truths).sum(1) for captions in (ours, theirs)]
    values, draws = (
        [shares(part) for part in parts] for parts in ([b.sum(0) for b in both], [weights @ b for b in both])
    )
    found = {}
    for number, name in enumerate(("fact_precision", "fact_recall")):
        value, drawn = (each[0][number] - each[1][number] for each in (values, draws))
        found[name] = with_interval(float(value), drawn) | {"n": len(truths), "n_groups": int(numbers.max()) + 1}
    return found


def key_scores(keys: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """MIREX's weighted score: 1 for the key, 0.5 a fifth above, 0.3 the relative, 0.2 the parallel key, else 0."""
    return np.array([mir_eval.key.weighted_score(*pair) for pair in zip(keys, answers, strict=True)])
