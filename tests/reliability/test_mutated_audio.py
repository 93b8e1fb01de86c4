"""Damaged files of four formats, read in a process with limits: answers and refusals, no hang, no death."""

from collections import Counter

import pytest
from audio_files import posix_only
from mutated_audio import FORMATS, Child, failures, heard, mutated, originals, reading

from linernotes.modeling.audio import AudioError

pytestmark = posix_only
READING = "from mutated_audio import reading as listener"
FILES = 75  # of each format; benchmarks/reliability.py hears ten thousand


@pytest.fixture(scope="module")
def child():
    child = Child(READING)
    yield child
    child.stop()


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_end_in_an_answer_or_a_refusal(name, child):
    outcomes = Counter(child.hear(mutated(name, seed)) for seed in range(FILES))
    assert not list(failures(outcomes))
    assert outcomes.total() == FILES
    assert len(outcomes) >= 3  # neither all refused nor all let through
    assert child.starts == 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_files_are_read(name):
    assert all(reading(content) for content in originals(name))
    assert mutated(name, 1) == mutated(name, 1) != mutated(name, 2)


BROKEN = """
import os, time
from linernotes.modeling.audio import AudioError

def listener(content):
    if content == b"hang":
        time.sleep(60)
    elif content == b"die":
        os.abort()
    elif content == b"eat":
        return bytearray(2**29)
    elif content == b"refuse":
        raise AudioError("not_audio", "no")
    return content != b"nan"
"""


def test_the_child_s_limits_hold_and_it_is_begun_anew(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    listener = f"sys.path.insert(0, {str(tmp_path)!r}); from broken import listener"
    child = Child(listener, seconds=1.0, memory_bytes=2**28)
    expected = {b"fine": "answer", b"refuse": "refused not_audio", b"nan": "not_finite"}
    expected |= {b"eat": "crash MemoryError", b"hang": "hang", b"die": "death SIGABRT"}
    said = {content: child.hear(content) for content in expected}
    assert said == expected
    assert (child.starts, child.process) == (2, None)
    assert list(failures(Counter(said.values()))) == ["not_finite", "crash MemoryError", "hang", "death SIGABRT"]


def test_a_child_that_cannot_begin_is_an_error():
    with pytest.raises(RuntimeError, match=r"cannot begin: .*no_such_module"):
        heard(Child("from no_such_module import listener"), "WAV", range(1))


def test_a_refusal_is_an_audio_error():
    with pytest.raises(AudioError):
        reading(b"text")
