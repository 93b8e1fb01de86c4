"""transformers' pipelines: classifiers answer as `predict` does of one window, captions have their own task."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import needs_ffmpeg
from every_family import EVERY_FAMILY, WINDOW_SECONDS
from small_sonicverse import RATE, made_of, make, says
from transformers import Pipeline, pipeline
from transformers.pipelines.audio_classification import ffmpeg_read

import linernotes
import linernotes.pipelines  # registers "music-captioning"
from linernotes.modeling.audio import AudioError, read_audio
from linernotes.modeling.music_model import MusicModel

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "linernotes" / "assets" / "morning_mood.ogg"
CLASSIFIERS = sorted(set(EVERY_FAMILY) - {"sonicverse"})
PUBLISHED = [
    file.parent
    for file in sorted(ROOT.glob("models/*/config.json"))
    if "AutoModelForAudioClassification" in json.loads(file.read_text()).get("auto_map", {})
]


def classifier(folder: Path) -> Pipeline:
    return pipeline("audio-classification", model=str(folder), trust_remote_code=True, top_k=None, device="cpu")


def shares(found: list[dict]) -> dict[str, float]:
    return {each["label"]: each["score"] for each in found}


def predicted(model: MusicModel, samples: np.ndarray):
    """Of one window, the probabilities that belong to the logits."""
    said = model.predict(samples, sampling_rate=model.config.sampling_rate)
    return pytest.approx(said.get("emotions") or said["probabilities"], abs=1e-6)


# Classifiers


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_folder_of_each_family_of_classifiers_answers_as_predict_does(family, tmp_path, tone):
    model = EVERY_FAMILY[family]()
    model.save_pretrained(tmp_path)
    pipe, rate = classifier(tmp_path), model.config.sampling_rate
    sounds = [tone(WINDOW_SECONDS, rate), np.random.default_rng(0).normal(0, 0.1, len(tone(WINDOW_SECONDS, rate)))]
    sounds = [sound.astype(np.float32) for sound in sounds]
    expected = [predicted(model, sound) for sound in sounds]
    assert shares(pipe(sounds[0])) == expected[0]
    assert [shares(found) for found in pipe(sounds, batch_size=2)] == expected
    assert shares(pipe(sounds[0])) != expected[1]
    of_a_data_set = {"array": sounds[1], "sampling_rate": rate, "path": None}
    assert shares(pipe(of_a_data_set)) == expected[1]
    assert pipe(sounds[0], top_k=1)[0]["label"] == max(shares(pipe(sounds[0])), key=shares(pipe(sounds[0])).get)


@needs_ffmpeg
@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_mono_file_at_the_models_rate_is_answered_as_by_predict(family, tmp_path, tone):
    model = EVERY_FAMILY[family]()
    model.save_pretrained(tmp_path / "model")
    file, rate = tmp_path / "song.wav", model.config.sampling_rate
    soundfile.write(file, tone(WINDOW_SECONDS, rate), rate)
    said = model.predict(file)
    assert shares(classifier(tmp_path / "model")(str(file))) == pytest.approx(
        said.get("emotions") or said["probabilities"], abs=1e-6
    )


@needs_ffmpeg
def test_a_stereo_file_is_mixed_louder_by_transformers():
    """Which README and cards tell: where this fails, they may promise more."""
    stereo, sound = io.BytesIO(), np.full((8000, 2), 0.25)
    soundfile.write(stereo, sound, 8000, format="wav")
    mixed = ffmpeg_read(stereo.getvalue(), 8000)
    assert mixed == pytest.approx(np.full(8000, 0.25 * 2**0.5), abs=1e-4)
    assert read_audio(stereo.getvalue(), 8000) == pytest.approx(np.full(8000, 0.25), abs=1e-4)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_classifiers_answer_as_predict_does(folder):
    model = linernotes.load(folder)
    rate = model.config.sampling_rate
    window = read_audio(RECORDING, rate)[: round(model.config.window_seconds * rate)]
    assert shares(classifier(folder)(window)) == predicted(model, window)


def test_every_family_of_classifiers_is_asked():
    published = {json.loads((folder / "config.json").read_text())["model_type"] for folder in PUBLISHED}
    assert {"genre_moe", "beatmeter", "mathrock_affect"} <= published <= set(CLASSIFIERS)


# Captions


def captioner(model: MusicModel, **options) -> Pipeline:
    return pipeline("music-captioning", model=model, device="cpu", **options)


def test_captions_are_those_of_predict_alone_in_a_list_and_in_batches():
    model = make(window_seconds=WINDOW_SECONDS)
    sounds = [{"array": made_of(seconds), "sampling_rate": RATE} for seconds in (2.0, 7.0, 4.0)]
    expected = [{"generated_text": said.pop("caption"), **said} for said in model.predict(sounds)]
    assert len({each["duration_seconds"] for each in expected}) == 3
    pipe = captioner(model)
    assert [pipe(sound) for sound in sounds] == expected
    assert pipe(sounds) == expected
    assert pipe(sounds, batch_size=2) == expected
    assert list(pipe(sound for sound in sounds)) == expected
    json.dumps(expected)


def test_a_file_and_a_bare_array_are_heard_too(recording):
    pipe = captioner(make())
    assert pipe(str(recording)) == pipe(recording) == pipe(recording.read_bytes())
    assert pipe(made_of(2.0), sampling_rate=RATE)["duration_seconds"] == 2.0
    with pytest.raises(AudioError, match="sampling_rate"):
        pipe(made_of(2.0))


def test_options_of_predict_hold_for_a_call_or_for_all(recording):
    model = make()
    asked = says(model, "A slow jazz piece.")
    pipe = captioner(model, max_new_tokens=5)
    assert pipe(recording)["generated_text"] == "A slow jazz piece ."  # as the small tokenizer puts it
    pipe(recording, max_new_tokens=7)
    assert [options["max_new_tokens"] for options in asked] == [5, 7]
    assert "story" not in pipe(recording)
    assert {"story", "segments", "generated_text"} <= pipe(recording, long=True).keys()
    with pytest.raises(TypeError, match="top_k"):
        pipe(recording, top_k=3)


def test_a_bad_recording_is_raised_or_recorded_in_its_place(recording):
    pipe = captioner(make())
    with pytest.raises(AudioError, match="no sound can be read"):
        pipe([recording, b"no sound"])
    good, bad = pipe([recording, b"no sound"], errors="record")
    assert isinstance(good["generated_text"], str)
    assert bad["error"]["code"] == "not_audio"


def test_a_folder_whose_code_is_trusted_is_asked_by_the_same_task(tmp_path, recording):
    model = make()
    model.save_pretrained(tmp_path)
    pipe = pipeline("music-captioning", model=str(tmp_path), trust_remote_code=True, device="cpu")
    said = model.predict(recording)
    assert pipe(recording) == {"generated_text": said.pop("caption"), **said}


def test_what_writes_no_captions_is_refused(tiny_folder):
    with pytest.raises(ValueError, match=r"is a genre_moe; music-captioning asks a sonicverse, and \"audio-classif"):
        captioner(linernotes.load(tiny_folder))
    with pytest.raises(ValueError, match="sonicverse has no language model here: "):
        captioner(make(has_language_model=False))


def test_the_example_of_the_documentation_runs(monkeypatch, tmp_path, recording):
    """On a small model in place of the published one."""
    text = (ROOT / "docs" / "sonicverse.md").read_text(encoding="utf-8")
    (example,) = (block for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if "pipeline(" in block)
    monkeypatch.setattr(linernotes, "load", {"sonicverse-smol": make()}.get)
    monkeypatch.chdir(tmp_path)
    recording.rename("song.mp3")
    found = {}
    exec(example, found)
    assert found["caption"] == make().predict("song.mp3")["caption"]
