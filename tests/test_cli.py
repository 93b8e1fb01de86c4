"""The command line: what it prints where, its exit codes, strange file names, and that help waits for no library."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import soundfile
import torch
from published_mathrock import TINY_CLAP, TINY_TEXT, TINY_WAVLM, tiny_tokenizer
from sameness import alike
from small_sonicverse import made_of
from small_sonicverse import make as make_captioner
from typer.testing import CliRunner, Result

import linernotes
from linernotes import api, cli
from linernotes.hub_upload.manifest import write_sums

COMMANDS = (
    "listen", "predict", "models", "train", "evaluate", "compare", "export", "verify", "upload", "fetch-llm", "onnx",
)  # fmt: skip


@pytest.fixture
def bundled(tmp_path, tiny_folder, monkeypatch) -> Path:
    """The tiny model stands in for the default one."""
    shutil.copytree(tiny_folder, tmp_path / "models" / "genre-moe")
    monkeypatch.setattr(api, "BUNDLED", tmp_path / "models")
    return tmp_path / "models" / "genre-moe"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def in_a_process(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "linernotes", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


# Help


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)], ids=lambda a: " ".join(a) or "all")
def test_help_needs_no_library(arguments):
    code = (
        "import sys\nfrom linernotes.cli import main\n"
        f"try:\n    main([*{arguments}, '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'datasets', 'rich'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.startswith("Usage: linernotes")
    assert process.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command():
    text = run("--help").stdout
    assert all(f"  {command} " in text for command in COMMANDS)


def test_version():
    process = in_a_process("--version")
    assert process.stdout == f"linernotes {linernotes.__version__}\n"


# predict


def test_predict_prints_the_song_the_genre_and_bars(bundled, recording):
    result = run("predict", recording)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1] == f"🎵 {recording}"
    assert lines[3].startswith("Predicted genre : ")
    assert len([line for line in lines if "█" in line or "░" in line]) == 5
    assert len([line for line in lines if "▪" in line]) >= 1
    assert "warning: only 2.0 s were there to hear; answers are reliable from 5 s on" in lines
    assert result.stderr == ""


def test_json_is_one_object_a_line_and_is_what_predict_says(bundled, recording):
    result = run("predict", "--json", "--timeline", recording, recording)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    expected = linernotes.load(bundled).predict([str(recording)] * 2, timeline=True)
    assert alike(answers, [{"path": str(recording), **answer} for answer in expected])
    assert len(answers[0]["timeline"]) == 1


def test_nothing_but_the_answers_is_printed_by_a_process(bundled, recording):
    process = in_a_process("predict", "--model", bundled, "--json", recording)
    assert process.returncode == 0
    assert json.loads(process.stdout)["model"] == "tiny-moe"
    assert process.stderr == ""


def test_a_bad_file_is_recorded_in_its_place_and_the_others_are_answered(bundled, recording, tmp_path):
    (tmp_path / "noise.wav").write_bytes(b"no sound in here")
    result = run("predict", "--json", recording, tmp_path / "noise.wav", tmp_path / "absent.wav", recording)
    assert result.exit_code == 1
    first, noise, absent, last = map(json.loads, result.stdout.splitlines())
    assert noise["path"] == str(tmp_path / "noise.wav")
    assert noise["error"]["code"] == "not_audio"
    assert absent["error"]["code"] == "not_found"
    assert alike(first, last)
    assert first["predicted_genre"]
    assert result.stderr.count("\n") == 2
    assert "noise.wav" in result.stderr
    assert "absent.wav" in result.stderr


def test_a_bad_file_leaves_stdout_to_the_answers(bundled, recording, tmp_path):
    result = run("predict", tmp_path / "absent.wav", recording)
    assert result.exit_code == 1
    assert "absent" not in result.stdout
    assert str(recording) in result.stdout
    assert result.stderr.startswith("linernotes: ")


def test_more_files_than_a_batch_are_all_answered_in_order(bundled, recording, tmp_path):
    names = [str(shutil.copy(recording, tmp_path / f"{number}.wav")) for number in range(5)]
    result = run("predict", "--json", "--batch-size", "2", *names)
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == names


@pytest.mark.parametrize(
    "name", ["[red]x[bold].wav", ":smile: a b.wav", "-x.wav", "--json", "a\nb.wav", "日本.wav", "\x1b[31mred.wav"]
)
def test_any_file_name_is_taken_literally(bundled, recording, tmp_path, monkeypatch, name):
    recording.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    shown = run("predict", "--", name)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[1] == f"🎵 {name}".replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert json.loads(run("predict", "--json", "--", name).stdout)["path"] == name


def test_a_name_that_is_not_utf8_is_shown_escaped_and_kept_in_json(bundled, recording, tmp_path, monkeypatch):
    os.rename(os.fsencode(recording), os.fsencode(tmp_path) + b"/\xff.wav")
    monkeypatch.chdir(tmp_path)
    assert "🎵 \\udcff.wav\n" in run("predict", "\udcff.wav").stdout
    assert json.loads(run("predict", "--json", "\udcff.wav").stdout)["path"] == "\udcff.wav"
    assert "absent\\udcff.wav" in run("predict", "absent\udcff.wav").stderr


def test_a_long_name_is_not_broken_into_lines(bundled, recording, tmp_path):
    name = str(recording.rename(tmp_path / ("long " * 40 + ".wav")))
    assert f"🎵 {name}\n" in run("predict", name).stdout


def test_silence_is_uncertain(bundled, tmp_path):
    soundfile.write(tmp_path / "silence.wav", [0.0] * 22050 * 6, 22050)
    text = run("predict", tmp_path / "silence.wav").stdout
    assert "confidence, uncertain)" in text
    assert "warning: the recording is silent" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nothing"], "'nothing' is no model: bundled are genre-moe"),
        (["--device", "nowhere"], "device is 'nowhere'"),
        (["--batch-size", "0"], "--batch-size"),
        (["--colour"], "--colour"),
    ],
)
def test_what_cannot_run_at_all_ends_with_2_and_a_message(bundled, recording, arguments, message):
    result = run("predict", recording, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_folder_whose_config_is_broken_ends_with_2(bundled, recording):
    (bundled / "config.json").write_text("{")
    result = run("predict", "--model", bundled, recording)
    assert result.exit_code == 2
    assert result.stderr.startswith("linernotes: ")


# lyrics


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Path:
    """A small model of affect that nobody trained, with a branch for lyrics."""
    from linernotes.modeling.configuration_mathrock_affect import MathRockAffectConfig
    from linernotes.modeling.modeling_mathrock_affect import MathRockForAffect

    torch.manual_seed(0)
    sizes = {"projection_size": 8, "fusion_size": 8, "head_hidden_size": 8, "wavlm_config": TINY_WAVLM}
    model = MathRockForAffect(MathRockAffectConfig(**sizes, clap_config=TINY_CLAP, text_config=TINY_TEXT))
    model.tokenizer = tiny_tokenizer()
    folder = tmp_path_factory.mktemp("reader")
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def lyrics(tmp_path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("never meant\nsummer ends\n", encoding="utf-8-sig")
    return path


def test_lyrics_are_read_with_the_recording(reader, recording, lyrics):
    alone, told = (
        json.loads(run("predict", "--json", "--model", reader, recording, *more).stdout)
        for more in ([], ["--lyrics", lyrics])
    )
    text = lyrics.read_text(encoding="utf-8-sig")
    assert told == {"path": str(recording), **linernotes.load(reader).predict(str(recording), lyrics=text)}
    assert alone["emotions"] != told["emotions"]


def test_a_model_of_the_family_that_reads_none_says_so_with_its_answer(reader, recording, lyrics, tmp_path):
    settings = json.loads((Path(shutil.copytree(reader, tmp_path / "deaf")) / "config.json").read_text())
    (tmp_path / "deaf" / "config.json").write_text(json.dumps(settings | {"text_config": None}))
    result = run("predict", "--model", tmp_path / "deaf", recording, "--lyrics", lyrics)
    assert result.exit_code == 0
    assert "warning: lyrics were given, but this model reads none: the sound alone is heard" in result.stdout


@pytest.mark.parametrize(
    ("content", "files", "message"),
    [
        (b"never meant", 1, "genre-moe is a genre_moe, and that family takes no --lyrics: leave it out"),
        (b"never meant", 2, "--lyrics are the words of one recording, and 2 are named: ask about each alone"),
        (b"\xff\xfe\x00", 1, "words.txt is no text in UTF-8 ("),
        (None, 1, "No such file or directory"),
    ],
)
def test_lyrics_of_nobody_are_refused(bundled, recording, lyrics, content, files, message):
    lyrics.unlink() if content is None else lyrics.write_bytes(content)
    result = run("predict", "--lyrics", lyrics, *[recording] * files)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_lyrics_for_a_folder_without_a_tokenizer_end_with_a_message(reader, recording, lyrics, tmp_path):
    folder = Path(shutil.copytree(reader, tmp_path / "wordless"))
    for file in folder.glob("tokenizer*"):
        file.unlink()
    result = run("predict", "--model", folder, recording, "--lyrics", lyrics)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "this model reads lyrics, but its folder has no tokenizer" in result.stderr


# Long recordings


@pytest.fixture(scope="module")
def captioner(tmp_path_factory) -> Path:
    """A small SonicVerse that nobody trained."""
    folder = tmp_path_factory.mktemp("captioner")
    make_captioner(model_name="captioner").save_pretrained(folder)
    return folder


def test_a_long_recording_is_told(captioner, tmp_path):
    soundfile.write(tmp_path / "long.wav", made_of(12.0, 9.0), 24_000)
    answer = json.loads(run("predict", "--json", "--model", captioner, "--long", tmp_path / "long.wav").stdout)
    expected = linernotes.load(captioner).predict(str(tmp_path / "long.wav"), long=True)
    assert answer == {"path": str(tmp_path / "long.wav"), **expected}
    assert len(answer["segments"]) == 2
    text = run("predict", "--model", captioner, "--long", tmp_path / "long.wav").stdout
    assert "Story" in text
    assert f"{answer['segments'][1]['start_seconds']:.1f}"[:2] == "12"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "x"], "genre-moe is a genre_moe, and that family takes no --prompt: leave it out"),
        (["--no-grounded"], "that family takes no --grounded: leave it out"),
        (["--long"], "genre-moe is a genre_moe, and that family takes no --long: leave it out"),
        (["--story-model", "x"], "that family takes no --story-model: leave it out"),
        (["--story-endpoint", "http://x"], "that family takes no --story-endpoint: leave it out"),
    ],
)
def test_families_that_tell_no_stories_refuse_them(bundled, recording, arguments, message):
    result = run("predict", recording, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_caption_is_asked_for_as_python_asks(captioner, recording):
    given = {"prompt": "what plays", "grounded": False}
    expected = linernotes.load(captioner).predict(str(recording), **given)
    result = run("predict", "--json", "--model", captioner, recording, "--prompt", "what plays", "--no-grounded")
    assert json.loads(result.stdout) == {"path": str(recording), **expected}


def test_a_teller_that_cannot_be_is_refused_in_one_line(captioner, recording):
    result = run("predict", "--model", captioner, recording, "--story-model", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "story_model tells the story of a long recording: ask for it with long=True" in result.stderr
    result = run("predict", "--model", captioner, recording, "--long", "--story-model", "x", "--story-endpoint", "x")
    assert result.exit_code == 2
    assert "story_endpoint is 'x'; it must be the address of a service over http(s)" in result.stderr


# models


def test_models_lists_what_is_bundled(bundled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    figure = {"value": 0.8, "low": 0.75, "high": 0.85}
    results = {"test": {"n": 150, "accuracy": figure}}
    (bundled / "metrics.json").write_text(json.dumps({"results": results}))
    text = " ".join(run("models").stdout.split())
    for shown in ("genre-moe", "genre_moe", "jazz, blues, rock", "test: accuracy 0.800 (0.750-0.850), n = 150"):
        assert shown in text


def test_models_shows_the_figures_of_every_head(bundled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    heads = {head: {"n": 9, "accuracy": {"value": 0.5, "low": None, "high": None}} for head in ("vibe", "tempo")}
    heads["tempo"]["by_origin"] = {"drums": {"n": 4, "accuracy": {"value": 0.25, "low": 0.1, "high": 0.4}}}
    (bundled / "metrics.json").write_text(json.dumps({"results": {"test": {"n": 12, "sources": ["x"], **heads}}}))
    text = " ".join(run("models").stdout.split())
    assert "test vibe: accuracy 0.500, n = 9 " in text  # x is where the model was tested, not each of its heads
    assert "test tempo on drums: accuracy 0.250 (0.100-0.400), n = 4" in text


def test_models_without_figures_says_so(bundled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert "not yet" in run("models").stdout


# train and evaluate


def test_train_hands_its_arguments_over(monkeypatch):
    from linernotes.training import train

    called = create_autospec(train.train, return_value=Path("runs/x/model"))
    monkeypatch.setattr(train, "train", called)
    options = "--data-dir a --data-dir b --set training.epochs=1 --set model.dropout=0 --out runs/x --resume"
    result = run("train", "x.yaml", *options.split())
    assert result.exit_code == 0
    assert result.stdout == "runs/x/model\n"
    called.assert_called_once_with(
        Path("x.yaml"),
        data_dirs=[Path("a"), Path("b")],
        overrides=["training.epochs=1", "model.dropout=0"],
        out=Path("runs/x"),
        resume=True,
        extra_data=[],
    )


def test_evaluate_hands_its_arguments_over(monkeypatch):
    from linernotes.training import evaluate

    called = create_autospec(evaluate.evaluate_folder, return_value={"model": "x", "results": {}})
    monkeypatch.setattr(evaluate, "evaluate_folder", called)
    result = run("evaluate", "models/x", "--data-dir", "a", "--predictions", "p.jsonl", "--out", "m.json")
    assert json.loads(result.stdout) == {"model": "x", "results": {}}
    called.assert_called_once_with("models/x", data_dirs=[Path("a")], predictions=Path("p.jsonl"), out=Path("m.json"))


def test_compare_tells_what_the_second_model_would_add(tmp_path):
    for name, said in (("a", 0.9), ("b", 0.1)):
        rows = [
            {"clip": f"{n}", "group": f"{n}", "label": "x", "probabilities": {"x": said, "y": 0.5}} for n in range(3)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl")
    assert "gains of B 3, losses of B 0" in run("compare", *files).stdout
    assert json.loads(run("compare", *files, "--json").stdout)["worth_having"] is True
    missing = run("compare", files[0], str(tmp_path / "c.jsonl"))
    assert missing.exit_code == 2
    assert "c.jsonl" in missing.stderr


@pytest.mark.parametrize("arguments", [["absent.yaml"], ["x.yaml", "--set", "nonsense"], ["x.yaml", "--set", "a.b=1"]])
def test_an_experiment_that_is_none_ends_with_2_and_a_message(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text("family: genre_moe\n")
    result = run("train", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("linernotes: ")
    assert not Path("runs").exists()


@pytest.mark.parametrize(("command", "argument"), [("train", "x.yaml"), ("evaluate", "models/x")])
def test_a_missing_extra_is_named(monkeypatch, command, argument):
    for module in [name for name in sys.modules if name.startswith("linernotes.training")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "datasets", None)
    result = run(command, argument)
    assert result.exit_code == 2
    assert 'datasets is not installed; this command needs: pip install "linernotes[train]"' in result.stderr


def test_export_and_verify(tiny_folder, tmp_path):
    exported = run("export", tiny_folder, tmp_path / "out", "--repo", "you/tiny-moe")
    assert exported.exit_code == 0, exported.output
    assert exported.stdout.strip() == str(tmp_path / "out")
    assert 'from_pretrained("you/tiny-moe"' in (tmp_path / "out" / "README.md").read_text()
    verified = run("verify", tmp_path / "out")
    assert verified.exit_code == 0, verified.output
    assert "same" in verified.stdout
    assert run("verify", tmp_path / "out", "--same-code").exit_code == 0
    code = tmp_path / "out" / "windows.py"
    code.write_text(code.read_text() + "# mine\n")
    write_sums(tmp_path / "out")
    assert run("verify", tmp_path / "out").exit_code == 0
    other = run("verify", tmp_path / "out", "--same-code")
    assert (other.exit_code, "windows.py: not the code of linernotes" in other.stderr) == (1, True)
    with (tmp_path / "out" / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")
    refused = run("verify", tmp_path / "out")
    assert refused.exit_code == 1
    assert "model.safetensors differs from its sum" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "nothing", "out"), "'nothing' is no model"),
        (("export", "you/somewhere", "out"), "is no folder here"),
        (("verify", "nowhere"), "write user/name"),
    ],
)
def test_what_cannot_be_exported_or_verified(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []
