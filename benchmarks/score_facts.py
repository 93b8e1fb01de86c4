"""How far librosa hears in clean rendered clips what their facts say: tempo, key, and where the beats are.

    python benchmarks/score_facts.py [--clips 20]

Agreement is no proof of either side: librosa's beat tracker knows no 7/8, and its tempo prior is 120. It shows that the
facts and the sound belong together. Needs the soundfont of Debian's fluid-soundfont-gm.
"""

import argparse
import json
from pathlib import Path

import librosa
import numpy as np

from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.harmony import parse_key
from linernotes.corpora.score.plans import draw_plan
from linernotes.corpora.score.render import Renderer
from linernotes.corpora.score.score import Facts
from linernotes.corpora.score.soundfonts import find
from linernotes.corpora.score.styles import STYLES

RATE, SECONDS, SEED = 24_000, 20.0, 0
RESULTS = Path(__file__).parent / "results" / "score_facts.json"
TEMPO_TOLERANCE = 0.05
FACTORS = (1 / 3, 0.5, 2 / 3, 1.0, 1.5, 2.0, 3.0)  # a listener may count halves, doubles or threes
BEAT_TOLERANCE_SECONDS = 0.07
# Krumhansl & Kessler 1982: how well each pitch class fits a key on C
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=20, help="of each style")
    clips = parser.parse_args().clips
    renderer = Renderer(find("fluid"), RATE)
    results = {style: measure(style, renderer, clips) for style in STYLES if style != "solo"}
    RESULTS.write_text(json.dumps({"clips": clips, "seconds": SECONDS, "styles": results}, indent=1) + "\n")
    print(f"{'style':<12}{'tempo':>8}{'factor':>8}{'key':>8}{'near':>8}{'on beat':>8}{'chance':>8}")
    for style, row in results.items():
        print(f"{style:<12}" + "".join(f"{row[name]:>8.2f}" for name in row))


def measure(style: str, renderer: Renderer, clips: int) -> dict[str, float]:
    """Shares of clips: tempo right, or by a factor; key right, or a fifth or relative away; strong onsets on beats."""
    rows = []
    for number in range(clips):
        score = compose(draw_plan(style, np.random.default_rng([SEED, number]), seconds=SECONDS))
        samples = renderer.render(score)
        onsets = librosa.onset.onset_strength(y=samples, sr=RATE)
        heard = float(np.atleast_1d(librosa.feature.tempo(onset_envelope=onsets, sr=RATE))[0])
        ratio = heard / score.facts.tempo_bpm
        rows.append(
            {
                "tempo": abs(ratio - 1) < TEMPO_TOLERANCE,
                "tempo_by_a_factor": any(abs(ratio / factor - 1) < TEMPO_TOLERANCE for factor in FACTORS),
                **key_agreement(samples, score.facts),
                **beat_agreement(onsets, score.facts),
            }
        )
    return {name: round(float(np.mean([row[name] for row in rows if row[name] is not None])), 3) for name in rows[0]}


def key_agreement(samples: np.ndarray, facts: Facts) -> dict[str, bool | None]:
    if facts.key is None:
        return {"key": None, "key_or_a_neighbour": None}
    chroma = librosa.feature.chroma_cqt(y=samples, sr=RATE).mean(1)
    fits = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    named = parse_key(facts.key)
    tonic, mode = named.tonic, named.mode
    other, step = ("minor", 9) if mode == "major" else ("major", 3)
    neighbours = {(tonic, mode), ((tonic + 7) % 12, mode), ((tonic + 5) % 12, mode), ((tonic + step) % 12, other)}
    heard = max(fits, key=fits.get)
    return {"key": heard == (tonic, mode), "key_or_a_neighbour": heard in neighbours}


def beat_agreement(onsets: np.ndarray, facts: Facts) -> dict[str, float]:
    """Share of the strongest onsets, one a bar, that lie on a counted beat, and the share that would by chance."""
    times = librosa.times_like(onsets, sr=RATE)
    strongest = times[np.argsort(onsets)[::-1][: max(len(facts.downbeats), 1)]]
    beats = np.array(facts.beats)
    near = np.abs(strongest[:, None] - beats).min(1) < BEAT_TOLERANCE_SECONDS
    chance = min(1.0, 2 * BEAT_TOLERANCE_SECONDS * len(beats) / facts.duration_seconds)
    return {"strong_onsets_on_beats": float(near.mean()), "by_chance": chance}


if __name__ == "__main__":
    main()
