"""The same sound gets the same answer of every family: twice, alone or in company, on one thread or on two."""

import numpy as np
import pytest
import torch
from every_family import EVERY_FAMILY
from hostile_audio import sound
from sameness import differences, labels_of

RATE = 22_050
SECONDS = (1.2, 3.0, 4.1, 7.3)  # one window (shorter than one, just one) and several
CLOSE = 1e-5


@pytest.fixture(scope="module", params=EVERY_FAMILY)
def model(request):
    return EVERY_FAMILY[request.param]()


@pytest.fixture(scope="module")
def songs():
    recordings = [sound(np.random.default_rng(seed), RATE, seconds, 1)[:, 0] for seed, seconds in enumerate(SECONDS)]
    return [{"array": samples, "sampling_rate": RATE} for samples in recordings]


@pytest.fixture
def threads():
    """Sets how many threads compute, for the time of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def assert_same(answers, others):
    for one, other in zip(answers, others, strict=True):
        largest, texts = differences(one, other)
        assert texts == []
        assert largest <= CLOSE


def test_two_runs_say_the_same(model, songs):
    assert model.predict(songs, timeline=True) == model.predict(songs, timeline=True)


def test_company_changes_nothing(model, songs):
    together = model.predict(songs, timeline=True, batch_size=8)
    assert_same(model.predict(songs, timeline=True, batch_size=1), together)
    assert_same([model.predict(song, timeline=True) for song in songs], together)


def test_threads_change_nothing(model, songs, threads):
    threads(1)
    alone = model.predict(songs, timeline=True)
    threads(2)
    assert_same(model.predict(songs, timeline=True), alone)


def test_differences_are_found():
    answer = {"label": "a", "p": {"a": 0.5}, "uncertain": True, "timeline": [{"p": 1.0}]}
    assert differences(answer, answer) == (0.0, [])
    other = {"label": "b", "p": {"a": 0.25}, "uncertain": False, "timeline": [{"p": 1.5}]}
    assert differences(answer, other) == (0.5, ["/label: 'a', 'b'", "/uncertain: True, False"])
    assert differences(answer, answer | {"timeline": []})[1] == ["/timeline: [0], []"]
    assert differences({"p": 1.0}, {"p": None})[1] == ["/p: 1.0, None"]


def test_labels_are_those_of_every_family(model, songs):
    labels = labels_of(model.predict(songs[0]))
    assert labels
    assert all(isinstance(label, str) for label in labels.values())
