"""From a trained folder to one of models/."""

import pytest

from linernotes.training.publish import main


def test_a_trained_folder_is_published_with_links_for_its_code(tmp_path):
    trained, published = tmp_path / "model", tmp_path / "published"
    trained.mkdir()
    for name in ("model.safetensors", "config.json", "audio.py", "optimizer.pt"):
        (trained / name).write_text(name)
    assert main([str(trained), str(published)]) == 0
    assert {path.name for path in published.iterdir()} == {"model.safetensors", "config.json", "audio.py"}
    assert (published / "audio.py").is_symlink()
    assert "def stream_audio" in (published / "audio.py").read_text()


def test_help_is_given_and_what_is_missing_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "TRAINED" in capsys.readouterr().out.upper()
    assert main([str(tmp_path), str(tmp_path / "published")]) == 2
    assert "holds no model.safetensors; give the `model` folder of a training run" in capsys.readouterr().err
