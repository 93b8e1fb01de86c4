"""What the README shows is there and runs."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from linernotes import cli, cli_corpus, cli_demo, cli_listen
from linernotes.corpora import generators

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def interval(figure: dict) -> str:
    return f"{figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "document", ["README.md", "SECURITY.md", "CHANGELOG.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
)
def test_every_link_into_the_repository_leads_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert not [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]


def test_the_genre_of_the_readme_sounds(monkeypatch):
    monkeypatch.setattr(generators, "GENRE_GENERATORS", dict(generators.GENRE_GENERATORS))
    (example,) = (block for block in blocks("python") if "@generator" in block)
    exec(example, {})
    clip = generators.generate_clip("reggae", seed=1, duration_seconds=4.0)
    assert clip.shape == (4 * generators.SAMPLING_RATE,)
    assert np.isfinite(clip).all()
    assert np.sqrt(np.mean(clip**2)) > 0.001


def test_the_joint_report_of_the_readme_is_there(monkeypatch):
    monkeypatch.chdir(ROOT)
    (example,) = (block for block in blocks("python") if "linernotes.listen(" in block)
    found = {}
    exec(example, found)
    assert found["report"]["genre"]["label"] == "classical"
    assert set(found["report"]["meter"]["probabilities"]) == {"3", "4", "5", "7", "9", "11"}


def test_commands_and_options_of_the_readme_exist():
    known = {command.callback.__name__ for command in cli.app.registered_commands}
    groups = {
        group.name: {command.name for command in group.typer_instance.registered_commands}
        for group in cli.app.registered_groups
    }
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", "").splitlines()]
    shown = [shlex.split(line, comments=True) for line in lines]
    ours = [line for line in shown if line[:1] == ["linernotes"]]
    assert len(ours) >= 6
    source = "".join(
        Path(module.__file__).read_text(encoding="utf-8") for module in (cli, cli_corpus, cli_demo, cli_listen)
    )
    for _, command, *arguments in ours:
        if "." in command:  # a song, which needs no verb
            command, arguments = "listen", [command, *arguments]
        assert arguments[0] in groups[command] if command in groups else command in known
        for option in (argument for argument in arguments if argument.startswith("--")):
            assert f'"{option}"' in source or f" {option[2:].replace('-', '_')}:" in source


def test_configs_and_make_targets_of_the_readme_exist():
    for config in re.findall(r"configs/[\w/]+\.yaml", README):
        assert (ROOT / config).is_file(), config
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)\b", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize(
    ("model", "evaluation"),
    [("genre-moe", "test"), ("genre-moe", "cross_validation"), ("genre-moe-tags", "cross_validation")],
)
def test_measured_figures_are_those_of_metrics_json(model, evaluation):
    figures = json.loads((ROOT / "models" / model / "metrics.json").read_text())["results"][evaluation]
    accuracy, own = figures["accuracy"], figures["self_activation"]
    baselines = [f"{baseline['accuracy']['value']:.3f}" for baseline in figures.get("baselines", {}).values()]
    expected = (
        f"| {interval(accuracy)} "
        f"| {accuracy['majority_baseline']:.3f} | {', '.join(baselines) or '-'} "
        f"| {own['mean']['value']:.2f}, {own['min']['value']:.2f} |"
    )
    rows = [line for line in README.splitlines() if line.startswith(f"| {model} | {figures['n']} ")]
    assert any(row.endswith(expected) for row in rows)


def affect_rows() -> list[str]:
    """The README's table of mathrock-pocket, a row a question: n, figure, interval, majority baseline, baselines."""
    test = json.loads((ROOT / "models/mathrock-pocket/metrics.json").read_text())["results"]["test"]
    others = ("logistic regression on the log-mel", "beat tracker")

    def row(name: str, part: dict, beside: dict, key: str = "macro_f1") -> str:
        figure, shown = part[key], [f"{beside[o][key]['value']:.3f}" if o in beside else "-" for o in others]
        return (
            f"| {name} | {part['n']} | {interval(figure)} | {figure['majority_baseline']:.3f} | {' | '.join(shown)} |"
        )

    tempo = test["tempo"]
    by_origin = {
        origin: {o: found[origin] for o in others if (found := tempo.get(f"by_origin_of_{o.replace(' ', '_')}"))}
        for origin in tempo["by_origin"]
    }
    emotion = test["emotion"]
    return [
        *(row(f"{task}, rendered", test[task], test[task]["baselines"]) for task in ("vibe", "intensity")),
        row("tempo, rendered", tempo["by_origin"]["composed"], by_origin["composed"]),
        row("tempo, real recordings", tempo["by_origin"]["recordings"], by_origin["recordings"]),
        row("tempo, drummers, rendered", tempo["by_origin"]["grooves"], by_origin["grooves"]),
        row("emotions, rendered: mean average precision", emotion, emotion["baselines"], "map"),
    ]


def test_measured_affect_is_that_of_metrics_json():
    assert [row for row in affect_rows() if row not in README.splitlines()] == []


CODES = {  # rows of the README's table of Mega-AudioFormer: model, evaluation
    "speech or music, real recordings": ("mega-audioformer-speech-music", "test"),
    "instrument family, rendered": ("mega-audioformer-instrument", "test"),
    "instrument family, real notes": ("mega-audioformer-instrument", "real_notes"),
    "genre, rendered": ("mega-audioformer-genre", "test"),
    "genre, real songs": ("mega-audioformer-genre", "real"),
}


@pytest.mark.parametrize("name", CODES)
def test_what_is_heard_in_codes_is_that_of_metrics_json(name):
    model, evaluation = CODES[name]
    part = json.loads((ROOT / "models" / model / "metrics.json").read_text())["results"][evaluation]
    figure, beside = part["accuracy"], part.get("baselines", {}).get("logistic regression on code counts")
    numbers = f"{part['n']} | {interval(figure)}"
    other = f"{beside['accuracy']['value']:.3f}" if beside else "-"
    assert f"| {name} | {numbers} | {figure['majority_baseline']:.3f} | {other} |" in README.splitlines()


def test_the_results_told_of_codes_are_those_of_the_benchmarks():
    text = " ".join((ROOT / "docs/mega_audioformer.md").read_text(encoding="utf-8").split())
    vad = json.loads((ROOT / "benchmarks/results/speech_music_vad.json").read_text())
    right = {who: round(share * vad["n"]) for who, share in vad["accuracy"].items()}
    assert f"in {right['model']} of {vad['n']} real clips" in text
    assert f"silero-vad, is right in {right['silero-vad']} of them" in text
    told = ("instrument family, rendered", "instrument family, real notes", "genre, rendered")
    for model, evaluation in (CODES[name] for name in told):
        part = json.loads((ROOT / "models" / model / "metrics.json").read_text())["results"][evaluation]
        assert f"{part['accuracy']['value']:.3f} of {part['n']}" in text
    lines = json.loads((ROOT / "benchmarks/results/mega_audioformer_table.json").read_text())
    tuned = [line for line in lines if (line["evaluation"], line["method"]) == ("test", "fine-tuned")]

    def gained(task: str, kbps: float) -> list[dict[str, float]]:
        found = [line for line in tuned if (line["task"], line["kbit_per_second"]) == (task, kbps)]
        return [line["accuracy_minus_scratch"] for line in found]

    gains = {task: gained(task, 1.5) for task in ("genre", "instrument")}
    spans = [
        f"{min(g['value'] for g in found):.2f} to {max(g['value'] for g in found):.2f}" for found in gains.values()
    ]
    assert f"by {spans[0]} for genre and {spans[1]} for instruments" in text
    assert all(gain["low"] > 0 for found in gains.values() for gain in found)
    lost = gained("genre", 12.0)
    assert f"{-max(g['value'] for g in lost):.2f} to {-min(g['value'] for g in lost):.2f} below scratch" in text
    assert all(gain["high"] < 0 for gain in lost)
    assert all(gain["low"] < 0 < gain["high"] for gain in gained("instrument", 12.0))


def test_the_cost_of_length_is_that_of_the_benchmark():
    text = (ROOT / "docs/mega_audioformer.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/mega_audioformer_scaling_pocket.json").read_text())
    times = {
        each["task"]: each["times_as_fast"]
        for each in result["speed"]
        if (each["against"], each["kbps"], each["seconds"]) == ("flat", 12.0, 30.0) and each["measured"]
    }
    assert min(times.values()) >= 20, "what was aimed at"
    assert f"takes {times['forward']:.0f} times as long, its fine-tuning step {times['fine-tuning step']:.0f}" in text
    powers = {(e["side"], e["task"], e["kbps"]): e["exponent"] for e in result["memory_exponents"]}
    ours = [powers["ours", "forward", kbps] for kbps in (1.5, 12.0)]
    assert f"{ours[0]:.2f} and {ours[1]:.2f} of the length" in text
    assert max(ours) < 1.1, "linear"
    for cell in result["cells"]:
        if (cell["side"], cell["task"]) == ("ours", "forward") and cell["seconds"] != 15:
            start = (
                f"| {cell['kbps']:g} | {cell['seconds']:g} | {cell['run_seconds']:.3g} | {cell['bytes'] / 2**20:,.0f} |"
            )
            assert start in text


HEADS = {  # rows of the README's table of SonicVerse: evaluation, head, figure
    "key, rendered: weighted score": ("test", "key", "weighted_score"),
    "instruments, rendered: mean average precision": ("test", "instruments", "map"),
    "moods, rendered: mean average precision": ("test", "moods", "map"),
    "styles, rendered: mean average precision": ("test", "genres", "map"),
    "whether anybody sings, real voices: accuracy": ("voices", "singing", "accuracy"),
    "who sings, real voices: accuracy": ("voices", "vocals", "accuracy"),
    "whether anybody sings, real songs: accuracy": ("real", "singing", "accuracy"),
    "key, real songs: weighted score": ("real", "key", "weighted_score"),
}


def captioned() -> dict:
    return json.loads((ROOT / "models/sonicverse-smol/metrics.json").read_text())["results"]


@pytest.mark.parametrize("name", HEADS)
def test_what_the_heads_of_sonicverse_hear_is_that_of_metrics_json(name):
    evaluation, head, key = HEADS[name]
    part = captioned()[evaluation][head]
    row = f"| {name} | {part['n']} | {interval(part[key])} | {part[key]['majority_baseline']:.3f} |"
    assert row in README.splitlines()


@pytest.mark.parametrize(("name", "evaluation"), {"rendered": "test", "real songs": "real"}.items())
def test_how_true_captions_are_is_that_of_metrics_json(name, evaluation):
    part = captioned()[evaluation]["captions"]
    ways = {"grounded": part} | part["baselines"]
    rows = [
        f"| {name}, {way} | {part['n']} | {interval(told['fact_precision'])} | {interval(told['fact_recall'])} |"
        for way, told in ways.items()
    ]
    precision, recall = (part[figure]["majority_baseline"] for figure in ("fact_precision", "fact_recall"))
    rows.append(f"| {name}, always the same | {part['n']} | {precision:.3f} | - | {recall:.3f} | - |")
    assert [row for row in rows if row not in README.splitlines()] == []


def test_the_speeds_told_of_captions_are_those_of_the_benchmark():
    told = json.loads((ROOT / "benchmarks/results/sonicverse_speed.json").read_text())
    text = (ROOT / "docs/sonicverse.md").read_text(encoding="utf-8")
    assert [name for name, spent in told["seconds"].items() if f"| {name} | {spent:.2f} s |" not in text] == []
    figures = told["figures"]
    assert f"With the cache {figures['tokens a second, with the cache']:.0f} tokens a second" in text
    assert f"{figures['KV cache, times faster']:.1f} times as many as without" in text
    assert f"eight captions at a time make {figures['tokens a second, 8 captions at a time']:.0f}" in text


def test_the_speeds_told_are_those_of_the_benchmark():
    results = json.loads((ROOT / "benchmarks/results/throughput.json").read_text())["threads"]["1"]
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    for name, told in results["models"].items():
        halved, floors = told["times_real_time_bfloat16"], told["times_the_floor"]
        assert f"| {name} | {told['times_real_time']:.0f} | {halved:.0f} | {floors:.1f} |" in text
    for name, told in results["others"].items():
        assert f"| {name} | {told['times_real_time']:.0f} | - | - |" in text
    folder = results["folder"]
    assert f"{folder['clips']} clips, decoded by one worker beside them: {folder['times_real_time']:g} times" in text
    features = json.loads((ROOT / "benchmarks/results/features.json").read_text())["speed"]["1"]
    milliseconds = 1000 * features["linernotes_seconds"]
    assert f"take {milliseconds:.0f} ms, {features['speedup']:.1f} times less than librosa" in text


def test_the_times_told_of_a_first_answer_are_those_of_the_benchmark():
    sides = json.loads((ROOT / "benchmarks/results/cold_start.json").read_text())["sides"]
    lines = (ROOT / "docs/performance.md").read_text(encoding="utf-8").splitlines()
    for name, told in sides.items():
        parts = [f"{seconds:.2f}" for seconds in told["parts_seconds"].values()] or ["-"] * 3
        assert f"| {name} | {told['total_seconds']:.2f} | {' | '.join(parts)} |" in lines
    assert {path.parent.name for path in ROOT.glob("models/*/card.md")} - sides.keys() == {
        "pocket-mert",
        "pocket-codec",
    }


def test_the_costs_told_of_a_step_of_training_are_those_of_the_benchmark():
    cells = json.loads((ROOT / "benchmarks/results/lora_step.json").read_text())["cells"]
    learning = {"full": "everything", "lora": "adapters and heads", "frozen": "heads"}
    lines = (ROOT / "docs/performance.md").read_text(encoding="utf-8").splitlines()
    for cell in cells:
        spent = f"{cell['step_seconds']:.2f} | {cell['bytes'] / 2**20:.0f}"
        assert f"| {cell['shape']} | {learning[cell['tuning']]} | {cell['learning']:,} | {spent} |" in lines


def test_the_results_told_of_affect_are_those_of_metrics_json():
    test = json.loads((ROOT / "models/mathrock-pocket/metrics.json").read_text())["results"]["test"]
    text = " ".join((ROOT / "docs/mathrock.md").read_text(encoding="utf-8").split())
    tempo, tracked = test["tempo"]["by_origin"], test["tempo"]["by_origin_of_beat_tracker"]["recordings"]
    shares = {name: f"{test[name]['macro_f1']['value']:.3f}" for name in ("intensity", "vibe")}
    assert f"({tempo['composed']['n']}): macro F1 of the tempo {tempo['composed']['macro_f1']['value']:.3f}" in text
    assert f"of the intensity {shares['intensity']} and of the vibe {shares['vibe']}" in text
    assert f"mean average precision of the emotions {test['emotion']['map']['value']:.3f}" in text
    real, other = tempo["recordings"], tracked["macro_f1"]["value"]
    assert f"On {real['n']} real recordings the tempo's is {real['macro_f1']['value']:.3f}" in text
    assert f"where a beat tracker has {other:.3f}" in text


def test_the_results_told_of_genres_are_those_of_metrics_json():
    lines = (ROOT / "docs/genre-moe.md").read_text(encoding="utf-8").splitlines()
    told = {
        ("genre-moe", "test"): "generated clips, held out",
        ("genre-moe", "cross_validation"): "real songs, five genres, out of fold",
        ("genre-moe-tags", "cross_validation"): "real songs, ten genres, out of fold",
    }
    for (model, evaluation), name in told.items():
        part = json.loads((ROOT / "models" / model / "metrics.json").read_text())["results"][evaluation]
        figures = [
            f"{part[key]['value']:.3f} ({part[key]['low']:.3f} to {part[key]['high']:.3f})"
            for key in ("accuracy", "macro_f1", "ece")
        ]
        assert f"| {model} | {name} | {part['n']} | {' | '.join(figures)} |" in lines


def test_the_data_told_of_meters_are_those_of_the_recipe():
    recipe = yaml.safe_load((ROOT / "configs/corpora/meter_scores.yaml").read_text(encoding="utf-8"))
    text = " ".join((ROOT / "docs/beatmeter.md").read_text(encoding="utf-8").split())
    clips, fonts = (
        recipe["clips"],
        {split: " and ".join(f"`{n}`" for n in recipe["fonts"][split]) for split in recipe["fonts"]},
    )
    assert (
        f"{clips['train']:,} clips to learn from, {clips['validation']} to validate with and {clips['test']} to test on"
    ) in text
    for split, words in (("train", "the fonts "), ("validation", "validated with by "), ("test", "the test by ")):
        assert words + fonts[split] in text


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_classes_of_ours_in_an_example_are_imported_there(document):
    text = document.read_text(encoding="utf-8")
    for example in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for name in re.findall(r"\b((?:MathRock|BeatMeter|GenreMoe|SonicVerse|MegaAudioFormer)\w*)\b", example):
            assert re.search(rf"^from linernotes\.\S+ import .*\b{name}\b", example, re.MULTILINE), name


def test_agreement_with_librosa_is_that_of_the_benchmark():
    results = json.loads((ROOT / "benchmarks" / "results" / "score_facts.json").read_text())["styles"]
    text = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
    for style, row in results.items():
        assert f"| {style} | {' | '.join(f'{share:.2f}' for share in row.values())} |" in text


def test_measured_meters_are_those_of_metrics_json():
    figures = json.loads((ROOT / "models/beatmeter-pocket/metrics.json").read_text())["results"]["test"]
    (baseline,) = figures["baselines"].values()
    never = figures["by_novelty"]["grouping never learned"]
    parts = {"all in one meter": figures, "composed": figures["by_origin"]["composed"], "groupings never": never}
    parts |= {"real scores": figures["by_origin"]["real scores"]}
    for name, part in parts.items():
        balanced = part["balanced_accuracy"]
        beside = f"{baseline['balanced_accuracy']['value']:.3f}" if part is figures else "-"
        expected = f"| {part['n']} | {interval(balanced)} | {balanced['majority_baseline']:.3f} | {beside} |"
        (row,) = (line for line in README.splitlines() if line.startswith(f"| {name}"))
        assert row.endswith(expected)
    several = figures["several"]
    assert (
        f"Of {several['n']} polyrhythms the mean average precision over the meters is {several['map']['value']:.3f}."
        in README
    )
