"""Every family's walkthrough has the same parts, needs nothing of ours, and runs from top to bottom."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import jupytext
import nbformat
import pytest

from linernotes.hub_upload.notebook import build_notebook, execute

MODELS = Path(__file__).parents[2] / "models"
WALKTHROUGHS = sorted(MODELS.glob("*/walkthrough.py"))
PARTS = ["Hear", "Features", "Architecture", "Train small", "Evaluate", "Explain", "Predict your own", "Publish"]
SECTIONS = [
    "1. Imports & Setup",
    "2. Synthetic Audio Generators",
    "3. Waveform & Spectrogram Visualisation",
    "4. Feature Extraction",
    "5. Dataset Generation",
    "6. PyTorch Dataset & DataLoaders",
    "7. Model Architecture",
    "8. Loss Functions",
    "9. Training Loop",
    "10. Training Curves",
    "11. Confusion Matrix & Classification Report",
    "12. Expert Gate Weight Analysis",
    "13. ROC Curves",
    "14. Expert Activation Radar Charts",
    "15. Feature Importance",
    "16. Predict Your Own Songs",
    "17. Save & Load",
]
PICTURES = [
    "genre_spectrograms.png",
    "architecture.png",
    "training_curves.png",
    "confusion_matrix.png",
    "expert_gates.png",
    "roc_curves.png",
    "radar_charts.png",
    "feature_importance.png",
]
HAD_BY_THE_MODEL = {"huggingface_hub", "numpy", "IPython"}  # every install of transformers, and every notebook
IMPORT_NAMES = {"scikit-learn": "sklearn"}


def cells_of(path: Path, kind: str) -> list[str]:
    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells
    return [cell.source for cell in cells if cell.cell_type == kind]


def headings(path: Path, level: int) -> list[str]:
    text = "\n".join(cells_of(path, "markdown"))
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def imported(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return {name.split(".")[0] for name in names}


@pytest.fixture(params=WALKTHROUGHS, ids=lambda path: path.parent.name)
def walkthrough(request) -> Path:
    return request.param


def test_both_genre_models_have_one():
    assert {"genre-moe", "genre-moe-tags"} <= {path.parent.name for path in WALKTHROUGHS}


def test_it_has_a_title_and_the_eight_parts_in_order(walkthrough):
    assert len(headings(walkthrough, 1)) == 1
    assert headings(walkthrough, 2) == PARTS


def test_the_genre_walkthrough_has_the_seventeen_sections_of_music_genre_moe():
    path = MODELS / "genre-moe" / "walkthrough.py"
    assert headings(path, 3) == SECTIONS
    assert re.findall(r'^picture\("(.+)"\)$', path.read_text(), re.MULTILINE) == PICTURES


def test_the_first_code_cell_installs_what_the_others_import(walkthrough):
    first, *others = cells_of(walkthrough, "code")
    assert '"-m", "pip", "install"' in first
    assert imported(first) <= sys.stdlib_module_names
    installed = {name for name, _ in re.findall(r'"([\w-]+)>=([\d.]+)"', first)}
    have = {IMPORT_NAMES.get(name, name) for name in installed} | HAD_BY_THE_MODEL | {"google"}
    assert set().union(*map(imported, others)) <= have | sys.stdlib_module_names
    assert "linernotes" not in have


def test_it_is_a_notebook_of_ours(walkthrough):
    notebook = build_notebook(walkthrough, "me/mine")
    nbformat.validate(notebook)
    assert "colab.research.google.com/#fileId=https://huggingface.co/me/mine/" in notebook.cells[0].source
    sources = "\n".join(cell.source for cell in notebook.cells)
    assert sources.count("me/mine") == 2, "the badge, and where the model is loaded"


# Executed


@cache
def executed(name: str, short: bool):
    folder = MODELS / name
    return execute(build_notebook(folder / "walkthrough.py", f"linernotes/{name}"), folder, short=short)


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.text for output in outputs if output.output_type == "stream")


def row(notebook, name: str, count: int) -> list[float]:
    """The numbers in the one printed line that has this name and so many numbers."""
    lines = re.findall(rf"^ *{name} +([\d. ]+)$", printed(notebook), re.MULTILINE)
    (numbers,) = [line.split() for line in lines if len(line.split()) == count]
    return [float(number) for number in numbers]


GENRE_NOTEBOOKS = [
    pytest.param(("genre-moe", False), marks=pytest.mark.slow, id="genre-moe, whole"),
    pytest.param(("genre-moe-tags", True), marks=pytest.mark.slow, id="genre-moe-tags, short"),
]
METER_NOTEBOOK = pytest.param(("beatmeter-pocket", True), marks=pytest.mark.slow, id="beatmeter-pocket, short")
AFFECT_NOTEBOOK = pytest.param(("mathrock-pocket", True), marks=pytest.mark.slow, id="mathrock-pocket, short")
CODES_NOTEBOOK = pytest.param(
    ("mega-audioformer-speech-music", True), marks=pytest.mark.slow, id="mega-audioformer-speech-music, short"
)


CAPTION_NOTEBOOK = pytest.param(("sonicverse-smol", True), marks=pytest.mark.slow, id="sonicverse-smol, short")


@pytest.fixture(params=[*GENRE_NOTEBOOKS, METER_NOTEBOOK, AFFECT_NOTEBOOK, CODES_NOTEBOOK, CAPTION_NOTEBOOK])
def notebook(request):
    return executed(*request.param)


@pytest.fixture(params=GENRE_NOTEBOOKS)
def genre_notebook(request):
    return executed(*request.param)


@pytest.fixture(params=[METER_NOTEBOOK])
def meter_notebook(request):
    return executed(*request.param)


@pytest.fixture(params=[AFFECT_NOTEBOOK])
def affect_notebook(request):
    return executed(*request.param)


@pytest.fixture(params=[CODES_NOTEBOOK])
def codes_notebook(request):
    return executed(*request.param)


@pytest.fixture(params=[CAPTION_NOTEBOOK])
def caption_notebook(request):
    return executed(*request.param)


def shown_in(notebook) -> tuple[int, int]:
    """How many pictures and how many sounds."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    pictures = sum("image/png" in output.data for output in outputs)
    return pictures, sum("audio/mpeg" in output.data.get("text/html", "") for output in outputs)


def pictures_asked_for(name: str) -> int:
    source = (MODELS / name / "walkthrough.py").read_text()
    return len(re.findall(r'^picture\(".+"\)$', source, re.MULTILINE))


def test_it_is_small_enough_for_the_page(notebook):
    assert len(nbformat.writes(notebook)) < 1_500_000


def test_all_pictures_and_sounds_are_there(genre_notebook):
    assert shown_in(genre_notebook) == (len(PICTURES), 5)


def test_all_pictures_and_sounds_of_the_meters_are_there(meter_notebook):
    assert shown_in(meter_notebook) == (pictures_asked_for("beatmeter-pocket"), 7)


def test_the_meter_walkthrough_saves_and_loads_and_records_errors(meter_notebook):
    assert "equal after reloading" in printed(meter_notebook)
    assert re.search(r"^too_short.wav +error: too_short$", printed(meter_notebook), re.MULTILINE)


def test_the_walkthrough_of_affect_shows_saves_and_loads_and_reads_no_lyrics(affect_notebook):
    assert shown_in(affect_notebook) == (pictures_asked_for("mathrock-pocket"), 6)
    assert "equal after reloading" in printed(affect_notebook)
    assert "lyrics were given, but this model reads none" in printed(affect_notebook)
    assert "the same answer with them and without: yes" in printed(affect_notebook)
    assert re.search(r"^too_short.wav +error: too_short$", printed(affect_notebook), re.MULTILINE)


def test_the_walkthrough_of_codes_shows_saves_and_loads(codes_notebook):
    assert shown_in(codes_notebook) == (pictures_asked_for("mega-audioformer-speech-music"), 3)
    assert "the same answer with padding" in printed(codes_notebook)
    assert "equal after reloading" in printed(codes_notebook)
    assert re.search(r"^broken.wav +error: not_audio$", printed(codes_notebook), re.MULTILINE)


def test_the_walkthrough_of_captions_says_what_is_true_saves_and_loads(caption_notebook):
    assert shown_in(caption_notebook) == (pictures_asked_for("sonicverse-smol"), 4)
    assert "kept:     A slow jazz piece in A minor with a piano." in printed(caption_notebook)
    assert "withheld: There are drums. A woman sings." in printed(caption_notebook)
    assert "equal after reloading" in printed(caption_notebook)
    assert re.search(r"^broken.wav +error: not_audio$", printed(caption_notebook), re.MULTILINE)


def test_the_small_model_tells_the_genres_apart(genre_notebook):
    accuracy, songs = row(genre_notebook, "accuracy", 2)
    assert accuracy >= 0.8
    assert songs in (20, 150)


def test_alignment_brings_each_expert_to_its_genre_and_the_loss_as_it_was_does_not(genre_notebook):
    *aligned, mean = row(genre_notebook, "with gate alignment", 6)
    assert mean == pytest.approx(sum(aligned) / 5, abs=0.01)
    assert min(aligned) >= 0.6
    assert max(row(genre_notebook, "loss as it was", 6)) <= 0.5


def test_both_forms_of_saving_give_the_model_back(genre_notebook):
    assert "equal after reloading" in printed(genre_notebook)
    assert "equal after reading the checkpoint; its genres: jazz, blues, rock, pop, classical" in printed(
        genre_notebook
    )


def test_nothing_went_to_standard_error(notebook):
    streams = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in streams if output.get("name") == "stderr"] == []
