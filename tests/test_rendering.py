"""The printed answer: the example of "Music Genre MoE" line by line, other families, hostile names, plain terminals."""

from io import StringIO

import pytest
from rich.console import Console

from linernotes.rendering import printable, render

ANSWER = {
    "model": "genre-moe",
    "predicted_genre": "jazz",
    "confidence": 0.74,
    "uncertain": False,
    "probabilities": {"jazz": 0.74, "blues": 0.14, "rock": 0.03, "pop": 0.01, "classical": 0.08},
    "gate_weights": {"jazz": 0.71, "blues": 0.19, "rock": 0.03, "pop": 0.01, "classical": 0.06},
    "duration_seconds": 205.2,
    "heard_seconds": 205.2,
    "warnings": [],
}

PRINTED = """\
═══════════════════════════════════════════════════════
🎵 My Song
═══════════════════════════════════════════════════════
Predicted genre : JAZZ (74% confidence)
───────────────────────────────────────────────────────
Genre probabilities:
  jazz      [██████████████████████░░░░░░░░]  74%
  blues     [████░░░░░░░░░░░░░░░░░░░░░░░░░░]  14%
  classical [██░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   8%
  rock      [█░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   3%
  pop       [░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   1%
Expert gate weights:
  jazz      [▪▪▪▪▪▪▪▪▪▪▪▪▪▪······] 0.71
  blues     [▪▪▪▪················] 0.19
  classical [▪···················] 0.06
  rock      [▪···················] 0.03
  pop       [····················] 0.01
───────────────────────────────────────────────────────
genre-moe heard 3:25.2 of 3:25.2
═══════════════════════════════════════════════════════"""


def plain(answer: dict, title: str = "My Song", family: str = "genre_moe", encoding: str = "utf-8") -> str:
    return "\n".join(line.plain for line in render(answer, title, family, encoding))


def test_the_published_example_is_printed_as_published():
    assert plain(ANSWER) == PRINTED


def test_doubt_and_warnings_are_said():
    text = plain(ANSWER | {"uncertain": True, "warnings": ["only 2.0 s were there to hear"]})
    assert "JAZZ (74% confidence, uncertain)" in text
    assert "warning: only 2.0 s were there to hear" in text


def test_the_timeline_has_one_line_a_window():
    window = {
        "start_seconds": 0.0,
        "end_seconds": 30.0,
        "predicted_genre": "blues",
        "confidence": 0.5,
        "uncertain": True,
    }
    later = {"start_seconds": 3600.0, "end_seconds": 3661.25, "predicted_genre": "pop", "confidence": 0.9}
    text = plain(ANSWER | {"timeline": [window, later]})
    assert "Timeline:\n  0:00.0-0:30.0  blues 50%, uncertain\n  1:00:00.0-1:01:01.2  pop 90%\n" in text


METERS = {
    "model": "beatmeter-pocket",
    "predicted_meter": "4",
    "meters": ["4", "3"],
    "polyrhythm": True,
    "confidence_gap": 0.07,
    "uncertain": False,
    "probabilities": {"3": 0.67, "4": 0.74, "5": 0.02, "11": 0.01},
    "duration_seconds": 30.0,
    "heard_seconds": 30.0,
    "warnings": [],
}


def test_meters_are_bars_and_a_polyrhythm_is_named():
    assert plain(METERS, family="beatmeter").splitlines()[3:-3] == [
        "Predicted meter : 4 (74%)",
        "Polyrhythm      : perhaps 4 against 3",
        "─" * 55,
        "Meter probabilities (each for itself):",
        "  4  [██████████████████████░░░░░░░░]  74%",
        "  3  [████████████████████░░░░░░░░░░]  67%",
        "  5  [█░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   2%",
        "  11 [░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   1%",
    ]
    single = plain(METERS | {"polyrhythm": False, "uncertain": True}, family="beatmeter")
    assert "Predicted meter : 4 (74%, uncertain)\n─" in single


def test_where_no_meter_is_heard_it_says_so():
    nothing = METERS | {"meters": [], "polyrhythm": False, "uncertain": True, "predicted_meter": "5"}
    assert plain(nothing, family="beatmeter").splitlines()[3:6] == [
        "Predicted meter : 5 (2%, uncertain)",
        "Meters heard    : none, no probability reaches its threshold",
        "─" * 55,
    ]
    assert "Meters heard" not in plain(METERS, family="beatmeter")


CAPTIONED = {
    "model": "sonicverse-smol",
    "caption": "A slow jazz piece with piano.",
    "key": {
        "label": "A minor",
        "confidence": 0.81,
        "uncertain": False,
        "probabilities": {"A minor": 0.81, "C major": 0.19},
    },
    "vocals": {
        "label": "instrumental",
        "confidence": 0.9,
        "uncertain": True,
        "probabilities": {"instrumental": 0.9, "female": 0.1},
    },
    "instruments": {"labels": ["piano", "drums"], "probabilities": {"drums": 0.6, "piano": 0.95, "violin": 0.1}},
    "genres": {"labels": [], "probabilities": {"jazz": 0.4}},
    "uncertain": False,
    "caption_start_seconds": 0.0,
    "caption_end_seconds": 30.0,
    "duration_seconds": 30.0,
    "heard_seconds": 30.0,
    "warnings": [],
}


def test_a_caption_comes_first_then_what_is_heard():
    assert plain(CAPTIONED, family="sonicverse").splitlines()[3:-3] == [
        "Caption     : A slow jazz piece with piano.",
        "─" * 55,
        "Key         : A minor (81%)",
        "Vocals      : instrumental (90%, uncertain)",
        "Instruments : piano (95%), drums (60%)",
        "Genres      : (none)",
    ]
    told = plain(CAPTIONED | {"caption": None, "withheld": ["A voice sings."]}, family="sonicverse").splitlines()
    assert told[3:5] == [
        "Caption     : (none: see the warning below)",
        "  withheld, for it contradicts what is heard: A voice sings.",
    ]


def test_the_story_of_a_long_recording_comes_last():
    long = {"story": "0:00-0:30: One.\n0:30-1:00: Two.", "segments": [{}, {}]}
    assert plain(CAPTIONED | long, family="sonicverse").splitlines()[8:-3] == [
        "Genres      : (none)",
        "─" * 55,
        "Story (2 sections):",
        "  0:00-0:30: One.",
        "  0:30-1:00: Two.",
    ]


AFFECT = {
    "model": "mathrock-pocket",
    "predicted_emotions": ["sadness", "desire"],
    "vibe": {
        "label": "melancholic",
        "confidence": 0.8,
        "uncertain": False,
        "probabilities": {"technical": 0.2, "melancholic": 0.8},
    },
    "intensity": {"label": "low", "confidence": 0.61, "uncertain": False, "probabilities": {"low": 0.61, "high": 0.39}},
    "tempo": {"label": "slow", "confidence": 0.5, "uncertain": True, "probabilities": {"slow": 0.5, "fast": 0.5}},
    "uncertain": False,
    "emotions": {"joy": 0.1, "sadness": 0.74, "desire": 0.5, "fear": 0.2, "anger": 0.0, "love": 0.3, "pride": 0.05},
    "duration_seconds": 30.0,
    "heard_seconds": 30.0,
    "warnings": [],
}


def test_affect_is_four_answers_and_the_likeliest_emotions():
    assert plain(AFFECT, family="mathrock_affect").splitlines()[3:-3] == [
        "Emotions  : sadness, desire",
        "Vibe      : melancholic (80%)",
        "Intensity : low (61%)",
        "Tempo     : slow (50%, uncertain)",
        "─" * 55,
        "Emotion probabilities (each for itself, the first 6):",
        "  sadness [██████████████████████░░░░░░░░]  74%",
        "  desire  [███████████████░░░░░░░░░░░░░░░]  50%",
        "  love    [█████████░░░░░░░░░░░░░░░░░░░░░]  30%",
        "  fear    [██████░░░░░░░░░░░░░░░░░░░░░░░░]  20%",
        "  joy     [███░░░░░░░░░░░░░░░░░░░░░░░░░░░]  10%",
        "  pride   [██░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   5%",
    ]
    unsure = AFFECT | {"predicted_emotions": [], "uncertain": True}
    assert "Emotions  : (none) (uncertain)\n" in plain(unsure, family="mathrock_affect")
    window = {"start_seconds": 0.0, "end_seconds": 10.0, "vibe": AFFECT["vibe"], "tempo": AFFECT["tempo"]}
    window["uncertain"] = True  # of the emotions, which the line does not name
    text = plain(AFFECT | {"timeline": [window]}, family="mathrock_affect")
    assert "  0:00.0-0:10.0  melancholic, slow?\n" in text


def test_a_label_is_named_with_the_probability_of_each():
    answer = {
        "model": "mega-audioformer-speech-music",
        "predicted_label": "speech",
        "confidence": 0.9,
        "uncertain": False,
        "probabilities": {"music": 0.1, "speech": 0.9},
        "duration_seconds": 10.0,
        "heard_seconds": 10.0,
        "warnings": [],
    }
    assert plain(answer, family="mega_audioformer").splitlines()[3:-3] == [
        "Predicted label : SPEECH (90% confidence)",
        "─" * 55,
        "Label probabilities:",
        "  speech [███████████████████████████░░░]  90%",
        "  music  [███░░░░░░░░░░░░░░░░░░░░░░░░░░░]  10%",
    ]


def test_a_family_without_a_renderer_is_printed_all_the_same():
    answer = {
        "model": "pocket",
        "predicted_meter": "4",
        "meters": ["4", "3"],
        "polyrhythm": False,
        "confidence_gap": 0.25,
        "probabilities": {"3": 0.5, "4": 1.0},
        "vibe": {"label": "calm", "probabilities": {"calm": 0.5, "wild": 0.0}},
        "segments": [{"start_seconds": 0.0, "caption": "a flute"}],
        "moods": {},
        "duration_seconds": 1.0,
        "heard_seconds": 1.0,
        "warnings": [],
    }
    body = plain(answer, family="a_new_family").splitlines()[3:-3]
    assert body == [
        "predicted meter : 4",
        "meters : 4, 3",
        "polyrhythm : False",
        "confidence gap : 0.25",
        "probabilities:",
        "  4 [██████████████████████████████] 100%",
        "  3 [███████████████░░░░░░░░░░░░░░░]  50%",
        "vibe:",
        "  label : calm",
        "  probabilities:",
        "    calm [███████████████░░░░░░░░░░░░░░░]  50%",
        "    wild [░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]   0%",
        "segments 1:",
        "  start seconds : 0",
        "  caption : a flute",
        "moods:",
    ]


def test_a_terminal_without_unicode_gets_ascii():
    text = plain(ANSWER, "Für Elise", encoding="ascii")
    assert text.isascii()
    assert "F\\xfcr Elise" in text
    assert "  blues     [####..........................]  14%" in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b.wav", "a b.wav"),
        ("日本.wav", "日本.wav"),
        ("a\nb.wav", "a\\nb.wav"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egpj.wav", "\\u202egpj.wav"),
        ("\udcff.wav", "\\udcff.wav"),
    ],
)
def test_control_characters_of_a_name_reach_no_terminal(name, shown):
    assert printable(name) == shown


def test_markup_in_names_and_labels_is_text():
    answer = ANSWER | {"probabilities": {"[bold]jazz[/bold]": 0.74, ":smile:": 0.26}}
    console = Console(width=40, record=True, markup=False, emoji=False, highlight=False, file=StringIO())
    for line in render(answer, "[red]x[/red].wav", "genre_moe"):
        console.print(line, soft_wrap=True)
    text = console.export_text()
    assert "🎵 [red]x[/red].wav" in text
    assert "[bold]jazz[/bold] [" in text
    assert ":smile:" in text
