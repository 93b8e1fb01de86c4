"""Clean or distorted, quiet and loud by turns: what a band is told is in its notes, and what it is not told stays."""

import numpy as np
import pytest

from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.programs import CLEAN_GUITARS, DISTORTED
from linernotes.corpora.score.score import Score
from linernotes.corpora.writing import read_writing


def scores(style: str, count: int = 12, **told) -> list[Score]:
    return [compose(draw_plan(style, np.random.default_rng(n), seconds=10.0, **told)) for n in range(count)]


def guitars(score: Score) -> set[int]:
    return {part.program for part in score.midi.instruments if part.program in range(24, 32) and not part.is_drum}


def velocity_in(score: Score, name: str) -> float:
    """The mean velocity of all that begins in sections of this name; NaN without any."""
    spans = [span for span in score.facts.sections if span.label == name]
    notes = [note for part in score.midi.instruments for note in part.notes]
    inside = [n.velocity for n in notes for s in spans if s.start_seconds + 0.02 <= n.start < s.end_seconds - 0.02]
    return float(np.mean(inside)) if inside else float("nan")


@pytest.mark.parametrize(("style", "identity"), [("rock", "48c6506ccb9bba50"), ("math rock", "120acc2d17a4a935")])
def test_who_is_told_nothing_plays_as_ever(style, identity):
    """Corpora that were built before bands could be told must come out the same."""
    assert compose(draw_plan(style, np.random.default_rng(3), seconds=10.0)).facts.identity.startswith(identity)


@pytest.mark.parametrize("style", ["rock", "math rock"])
def test_guitars_are_clean_or_distorted_as_they_are_told(style):
    for score in scores(style, drive="clean"):
        assert guitars(score) <= set(CLEAN_GUITARS)
        assert read_writing(score.midi, score.facts).distorted == 0.0
    driven = [read_writing(score.midi, score.facts).distorted for score in scores(style, drive="distorted")]
    assert all(share > 0.0 for share in driven)
    assert np.median(driven) > 0.5
    assert all(guitars(score) & set(DISTORTED) for score in scores(style, drive="distorted"))


@pytest.mark.parametrize("style", ["rock", "math rock", "pop", "classical"])
def test_turns_are_sudden(style):
    told, untold = (
        [read_writing(score.midi, score.facts).jump_db for score in scores(style, **more)]
        for more in ({"contrast": True}, {})
    )
    assert np.median(told) > 6.0
    assert np.median(untold) < 4.0


def test_the_quiet_is_softer_note_by_note():
    found = scores("math rock", contrast=True)
    pairs = [(velocity_in(score, "quiet"), velocity_in(score, "loud")) for score in found]
    pairs = [pair for pair in pairs if np.isfinite(pair).all()]
    assert len(pairs) >= 6
    assert all(quiet < 0.8 * loud for quiet, loud in pairs)


def test_turns_take_seconds_and_have_the_names_that_they_are():
    for score in scores("rock", contrast=True, tempo_bpm=120.0, meter=4):
        names = {span.label for span in score.facts.sections}
        assert names <= {"quiet", "stops", "loud"}
        assert len(names) >= 2
        whole = score.facts.sections[1:-1]
        assert all(1.9 <= span.end_seconds - span.start_seconds <= 4.1 for span in whole)


def test_stops_are_played_together():
    stopping = [s for s in scores("math rock", 40, contrast=True) if "stops" in {f.label for f in s.facts.sections}]
    assert len(stopping) >= 5


@pytest.mark.parametrize(
    ("style", "told", "message"),
    [
        ("rock", {"drive": "crunchy"}, "drive='crunchy' is not known: choose from clean, distorted, or None"),
        ("jazz", {"drive": "clean"}, "drive='clean' needs guitars: give it to rock or math rock, without polyrhythm"),
        ("rock", {"drive": "clean", "polyrhythm": "3:2"}, "needs guitars: give it to rock or math rock, without poly"),
        ("solo", {"contrast": True}, "contrast needs a band that takes turns: leave out polyrhythm, or choose another"),
    ],
)
def test_what_a_band_cannot_do_is_refused(style, told, message):
    with pytest.raises(ValueError, match=message):
        draw_plan(style, np.random.default_rng(0), seconds=10.0, **told)
