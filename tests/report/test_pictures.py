"""Every picture shows what it was given: the numbers are read back from the axes, and the files are pictures."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from linernotes.report import pictures
from linernotes.report.training_pictures import layer_weights, training_curves

GENRES = ["jazz", "blues", "rock", "pop", "classical"]
PROFILE = np.array(
    [
        [0.6, 0.1, 0.1, 0.1, 0.1],
        [0.2, 0.5, 0.1, 0.1, 0.1],
        [0.0, 0.1, 0.7, 0.1, 0.1],
        [0.1, 0.1, 0.2, 0.4, 0.2],
        [0.1, 0.0, 0.0, 0.0, 0.9],
    ]
)
RATE = 22050


def tone(frequency_hz, seconds=2.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def answers(seed=0, n=100):
    generator = np.random.default_rng(seed)
    references = np.arange(n) % 5
    probabilities = generator.dirichlet(np.ones(5), n) + np.eye(5)[references]
    return references, probabilities / probabilities.sum(1, keepdims=True)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def all_pictures():
    references, probabilities = answers()
    return {
        "genre_spectrograms": pictures.waveforms_and_spectrograms({"low": tone(110), "high": tone(1760)}, RATE),
        "training_curves": training_curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]),
        "confusion_matrix": pictures.confusion_matrix(np.eye(5, dtype=int) * 9 + 1, GENRES),
        "expert_gates": pictures.expert_gates(PROFILE, GENRES),
        "roc_curves": pictures.roc_curves(references, probabilities, GENRES),
        "radar_charts": pictures.radar_charts(PROFILE, GENRES),
        "feature_importance": pictures.feature_importance([3.0, 1.0], ["rms", "tempo"], {"rhythm": slice(1, 2)}),
        "reliability_diagram": pictures.reliability_diagram([2, 8], [0.4, 0.8], [0.5, 0.75]),
        "training_stages": training_curves([{"epoch": 1, "loss": 2.0, "stage": "head"}, {"epoch": 1, "loss": 1.0}]),
        "last_stage": training_curves([{"epoch": 1, "loss": 2.0}], ["events", "head"]),
        "layer_weights": layer_weights([0.2, 0.5, 0.3]),
    }


def test_files_are_pictures(tmp_path):
    for name, figure in all_pictures().items():
        path = pictures.save(figure, tmp_path / "new folder" / f"{name}.png")
        assert path.stat().st_size > 2000
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("PNG", "P"), "of few colours, hence small"
            assert min(image.size) > 300


def test_nothing_is_cut_off_and_no_title_lies_on_another():
    """All that is drawn, writing included, lies on the page; within a hundredth of an inch, which is one pixel."""
    for name, figure in all_pictures().items():
        figure.draw_without_rendering()
        drawn, page = figure.get_tightbbox(), figure.bbox_inches
        assert min(drawn.x0, drawn.y0, page.x1 - drawn.x1, page.y1 - drawn.y1) > -0.01, name
        titles = [axes.title.get_window_extent() for axes in figure.axes if axes.title.get_text()]
        for index, title in enumerate(titles):
            assert not any(title.overlaps(other) for other in titles[:index]), name


def test_drawing_leaves_no_setting_behind_and_needs_no_pyplot():
    program = (
        "import sys, matplotlib; from linernotes.report import pictures; "
        # asking for the backend is what loads pyplot
        "settings = lambda: {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != 'backend'}; "
        "before = settings(); pictures.confusion_matrix([[1, 0], [0, 1]], ['a', 'b']); "
        "assert settings() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_waveforms_show_their_peaks_and_length():
    figure = pictures.waveforms_and_spectrograms({"quiet": tone(220, amplitude=0.1), "loud": tone(220)}, RATE)
    quiet, loud = figure.axes[0], figure.axes[2]
    assert (quiet.get_ylabel(), loud.get_ylabel()) == ("quiet", "loud")
    for axes, peak in ((quiet, 0.1), (loud, 0.5)):
        outline = axes.collections[0].get_paths()[0].vertices
        assert np.abs(outline[:, 1]).max() == pytest.approx(peak, rel=1e-3)
        assert outline[:, 0].max() == pytest.approx(2.0, abs=0.01)
    assert quiet.get_ylim() == loud.get_ylim()


@pytest.mark.parametrize("frequency_hz", [128, 512, 2048, 8192])
def test_a_tone_is_brightest_at_its_frequency(frequency_hz):
    """The loudest row of the spectrogram of a tone lies at the tick that names the tone's frequency."""
    figure = pictures.waveforms_and_spectrograms({"tone": tone(frequency_hz)}, RATE)
    axes = figure.axes[1]
    image = axes.images[0].get_array()
    ticks = dict(zip(tick_labels(axes.yaxis), axes.get_yticks(), strict=True))
    assert image.mean(1).argmax() == pytest.approx(ticks[str(frequency_hz)], abs=0.6)
    assert (image.max(), image.min()) == (0, pytest.approx(-80))
    assert axes.images[0].get_extent()[:2] == [0, 2.0]


def test_ticks_above_half_the_sampling_rate_are_left_out():
    figure = pictures.waveforms_and_spectrograms({"tone": np.zeros(8000, np.float32)}, 8000)
    assert tick_labels(figure.axes[1].yaxis) == ["128", "512", "2048"]


def test_a_clip_shorter_than_the_picture_is_wide_is_drawn():
    figure = pictures.waveforms_and_spectrograms({"click": np.array([0, 1, -1, 0], np.float32)}, RATE)
    assert np.abs(figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]).max() == 1


def test_confusion_matrix_is_the_matrix():
    """Colours are shares of the row, texts are counts; a genre without clips is an empty row."""
    axes = pictures.confusion_matrix([[3, 1, 0], [0, 8, 2], [0, 0, 0]], ["jazz", "blues", "rock"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25, 0], [0, 0.8, 0.2], [0, 0, 0]])
    assert texts(axes) == ["3\n75%", "1", "8\n80%", "2"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (1, 1), (2, 1)]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("heard as", "reference")
    assert tick_labels(axes.yaxis) == ["jazz", "blues", "rock"]


def test_text_is_readable_on_dark_and_on_light():
    axes = pictures.confusion_matrix([[9, 1], [0, 1]], ["a", "b"]).axes[0]
    assert [to_hex(text.get_color()) for text in axes.texts] == ["#ffffff", "#222222", "#ffffff"]


def test_expert_gates_are_the_profile_and_its_diagonal():
    heat, bars = pictures.expert_gates(PROFILE, GENRES).axes
    np.testing.assert_array_equal(heat.images[0].get_array(), PROFILE)
    assert texts(heat) == [f"{weight:.2f}" for weight in PROFILE.ravel()]
    assert [bar.get_width() for bar in bars.patches] == [0.6, 0.5, 0.7, 0.4, 0.9]
    assert {"60%", "50%", "70%", "40%", "90%"} < set(texts(bars))
    assert bars.lines[0].get_xdata() == [0.2, 0.2]  # a gate that weighs all five alike
    assert heat.get_ylim() == bars.get_ylim()  # the rows stand side by side


def test_a_genre_without_clips_is_said_to_have_none():
    profile = [[None, None], [0.25, 0.75]]
    heat, bars = pictures.expert_gates(profile, ["jazz", "blues"]).axes
    assert texts(heat) == ["0.25", "0.75"]
    assert "no clips" in texts(bars)


def test_gates_without_an_expert_for_each_genre_have_no_self_activation():
    (heat,) = pictures.expert_gates(PROFILE[:, :2], GENRES, ["expert 1", "expert 2"]).axes
    assert tick_labels(heat.xaxis) == ["expert 1", "expert 2"]


def test_roc_curve_by_hand():
    """Jazz scores 0.9 and 0.4, others 0.6 and 0.1: one of four pairs is in the wrong order, area 3/4."""
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    axes = pictures.roc_curves([0, 0, 1, 1], probabilities, ["jazz", "other"]).axes[0]
    chance, jazz, other = axes.lines
    assert chance.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert jazz.get_xydata().tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert (jazz.get_label(), other.get_label()) == ("jazz  0.750", "other  0.750")


def test_roc_curves_are_one_a_genre_and_none_for_an_absent_one():
    references, probabilities = answers()
    present = references != 3
    axes = pictures.roc_curves(references[present], probabilities[present], GENRES).axes[0]
    assert len(axes.lines) == 1 + 5
    assert len(axes.lines[4].get_xdata()) == 0
    assert axes.lines[4].get_label().startswith("pop  (no clips")
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == 6


def test_ten_curves_can_be_told_apart():
    references = np.arange(40) % 10
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), 40)
    lines = pictures.roc_curves(references, probabilities, [f"genre {i}" for i in range(10)]).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 11


def test_radar_charts_are_the_rows_of_the_profile():
    figure = pictures.radar_charts(PROFILE, GENRES)
    assert [axes.get_title() for axes in figure.axes] == GENRES
    for index, axes in enumerate(figure.axes):
        outline, own = axes.lines
        np.testing.assert_array_equal(outline.get_ydata(), [*PROFILE[index], PROFILE[index][0]])  # a closed line
        assert own.get_ydata() == [PROFILE[index][index]]
        assert tick_labels(axes.xaxis) == GENRES
        assert axes.get_ylim() == (0, 1.0)  # one scale for all


def test_radar_charts_of_seven_genres_hide_the_empty_places():
    figure = pictures.radar_charts(np.full((7, 3), 1 / 3), list("abcdefg"), ["x", "y", "z"])
    assert [axes.get_visible() for axes in figure.axes] == [True] * 7 + [False] * 3
    assert len(figure.axes[0].lines) == 1  # no genre has an expert of its own


def test_feature_importance_is_ranked_and_summed():
    importances = [1.0, 5.0, 2.0, 2.0]
    groups = {"timbre": slice(0, 2), "rhythm": slice(2, 4)}
    single, grouped = pictures.feature_importance(importances, ["mfcc_01_mean", "rms", "tempo", "onset"], groups).axes
    assert [bar.get_width() for bar in single.patches] == [0.5, 0.2, 0.2, 0.1]
    assert tick_labels(single.yaxis) == ["rms", "tempo", "onset", "mfcc 01 mean"]
    assert [bar.get_width() for bar in grouped.patches] == [pytest.approx(0.6), pytest.approx(0.4)]
    assert tick_labels(grouped.yaxis) == ["timbre", "rhythm"]
    assert texts(grouped) == ["60.0%", "40.0%"]
    assert single.patches[0].get_facecolor() == grouped.patches[0].get_facecolor()  # rms is timbre
    assert single.patches[1].get_facecolor() == grouped.patches[1].get_facecolor()  # tempo is rhythm


def test_only_the_twenty_strongest_features_and_groups_are_drawn():
    names = [f"feature {i}" for i in range(59)]
    alone = {name: slice(i, i + 1) for i, name in enumerate(names)}
    axes, grouped = pictures.feature_importance(np.arange(59.0), names, alone).axes
    assert len(axes.patches) == len(grouped.patches) == 20
    assert tick_labels(axes.yaxis)[0] == "feature 58"
    assert axes.get_title() == "the 20 strongest of 59 features"


def test_reliability_diagram_by_hand():
    """Two of ten answers in the lower half, the rest in the upper: 0.2 * 0.1 + 0.8 * 0.05 = 0.06."""
    upper, lower = pictures.reliability_diagram([2, 8], [0.4, 0.8], [0.5, 0.75]).axes
    assert upper.get_title() == "expected calibration error 0.060"
    diagonal, dots = (line.get_xydata().tolist() for line in upper.lines)
    assert (diagonal, dots) == ([[0, 0], [1, 1]], [[0.4, 0.5], [0.8, 0.75]])
    differences = [segment.tolist() for segment in upper.collections[0].get_segments()]
    assert differences == [[[0.4, 0.4], [0.4, 0.5]], [[0.8, 0.8], [0.8, 0.75]]]
    assert not upper.patches  # bars of bins beside dots at their mean confidence were not to be read
    assert [text.get_text() for text in upper.get_legend().texts] == [
        "accuracy = confidence",
        "difference",
        "one bin of answers",
    ]
    assert [bar.get_height() for bar in lower.patches] == [2, 8]
    assert [bar.get_x() + bar.get_width() / 2 for bar in lower.patches] == [0.25, 0.75]


def test_reliability_of_empty_bins_is_left_out():
    upper, _ = pictures.reliability_diagram([0, 4], [None, 0.8], [None, 0.75]).axes
    assert upper.lines[1].get_xydata().tolist() == [[0.8, 0.75]]
    assert upper.get_title() == "expected calibration error 0.050"
