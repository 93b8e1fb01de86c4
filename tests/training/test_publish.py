"""From a trained folder to one of models/."""

import json

import pytest

from linernotes.training.publish import add_benchmark, main, publish


def test_a_trained_folder_is_published_with_links_for_its_code(tmp_path):
    trained, published = tmp_path / "model", tmp_path / "published"
    trained.mkdir()
    for name in ("model.safetensors", "config.json", "audio.py", "optimizer.pt"):
        (trained / name).write_text(name)
    assert main([str(trained), str(published)]) == 0
    assert {path.name for path in published.iterdir()} == {"model.safetensors", "config.json", "audio.py"}
    assert (published / "audio.py").is_symlink()
    assert "def stream_audio" in (published / "audio.py").read_text()


def test_links_to_code_go_with_it_and_a_walkthrough_shared_with_a_sibling_stays(tmp_path):
    trained, published, sibling = (tmp_path / name for name in ("model", "published", "sibling"))
    for folder in (trained, published, sibling):
        folder.mkdir()
    for name in ("model.safetensors", "audio.py", "spectral.py"):
        (trained / name).write_text(name)
    (sibling / "walkthrough.py").write_text("# %%")
    (published / "walkthrough.py").symlink_to("../sibling/walkthrough.py")
    publish(trained, published)
    (trained / "spectral.py").unlink()
    publish(trained, published)
    assert {path.name for path in published.glob("*.py")} == {"audio.py", "walkthrough.py"}


def test_figures_and_pictures_come_along_and_those_of_other_weights_go(tmp_path):
    trained, published = tmp_path / "model", tmp_path / "published"
    for folder, names in (
        (trained, ("model.safetensors", "metrics.json", "plots/roc_curves_test.png", "plots/notes.txt")),
        (published, ("metrics.json", "out_of_fold.json", "plots/radar_charts_test.png", "card.md", "LICENSE-other")),
    ):
        (folder / "plots").mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"{folder.name}: {name}")
    publish(trained, published)
    files = {path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()}
    assert files == {"model.safetensors", "metrics.json", "plots/roc_curves_test.png", "card.md", "LICENSE-other"}
    assert (published / "metrics.json").read_text() == "model: metrics.json"
    (trained / "metrics.json").unlink()
    (trained / "plots/roc_curves_test.png").unlink()
    publish(trained, published)
    assert {path.name for path in published.iterdir()} == {"model.safetensors", "card.md", "LICENSE-other"}


def test_a_benchmark_and_its_picture_outlast_other_weights(tmp_path):
    trained, published = tmp_path / "model", tmp_path / "published"
    for folder in (trained, published):
        folder.mkdir()
    (trained / "model.safetensors").write_text("weights")
    (tmp_path / "drawn.png").write_bytes(b"\x89PNG")
    table = {"title": "Cost", "about": "Of it.", "columns": ["side"], "rows": [["ours"]]}
    add_benchmark(published, "cost", table, picture=tmp_path / "drawn.png")
    add_benchmark(published, "other", table)
    publish(trained, published)
    kept = json.loads((published / "benchmarks.json").read_text())
    assert kept == {"cost": table | {"picture": "plots/benchmark_cost.png"}, "other": table}
    assert (published / "plots/benchmark_cost.png").read_bytes() == b"\x89PNG"


def test_help_is_given_and_what_is_missing_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "TRAINED" in capsys.readouterr().out.upper()
    assert main([str(tmp_path), str(tmp_path / "published")]) == 2
    assert "holds no model.safetensors; give the `model` folder of a training run" in capsys.readouterr().err
