"""Where recordings change: places found to a slot, noise left whole, times that fit each other, bounded memory."""

import numpy as np
import pytest

from linernotes.modeling.sections import (
    CONTRAST,
    MIN_SECONDS,
    SLOT_SECONDS,
    Section,
    SectionFinder,
    Slot,
    contrast,
    excerpt,
    mean_of,
    slots,
    spectra,
)


def stream(features: np.ndarray) -> list[Slot]:
    return [
        Slot(i * SLOT_SECONDS, (i + 1) * SLOT_SECONDS, feature, np.float32([i]), np.float32([[2 * i]]))
        for i, feature in enumerate(features)
    ]


def found_in(features: np.ndarray, max_seconds: float = 1000.0) -> list[Section]:
    finder = SectionFinder(max_seconds)
    return [done for slot in stream(features) for done in finder.add(slot)] + finder.finish()


def levels(*pairs: tuple[float, float], noise: float = 0.2, seed: int = 0) -> np.ndarray:
    """(seconds, level) of each part, as features of eight numbers with noise, far from silence."""
    rng = np.random.default_rng(seed)
    parts = [np.full((round(seconds / SLOT_SECONDS), 8), level) for seconds, level in pairs]
    features = np.concatenate(parts)
    return 10.0 + features + noise * rng.standard_normal(features.shape)


@pytest.mark.parametrize("seed", range(5))
def test_changes_are_found_to_the_slot(seed):
    features = levels((20, 0.0), (9.5, 1.0), (31, -1.0), (6, 0.0), (12, 2.0), seed=seed)
    assert [section.start_seconds for section in found_in(features)] == [0, 20, 29.5, 60.5, 66.5]


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_one_section(seed):
    (section,) = found_in(levels((300, 0.0), seed=seed))
    assert (section.start_seconds, section.end_seconds) == (0, 300)


def test_sections_follow_each_other_and_keep_the_mean_of_their_slots():
    sections = found_in(levels((20, 0.0), (10, 1.0), (13.5, 0.0)))
    assert [section.start_seconds for section in sections[1:]] == [section.end_seconds for section in sections[:-1]]
    assert sections[-1].end_seconds == 43.5
    for section in sections:
        numbers = np.arange(section.start_seconds / SLOT_SECONDS, section.end_seconds / SLOT_SECONDS)
        assert section.content == pytest.approx([numbers.mean()])
        assert section.shared == pytest.approx(np.array([[2 * numbers.mean()]]))


def test_a_long_section_is_cut_and_a_short_change_is_none():
    sections = found_in(levels((70, 0.0)), max_seconds=30.0)
    assert [section.end_seconds for section in sections] == [30, 60, 70]
    flicker = found_in(levels((20, 0.0), (2, 1.0), (20, 0.0)))
    assert all(section.end_seconds - section.start_seconds >= MIN_SECONDS for section in flicker)


def test_a_change_soon_after_a_cut_is_found():
    sections = found_in(levels((33, 0.0), (20, 1.0)), max_seconds=30.0)
    assert [section.end_seconds for section in sections] == [30, 33, 53]


def test_of_changes_near_each_other_the_greatest_is_one():
    sections = found_in(levels((20, 0.0), (4.5, 0.6), (20, 3.0)))
    assert [section.start_seconds for section in sections] == [0, 24.5]


def test_only_the_slots_around_the_present_are_held():
    finder = SectionFinder(30.0)
    for slot in stream(levels((600, 0.0))):
        finder.add(slot)
        assert len(finder.waiting) + len(finder.passed) <= 2 * finder.side + finder.near
        assert len(finder.held) <= 30.0 / SLOT_SECONDS


def test_contrast_is_none_of_the_same_and_all_of_another():
    one, other = np.zeros((8, 3)), np.ones((8, 3))
    assert contrast(one, one) == 0
    assert contrast(one, other) == 1
    rng = np.random.default_rng(0)
    chance = np.mean([contrast(rng.normal(size=(8, 50)), rng.normal(size=(8, 50))) for _ in range(200)])
    assert chance == pytest.approx(2 / 9, abs=0.01)
    assert chance < CONTRAST


def test_nothing_is_no_section():
    assert SectionFinder(30.0).finish() == []
    (section,) = found_in(levels((0.5, 1.0)))
    assert (section.start_seconds, section.end_seconds) == (0, 0.5)


def test_slots_share_out_what_is_new_of_a_window():
    content = np.arange(100.0)[:, None]  # 10 s, ten frames a second
    whole = list(slots(content, content, content[:, None], (0.0, 10.0), 10.0))
    assert len(whole) == 20
    assert [float(slot.content[0]) for slot in whole[:2]] == [2.0, 7.0]
    last = list(slots(content, content, content[:, None], (13.4, 23.4), 3.4))
    assert last[0].start_seconds == pytest.approx(20.0)
    assert last[-1].end_seconds == 23.4
    assert float(last[0].content[0]) >= 66
    (tiny,) = slots(content, content, content[:, None], (0.01, 10.01), 0.01)
    assert float(tiny.content[0]) == 99


def test_a_slot_of_coarser_features_has_those_of_its_time():
    content, features = np.arange(100.0)[:, None], np.arange(20.0)[:, None]
    found = list(slots(features, content, content[:, None], (0.0, 10.0), 10.0))
    assert [float(slot.feature[0]) for slot in found] == list(range(20))
    assert [float(slot.content[0]) for slot in found[:2]] == [2.0, 7.0]


def test_spectra_are_the_same_wherever_a_window_is_cut_and_tell_bands_apart():
    times = np.arange(6 * 24_000) / 24_000
    low, high = (0.3 * np.sin(2 * np.pi * hz * times).astype(np.float32) for hz in (220, 3520))
    found = spectra(low, 24_000)
    assert found.shape == (59, 32)
    assert np.ptp(found, axis=0).max() < 1e-3  # the edges of a window as well as its middle
    assert found[30].argmax() < spectra(high, 24_000)[30].argmax()
    assert not spectra(0 * low, 24_000).any()
    assert spectra(low[:300], 24_000).shape == (1, 32)


def windows(duration: float, size: float = 10.0) -> tuple[list[Section], list[float]]:
    starts = [*np.arange(0, duration - size + 1e-9, size)]
    made = [Section(start, start + size, np.float32([start]), np.zeros((0, 0))) for start in starts]
    new = [size] * len(made)
    if rest := duration % size:
        made.append(Section(duration - size, duration, np.float32([duration - size]), np.zeros((0, 0))))
        new.append(rest)
    return made, new


@pytest.mark.parametrize(
    ("duration", "span"),
    [(10, (0, 10)), (25, (0, 25)), (30, (0, 30)), (31, (0, 30)), (75, (20, 50)), (600, (280, 310))],
)
def test_an_excerpt_is_the_middle_of_a_long_recording(duration, span):
    about = excerpt(*windows(float(duration)), 30.0)
    assert (about.start_seconds, about.end_seconds) == span


def test_what_overlaps_counts_once_in_a_mean():
    parts, new = windows(25.0)
    assert mean_of(parts, new).content == pytest.approx([(0 * 10 + 10 * 10 + 15 * 5) / 25])


@pytest.mark.parametrize("pause", [2.0, 4.0, 6.0, 20.0])
def test_silence_is_a_section_of_its_own_however_short_and_sound_after_it_another(pause):
    before, after = levels((15, 0.0)), levels((15, 1.0), seed=1)
    gap = np.zeros((round(pause / SLOT_SECONDS), 8))
    gap[-1] = 1.0  # the last spectrum reaches into what follows
    sections = found_in(np.concatenate([before, gap, after]))
    spans = [(each.start_seconds, each.end_seconds, each.silent) for each in sections]
    assert spans[0] == (0.0, 15.0, False)
    assert [silent for *_, silent in spans] == [False, True, False]
    assert spans[1][0] == 15.0
    assert spans[1][1] == pytest.approx(15.0 + pause, abs=SLOT_SECONDS)
