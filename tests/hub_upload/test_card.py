"""The Hub page says what the files beside it say: every number is traced back, and a wrong one is shown to be found."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from card_reading import (
    allowed_rows,
    benchmark_rows,
    evaluations_in,
    front_matter,
    heads_in,
    measured_by_title,
    numbers_in,
    read,
    sections_of,
    shown_rows,
    tables_in,
    unaccounted,
)
from huggingface_hub import ModelCard
from transformers import HubertConfig, Wav2Vec2FeatureExtractor

import linernotes
from linernotes.hub_upload.card import build_card
from linernotes.hub_upload.errors import PublishError
from linernotes.training.publish import add_benchmark

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("models/*/config.json"))
EACH_CARD = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
ASKED = [folder for folder in FOLDERS if "auto_map" in read(folder, "config.json")]  # a backbone has no predict
EACH_THAT_ANSWERS = pytest.mark.parametrize("folder", ASKED, ids=lambda folder: folder.name)
SECTIONS = [
    "Use",
    "What it answers",
    "Measured",
    "Intended use",
    "Limits",
    "Training data",
    "How it was trained",
    "How to reproduce it",
    "How to verify it",
    "Citation",
    "Licence",
]

INDEXED = (
    ("accuracy", "accuracy", "accuracy"),
    ("macro_f1", "f1", "macro F1"),
    ("roc_auc", "roc_auc", "ROC AUC"),
    ("map", "mean_average_precision", "mean average precision"),
    ("si_sdr_db", "si_sdr", "SI-SDR in dB"),
)


# The cards of this repository


@EACH_CARD
def test_the_committed_card_is_current(folder):
    stale = f"run: python -m linernotes.hub_upload.card models/{folder.name}"
    assert (folder / "README.md").read_text() == build_card(folder), stale


@EACH_CARD
def test_every_number_is_accounted_for(folder):
    assert unaccounted((folder / "README.md").read_text(), folder) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("| accuracy | 0.718 |", "| accuracy | 0.739 |"),
        ("| accuracy | 0.718 | 0.619 to 0.803 | 0.237 |", "| macro F1 | 0.718 | 0.619 to 0.803 | 0.237 |"),
        ("| jazz | 61 | 5 |", "| jazz | 60 | 5 |"),
        ("| jazz | 0.432 |", "| jazz | 0.423 |"),
        ("0.619 to 0.803", "0.639 to 0.803"),
        ("287 songs", "278 songs"),
        ("value: 0.71777", "value: 0.76777"),
        ("low: 0.619403", "low: 0.7"),
        ("n: 287", "n: 2870"),
        ("All figures", "With 99.5 on other data. All figures"),
        ("under a confidence of 0.7926", "under a confidence of 0.75"),
        ("train 600", "train 6,000"),
        ("174,570", "174,750"),
        ("Hears jazz", "Heard by 12,345 people: jazz"),
    ],
)
def test_a_planted_wrong_number_is_found(was, becomes):
    folder = ROOT / "models" / "genre-moe"
    text = (folder / "README.md").read_text()
    assert was in text
    assert unaccounted(text.replace(was, becomes, 1), folder)


@EACH_CARD
def test_prose_takes_its_numbers_from_the_files(folder):
    """A number that is typed in card.md stays when the model changes: facts are the exception, with a reason."""
    _, front, body = (folder / "card.md").read_text().split("---\n", 2)
    expression = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
    described = yaml.safe_load(front)["evaluations"].values()
    described = [*described, *(head for said in described for head in said.get("heads", {}).values())]
    told = [said.get(key, "") for said in described for key in ("title", "about")]
    body = expression.sub("", body.split("\n## Citation")[0])
    assert numbers_in(body) == []
    assert numbers_in(expression.sub("", " ".join(told))) == []


@EACH_CARD
def test_the_model_index_holds_the_figures_of_every_evaluation(folder):
    results = ModelCard((folder / "README.md").read_text()).data.eval_results
    found = {(result.dataset_split, result.metric_type, result.metric_name): result.metric_value for result in results}
    expected = {
        (name, kind, f"{shown} ({head})" if head else shown): part[key]["value"]
        for name, measured in read(folder, "metrics.json")["results"].items()
        for head, part in ({"": measured} | heads_in(measured)).items()
        for key, kind, shown in INDEXED
        if key in part and part[key]["value"] is not None
    }
    assert expected
    assert expected.items() <= found.items()
    assert not any(kind.endswith("ece") for _, kind, _ in found)


@EACH_CARD
def test_every_figure_is_in_a_table(folder):
    shown = evaluations_in((folder / "README.md").read_text())
    assert {title: shown_rows(part) for title, part in shown.items() if title} == {
        title: allowed_rows(measured) for title, measured in measured_by_title(folder).items()
    } | benchmark_rows(folder)


@EACH_CARD
def test_the_page_is_whole(folder):
    text = (folder / "README.md").read_text()
    data = ModelCard(text).data
    assert list(sections_of(text)) == SECTIONS
    assert all(section.strip() for section in sections_of(text).values())
    assert data.license == front_matter(folder)["license"]
    assert data.library_name == "transformers"
    assert {"music", read(folder, "config.json")["model_type"]} <= set(data.tags)
    assert ("custom_code" in data.tags) == (folder in ASKED)
    assert data.pipeline_tag
    assert "Nothing is stated" not in text


@EACH_CARD
def test_every_evaluation_is_described(folder):
    assert set(front_matter(folder)["evaluations"]) == set(read(folder, "metrics.json")["results"])


@EACH_CARD
def test_links_lead_somewhere_and_every_plot_is_shown(folder):
    text = (folder / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert not [link for link in links if not (folder / link).is_file()]
    assert {f"plots/{path.name}" for path in (folder / "plots").glob("*.png")} <= set(links)
    assert not re.findall(r"!\[\]", text)


@EACH_CARD
def test_the_experiment_is_the_one_that_was_trained(folder):
    config = yaml.safe_load((ROOT / front_matter(folder)["config"]).read_text())
    experiment = read(folder, "training.json")["experiment"]
    assert (config["family"], config["name"]) == (experiment["family"], experiment["name"])


@EACH_THAT_ANSWERS
def test_the_answer_shown_has_the_keys_of_a_real_one(folder, tone):
    section = (folder / "README.md").read_text().split("\n## What it answers\n")[1]
    shown = ast.literal_eval(re.search(r"```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)[1])
    answer = linernotes.load(folder).predict(tone(2.0, 22050), sampling_rate=22050)
    assert list(shown) == list(answer)
    assert shown["model"] == answer["model"]
    assert {key: list(value) for key, value in shown.items() if isinstance(value, dict)} == {
        key: list(value) for key, value in answer.items() if isinstance(value, dict)
    }


def test_the_licence_follows_the_ears():
    licences = {
        name: ModelCard.load(ROOT / "models" / name / "README.md").data.license
        for name in ("genre-moe", "genre-moe-tags")
    }
    assert licences == {"genre-moe": "apache-2.0", "genre-moe-tags": "isc"}


# Any folder


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of genre-moe's page sources, to be changed."""
    source, copy = ROOT / "models" / "genre-moe", tmp_path / "genre-moe"
    copy.mkdir()
    for name in ("card.md", "config.json", "preprocessor_config.json", "metrics.json", "training.json"):
        shutil.copyfile(source / name, copy / name)
    return copy


def change(path: Path, *keys, value) -> None:
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


def well_formed(text: str) -> bool:
    tables = tables_in(text)
    return bool(tables) and all(len({len(row) for row in table}) == 1 for table in tables)


@EACH_CARD
def test_tables_are_well_formed(folder):
    assert well_formed((folder / "README.md").read_text())


def test_a_ragged_table_is_seen():
    assert not well_formed("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n")


def test_another_repository_is_named_everywhere(folder):
    text = build_card(folder, "somebody/their-genres")
    assert not re.search(r"linernotes/genre-moe(?!-tags)", text)
    assert text.count("somebody/their-genres") >= 5
    assert "\n# their-genres\n" in text
    assert ModelCard(text).data.model_name == "their-genres"


def test_what_was_tried_beside_stands_in_tables(folder):
    table = {"title": "From scratch", "about": "Equal steps.", "columns": ["method", "right"], "rows": [["a|b", "0.5"]]}
    add_benchmark(folder, "table", table)
    (folder / "drawn.png").write_bytes(b"\x89PNG")
    add_benchmark(folder, "other", table | {"title": "Beside another"}, picture=folder / "drawn.png")
    measured = sections_of(build_card(folder))["Measured"]
    assert "### From scratch\n\nEqual steps.\n\n| method | right |\n|---|---:|\n| a\\|b | 0.5 |" in measured
    assert measured.count("plots/benchmark_other.png") == 1, "with its table, and not among the other pictures"
    assert "\n\n![Beside another](plots/benchmark_other.png)" in measured.partition("### Beside another")[2]


def test_without_metrics_nothing_is_claimed(folder):
    (folder / "metrics.json").unlink()
    text = build_card(folder)
    assert "Not measured" in sections_of(text)["Measured"]
    assert not numbers_in(sections_of(text)["Measured"])
    assert not re.search("model-index|model_name", text)
    assert "metrics" not in ModelCard(text).data.to_dict()


def test_of_weights_of_unknown_training_no_licence_or_data_is_claimed(folder):
    """Such as a stranger's checkpoint, put into a copy of a published folder."""
    for name in ("metrics.json", "training.json"):
        (folder / name).unlink()
    text = build_card(folder)
    data, sections = ModelCard(text).data, sections_of(text)
    assert data.license is None
    assert data.datasets is None
    assert data.pipeline_tag == "audio-classification"
    for name in ("Training data", "How it was trained", "How to reproduce it"):
        assert sections[name].strip() == "Not known: there is no training.json beside these weights."
    assert "has not stated" in sections["Licence"]
    assert "gtzan" not in text.lower()


def test_a_folder_without_card_md_has_a_page(folder):
    (folder / "card.md").unlink()
    text = build_card(folder)
    assert list(sections_of(text)) == SECTIONS
    assert well_formed(text)
    assert set(evaluations_in(text)) == {"", "Test", "Cross validation"}
    assert ModelCard(text).data.license is None
    assert {result.dataset_name for result in ModelCard(text).data.eval_results} == {"generated", "gtzan"}


def test_labels_with_special_signs_stay_text(folder):
    odd = "drum|n|bass <b> *x* [y]"
    old = read(folder, "config.json")["id2label"]["0"]
    for name in ("config.json", "metrics.json"):
        (folder / name).write_text((folder / name).read_text().replace(f'"{old}"', json.dumps(odd)))
    text = build_card(folder, "somebody/drum_n_bass")
    assert well_formed(text)
    assert r"| drum\|n\|bass \<b\> \*x\* \[y\] | 61 |" in text
    assert "\n# drum\\_n\\_bass\n" in text


def figure(value: float, low: float | None = 0.1, high: float | None = 0.9, **baseline: float) -> dict:
    return {"value": value, "low": low, "high": high, **baseline}


def test_other_families_figures_heads_and_tables_are_shown(folder):
    """Unknown metrics, several heads, a table by source, a figure without baseline, one group."""
    head = {"accuracy": figure(0.6, majority_baseline=0.4), "labels": ["slow", "fast"], "confusion": [[3, 2], [1, 4]]}
    evaluation = {
        "n": 10,
        "map": figure(0.51, majority_baseline=0.25),
        "caption_score": figure(12.5, None, None),
        "by_source": {"drums": {"accuracy": figure(0.7), "n": 4}, "bells": {"accuracy": figure(0.8), "n": 6}},
        "tempo_class": head,
    }
    change(folder / "metrics.json", "results", value={"held_out": evaluation})
    (folder / "card.md").unlink()
    text = build_card(folder)
    assert "| mean average precision | 0.510 | 0.100 to 0.900 | 0.250 |" in text
    assert "| caption score | 12.500 | none: one group | - |" in text
    assert "<summary>By source</summary>" in text
    assert "| bells | 0.800<br>0.100&nbsp;to&nbsp;0.900 | 6 |" in text
    assert "\n### Held out: tempo class\n" in text
    assert "| accuracy | 0.600 | 0.100 to 0.900 | 0.400 |" in text
    assert "| fast | 1 | 4 |" in text
    assert well_formed(text)
    found = {result.metric_name: result.metric_value for result in ModelCard(text).data.eval_results}
    assert found == {"mean average precision": 0.51, "caption score": 12.5, "accuracy (tempo_class)": 0.6}


DESCRIBED = """---
evaluations:
  test:
    title: Held out
    unit: clips
    heads:
      vibe: {title: "Vibe, held out", about: "Not {{ labels[0] }}.", dataset: {name: Vibes, type: made}}
---
A listener.
"""


def test_an_evaluation_of_heads_alone_has_a_part_for_each(folder):
    """No figures of the whole, a head that card.md describes, its own picture, a baseline without a difference."""
    coin = {"n": 10, "accuracy": figure(0.5), "macro_f1": figure(0.4)}
    interval = {"level": 0.9, "method": "bootstrap", "resamples": 100, "seed": 0}
    vibe = {"n": 10, "interval": interval, "accuracy": figure(0.6, majority_baseline=0.4)}
    vibe |= {"baselines": {"a coin": coin}}
    mood = {"n": 7, "map": figure(0.7, majority_baseline=0.2), "baselines": {}}
    results = {"test": {"sources": ["here"], "n": 12, "n_groups": 9, "vibe": vibe, "mood": mood}}
    change(folder / "metrics.json", "results", value=results)
    (folder / "card.md").write_text(DESCRIBED)
    (folder / "plots").mkdir()
    for name in ("reliability_of_vibe_test", "reliability_test"):
        (folder / "plots" / f"{name}.png").write_bytes(b"\x89PNG")
    text = build_card(folder)
    parts = evaluations_in(text)
    assert list(parts) == ["", "Held out", "Vibe, held out", "Held out: mood"]
    assert tables_in(parts["Held out"]) == []
    assert "12 clips, 9 groups." in parts["Held out"]
    assert "Not jazz. 10 clips" in parts["Vibe, held out"]
    assert "| a coin | accuracy | 0.500 | 0.100 to 0.900 | - | - |" in parts["Vibe, held out"]
    assert "| a coin | macro F1 | 0.400 | 0.100 to 0.900 | - | - |" in parts["Vibe, held out"]
    places = {name: title for title, part in parts.items() for name in re.findall(r"plots/(\w+)\.png", part)}
    assert places == {"reliability_of_vibe_test": "Vibe, held out", "reliability_test": "Held out"}
    assert well_formed(text)
    assert unaccounted(text, folder) == []
    entries = ModelCard(text).data.eval_results
    assert {(entry.metric_name, entry.dataset_name, entry.metric_args["n"]) for entry in entries} == {
        ("accuracy (vibe)", "Vibes", 10),
        ("mean average precision (mood)", "here", 7),
    }
    for was, becomes in (("0.400 | 0.100 to 0.900 | - |", "0.450 | 0.100 to 0.900 | - |"), ("10 clips", "11 clips")):
        assert unaccounted(text.replace(was, becomes, 1), folder)


@pytest.fixture
def backbone(tmp_path) -> Path:
    """What a plain backbone's page is made of: the prose of pocket-mert, and figures of probes, made up."""
    folder = tmp_path / "pocket-mert"
    folder.mkdir()
    shutil.copyfile(ROOT / "models" / "pocket-mert" / "card.md", folder / "card.md")
    HubertConfig(architectures=["HubertModel"]).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=24_000).save_pretrained(folder)
    training = {"commit": "0" * 40, "duration_seconds": 1.5, "machine": "any", "versions": {}, "parameters": 2_345_678}
    training |= {
        "data": [{"name": "a corpus", "licence": "CC BY-NC-SA 4.0", "rows": {"train": 20}}],
        "experiment": {"name": "pocket-mert"},
    }
    results = {}
    for number, name in enumerate(front_matter(folder)["evaluations"]):
        key = "map" if name.endswith("instruments") else "r_squared" if name.endswith("tempo") else "accuracy"
        other = {key: figure(0.2 + number / 100), f"our_{key}_minus_its": figure(0.3, 0.2, 0.4), "chosen": ["layer 1"]}
        size = {
            "n": 300 + number,
            "n_groups": 20,
            "interval": {"level": 0.95, "method": "m", "resamples": 1000, "seed": 0},
        }
        baselines = {"baselines": {"random weights": other, "musicnn": other}, "labels": ["3", "4", "5, 6"]}
        results[name] = size | {key: figure(0.5 + number / 100, majority_baseline=0.1)} | baselines
    for name, content in (("training", training), ("metrics", {"model": "pocket-mert", "results": results})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_a_backbone_has_a_page(backbone):
    text = build_card(backbone)
    data = ModelCard(text).data
    assert unaccounted(text, backbone) == []
    assert list(sections_of(text)) == SECTIONS
    assert well_formed(text)
    assert data.pipeline_tag == "feature-extraction"
    assert "custom_code" not in data.tags
    assert 'AutoFeatureExtractor.from_pretrained("linernotes/pocket-mert")' in text
    assert "predict(" not in text
    assert "trust_remote_code" not in text
    assert "linernotes.training.probes runs/pocket-mert/model" in text
    assert "linernotes evaluate" not in text


def test_a_backbones_probes_stand_side_by_side(backbone):
    text = build_card(backbone)
    first = "| Genre, real songs | 300 | accuracy | 0.500 | 0.200 (higher) | 0.200 (higher) | 0.100 |"
    assert first in text
    assert unaccounted(text.replace(first, first.replace("0.200 (", "0.210 (", 1)), backbone)
    for name in list(front_matter(backbone)["evaluations"])[3:]:
        change(backbone / "metrics.json", "results", name, "baselines", value={})
    assert "in brackets" not in build_card(backbone)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(-0.1, 0.1, "no difference shown"), (0.01, 0.1, "higher"), (-0.1, -0.01, "lower")]
)
def test_a_difference_is_one_where_its_interval_leaves_out_zero(folder, low, high, said):
    difference = {"value": (low + high) / 2, "low": low, "high": high, "n": 574, "n_groups": 59}
    for baseline in read(folder, "metrics.json")["results"]["cross_validation"]["baselines"]:
        keys = ("results", "cross_validation", "baselines", baseline, "our_accuracy_minus_its")
        change(folder / "metrics.json", *keys, value=difference)
    assert len(re.findall(rf"<br>{said} \|", build_card(folder))) == 2


# What is refused


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("license:", "licence:", "unknown 'licence'; allowed are license"),
        ("    unit: clips", "    units: clips", "evaluations: test .*unknown 'units'; allowed are title"),
        ("type: generated}", "typ: generated}", "dataset .*unknown 'typ'; allowed are name, type"),
        ("    unit: clips", "    heads: {a: {units: x}}", "evaluations: test: heads: a .*unknown 'units'; allowed are"),
        ("    unit: clips", "    heads: {a: {dataset: {name: x}}}", "test: heads: a: dataset .*'type' is missing"),
        ("    unit: clips", "    heads: {a: x}", "evaluations: test: heads: a .*got 'x'; it must map title, about"),
        ("name: Generated songs of linernotes, ", "", "dataset .*'name' is missing"),
        (
            "pictures:\n",
            "facts:\n  tags: {value: 50}\npictures:\n",
            "tags .*'because' is missing",
        ),
        ("license: apache-2.0", "license: [mit]", r"license is \['mit'\]; it must be a str"),
        ("license: apache-2.0", "license: [mit", "is not YAML"),
        ("---\nlicense", "license", "has no front matter"),
        ("## Limits", "## Limitations", "unknown 'Limitations'; allowed are Use"),
        ("{{ config.abstain_below }}", "{{ config.abstain }}", "section 'Limits': .*'abstain'.*at hand are repo_id"),
        ("among dozens", "{{ facts.recipes", "section 'Measured'"),
        ("among dozens", "{{ ''.__class__.__mro__ }}", "section 'Measured': .*unsafe"),
    ],
)
def test_a_mistake_in_card_md_is_refused(folder, was, becomes, message):
    source = (folder / "card.md").read_text()
    assert was in source
    (folder / "card.md").write_text(source.replace(was, becomes, 1))
    with pytest.raises(PublishError, match=message):
        build_card(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(PublishError, match=r"holds no config\.json; give a folder of models/"):
        build_card(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("{", "is not JSON"), ("[1]", "holds no JSON object")])
def test_a_broken_file_is_named(folder, content, message):
    (folder / "metrics.json").write_text(content)
    with pytest.raises(PublishError, match=rf"metrics\.json {message}"):
        build_card(folder)


def run(*arguments: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "linernotes.hub_upload.card", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_writes_readme(folder, tmp_path):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "README.md").read_text() == build_card(folder)
    failed = run(tmp_path)
    assert failed.returncode == 2
    assert "holds no config.json" in failed.stderr
    assert "Traceback" not in failed.stderr
