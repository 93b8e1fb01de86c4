"""The hostile corpus through `predict` of every family: no crash, no number that is none, no confidence in nothing."""

from collections import Counter

import pytest
from every_family import EVERY_FAMILY
from hostile_audio import KINDS, Judgement, counted, judged, make_corpus

SEED = 4  # of the corpus; benchmarks/reliability.py asks about twenty


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return list(make_corpus(tmp_path_factory.mktemp("hostile"), [SEED]))


def test_the_corpus_has_29_kinds_and_follows_from_its_seeds(corpus, tmp_path):
    assert [kind for kind, _ in corpus] == list(KINDS)
    assert len(KINDS) == 29
    contents = [path.read_bytes() for _, path in corpus if path.is_file()]
    assert [path.read_bytes() for _, path in make_corpus(tmp_path, [SEED]) if path.is_file()] == contents
    (tmp_path / "other").mkdir()
    others = [path.read_bytes() for _, path in make_corpus(tmp_path / "other", [SEED + 1]) if path.is_file()]
    assert sum(one == other for one, other in zip(contents, others, strict=True)) == 1  # no bytes


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_every_family_answers_or_refuses_with_one_exception(family, corpus):
    model = EVERY_FAMILY[family]()
    judgements = {kind: judged(model, kind, path) for kind, path in corpus}
    assert not {kind: each for kind, each in judgements.items() if each.unexpected or each.crashed}
    figures = counted(judgements.values())
    assert figures["exception_classes"] == ["AudioError"]
    assert (figures["not_finite"], figures["confident_on_nothing"]) == (0, 0)
    assert figures["outcomes"]["answer"] >= 6


class Careless:
    """Answers whatever it is given, as librosa does."""

    def __init__(self, **answer):
        self.answer = {"uncertain": False, "warnings": [], "timeline": [], "confidence": 0.9} | answer

    def predict(self, path, timeline):
        if path.is_dir():
            raise IsADirectoryError(path)
        return self.answer


def test_what_others_let_through_is_counted(corpus):
    judgements = {kind: judged(Careless(confidence=float("nan")), kind, path) for kind, path in corpus}
    assert judgements["a folder"] == Judgement("crash", "IsADirectoryError", crashed=True)
    figures = counted(judgements.values())
    assert (figures["crashes"], figures["not_finite"], figures["confident_on_nothing"]) == (1, 28, 7)
    right = Counter("answer" in kind.right for kind in KINDS.values())
    assert figures["unexpected"] == right[False] - 1  # a crash is counted as such


def test_code_of_a_folder_has_an_audio_error_of_its_own(corpus):
    class AudioError(ValueError):
        code, path = "not_a_file", str(dict(corpus)["a folder"])

        def __str__(self):
            return f"{self.path!r}: no"

    class Refusing:
        def predict(self, path, timeline):
            raise AudioError

    assert judged(Refusing(), "a folder", dict(corpus)["a folder"]) == Judgement("not_a_file", "AudioError")
    assert judged(Refusing(), "text", dict(corpus)["text"]).unexpected  # neither the code nor the path is right


def test_a_doubted_answer_to_silence_is_right(corpus):
    doubting = Careless(uncertain=True, warnings=["the recording is silent"], timeline=[{"uncertain": True}])
    (silence,) = (path for kind, path in corpus if kind == "silence")
    assert judged(doubting, "silence", silence) == Judgement("answer")
    sure_of_a_window = Careless(uncertain=True, warnings=["the recording is silent"], timeline=[{"uncertain": False}])
    assert judged(sure_of_a_window, "silence", silence).confident
