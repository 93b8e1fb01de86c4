"""Meters as labels: what a table or a score states, the classes that are learned, and multi-hot vectors of them.

A meter is the number of pulses in a bar, whatever their length: 3/4 and 3/8 are 3, 9/8 is 9. What states several at
once (a polyrhythm) may give each a weight above 0 and up to 1: how strongly it is heard beside the others.
Classes and label smoothing: "MERT LoRA Multi-Label Experiment" (BeatMeter, round 12).
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from linernotes.corpora.score.score import Facts  # needs pretty_midi, which readers of tables do not

METER_CLASSES = (3, 4, 5, 7, 9, 11)
STATED = re.compile(r"(?P<meter>\d+)(?:\.0+)?(?:/\d+)?(?::(?P<weight>\d*\.?\d+))?")
FORMS = 'such as 3, "3/4", "3,4", "3:0.7,4:0.8", [3, 4] or {"3": 1.0}, each meter once, weights above 0 and up to 1'


class MeterError(ValueError):
    """What states no meter: the message has what was got and the forms that are known."""


def parse_meters(stated: Any) -> dict[int, float]:
    """Meters and their weights, in ascending order: "3/4" is {3: 1.0}, "3:0.7,4:0.8" is {3: 0.7, 4: 0.8}.

    Args:
        stated: a number, text (as in label files), a list of either, or a mapping of meters to weights.

    Raises MeterError for another form, a meter that stands twice, a weight out of range, and where nothing is stated.
    """
    if isinstance(stated, Mapping):
        parts = [f"{meter}:{weight}" for meter, weight in stated.items()]
    elif isinstance(stated, (list, tuple)):
        parts = [str(part) for part in stated]
    else:
        parts = str(stated).strip().strip("\"'").split(",")
    matches = [STATED.fullmatch(part.strip()) for part in parts]
    if not all(matches):
        raise MeterError(f"{stated!r} states no meter: expected a form {FORMS}")
    pairs = sorted((int(match["meter"]), float(match["weight"] or 1.0)) for match in matches)
    meters = dict(pairs)
    if not meters or len(meters) < len(pairs) or 0 in meters or not all(0.0 < weight <= 1.0 for _, weight in pairs):
        raise MeterError(f"{stated!r} states no meter: expected a form {FORMS}")
    return meters


def known_meters(meters: Mapping[int, float], classes: Iterable[int] = METER_CLASSES) -> dict[int, float]:
    """Those of the meters that are classes; none, where the music is outside all of them."""
    classes = frozenset(classes)
    return {meter: weight for meter, weight in meters.items() if meter in classes}


def multi_hot(meters: Iterable[int | str], negative: float = 0.0, classes: Iterable[int] = METER_CLASSES) -> np.ndarray:
    """A float32 vector `(classes,)`: 1 where a meter is stated, else `negative` (0.1 smooths labels).

    Raises MeterError for a meter that is no class, and for none at all: what has no label is left out, not negative.
    """
    classes, stated = tuple(classes), {int(meter) for meter in meters}
    if not stated or not stated <= set(classes):
        raise MeterError(f"meters {sorted(stated)}: expected one or more of {', '.join(map(str, classes))}")
    return np.array([1.0 if meter in stated else negative for meter in classes], dtype=np.float32)


def meters_of(facts: "Facts", classes: Iterable[int] = METER_CLASSES) -> tuple[int, ...]:
    """The meters that are heard in a score, ascending; none where it is to be left out (`why_left_out` says why).

    A layer of a polyrhythm counts if its cycle is a class: 4:3 is 3 and 4, 5:4 is 4 and 5, 7:4 is 4 and 7, 3:2 is 3.
    The stated meter counts besides where a band plays it: 3:2 in the 4/4 of bass and drums is 3 and 4. Layers that
    play alone show nothing of it but themselves, so that they alone count. They are told by having no key.
    """
    classes = frozenset(classes)
    if why_left_out(facts, classes) is not None:
        return ()
    layers = {int(layer) for layer in facts.polyrhythm.split(":")} if facts.polyrhythm else set()
    stated = set() if layers and facts.key is None else {facts.meter}
    return tuple(sorted((layers | stated) & classes))


def why_left_out(facts: "Facts", classes: Iterable[int] = METER_CLASSES) -> str | None:
    """Why a score is no example of the classes, to be counted: a meter that changes, or one outside (2, 6, 8, 10, 12).

    None if it is one.
    """
    if len({span.label.split("/")[0] for span in facts.meters}) > 1:
        return "the meter changes"
    return None if facts.meter in frozenset(classes) else f"meter {facts.meter} is no class"
