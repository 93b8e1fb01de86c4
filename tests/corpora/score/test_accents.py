"""How meters, groupings and polyrhythms show, measured on the notes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from linernotes.corpora.score.meters import GROUPINGS, POLYRHYTHMS

# --- meters


@pytest.mark.parametrize("numerator", GROUPINGS)
@pytest.mark.parametrize("style", ["neutral", "math rock"])
def test_groups_are_louder_than_what_is_between(style, numerator, clip, energy):
    ratios = []
    for seed in range(40):
        score = clip(style, seed, meter=numerator)
        starts = list(np.cumsum((0, *score.facts.grouping[:-1])))
        others = [pulse for pulse in range(numerator) if pulse not in starts]
        heard = energy(score)
        ratios.append(heard[starts].mean() / max(heard[others].mean(), 1e-9))
    assert np.mean(np.array(ratios) > 1.0) >= 0.9
    assert np.median(ratios) > 1.4
    assert np.mean(np.array(ratios) < 1.5) > 0.1 or style != "neutral"  # some are hard


@pytest.mark.parametrize("numerator", GROUPINGS)
def test_each_grouping_of_a_meter_is_told_from_the_others(numerator, clip, energy):
    """Of a meter's groupings the stated one fits the accents best, in most clips."""
    right = []
    for seed in range(40):
        score = clip("neutral", seed, meter=numerator)
        heard = energy(score)
        heard = heard - heard.mean()
        fit = {g: sum(heard[list(np.cumsum((0, *g[:-1])))]) / np.sqrt(len(g)) for g in GROUPINGS[numerator]}
        right.append(max(fit, key=fit.get) == score.facts.grouping)
    assert np.mean(right) > 0.6


def test_accents_are_not_always_of_the_same_instrument(clip):
    """Who plays softly between the groups and loudly on them differs from clip to clip."""
    tellers = Counter()
    for seed in range(80):
        score = clip("neutral", seed, meter=7)
        starts = np.cumsum((0, *score.facts.grouping[:-1]))
        for instrument in score.midi.instruments:
            on, off = [], []
            for note in instrument.notes:
                place = int(np.abs(np.array(score.facts.beats) - note.start).argmin())
                first = int(np.searchsorted(score.facts.beats, score.facts.downbeats[0] - 1e-6))
                (on if (place - first) % 7 in starts else off).append(note.velocity)
            if len(on) > 8 and (len(off) < 0.2 * len(on) or np.mean(on) > 1.15 * np.mean(off)):
                tellers[instrument.name] += 1
    assert len(tellers) >= 4
    assert tellers.most_common(1)[0][1] < 0.6 * sum(tellers.values())


def test_meter_is_independent_of_who_plays(clip):
    """Drums, mode and number of instruments are as frequent in one meter as in another."""
    for measure in (lambda f: f.has_drums, lambda f: f.key.endswith("major"), lambda f: len(f.instruments) > 3):
        shares = [
            np.mean([measure(clip("neutral", s, 10.0, meter=m).facts) for s in range(120)]) for m in (3, 4, 7, 11)
        ]
        assert np.ptp(shares) < 0.2


def test_each_bar_of_the_study_has_another_chord_than_the_one_before(clip):
    moved = []
    for seed in range(60):
        facts = clip("neutral", seed).facts
        names = [next(s.label for s in reversed(facts.chords) if s.start_seconds <= d + 1e-6) for d in facts.downbeats]
        moved += [one != other for one, other in pairwise(names)]
    assert np.mean(moved) > 0.93  # a section may begin with the chord that ended the last


# --- polyrhythms


@pytest.mark.parametrize("ratio", POLYRHYTHMS)
@pytest.mark.parametrize("style", ["neutral", "jazz", "math rock"])
def test_layers_divide_the_bars_evenly(style, ratio, clip, part):
    many, few = map(int, ratio.split(":"))
    for seed in range(10):
        score = clip(style, seed, polyrhythm=ratio)
        facts = score.facts
        assert facts.polyrhythm == ratio
        assert len(facts.meters) == 1
        bar = np.diff(facts.downbeats).mean()
        layers = {count: np.array([n.start for n in part(score, f"layer {count}")]) for count in (many, few)}
        spacing = {count: np.diff(starts) for count, starts in layers.items()}
        bars = round(np.median(spacing[few]) * few / bar)
        assert bars in (1, 2)
        for count, gaps in spacing.items():
            assert np.abs(gaps - bars * bar / count).max() < 0.024
        meeting = np.abs(layers[many][:, None] - layers[few]).min(axis=1) < 0.024
        cycles = facts.duration_seconds / (bars * bar)
        assert meeting.sum() == pytest.approx(cycles, abs=1.01)
        late = np.abs(layers[many][meeting][:, None] - np.array(facts.downbeats)).min(axis=1)
        assert late[1:-1].max(initial=0.0) < 0.024


@pytest.mark.parametrize("ratio", POLYRHYTHMS)
def test_layers_differ_in_timbre_and_register(ratio, clip):
    alone = []
    for seed in range(30):
        score = clip("neutral", seed, polyrhythm=ratio)
        one, other = [i for i in score.midi.instruments if i.name.startswith("layer")]
        assert one.program // 8 != other.program // 8
        low, high = sorted(([n.pitch for n in one.notes], [n.pitch for n in other.notes]), key=np.mean)
        assert min(high) - max(low) > 0
        assert np.mean(high) - np.mean(low) >= 12
        alone.append(len(score.midi.instruments) == 2)
        assert score.facts.key is not None or alone[-1]
    assert 0.1 < np.mean(alone) < 0.8
