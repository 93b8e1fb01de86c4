"""mega-audioformer-speech-music beside silero-vad, on the same prepared clips of the test split.

    pip download --no-deps silero-vad==6.2.3 && unzip -j silero_vad-*.whl silero_vad/data/silero_vad.jit
    python benchmarks/speech_music_vad.py models/mega-audioformer-speech-music --vad silero_vad.jit --data-dir DATA

silero-vad (MIT) is a voice activity detector: a clip is speech where it hears a voice in half of its frames, in music
too. Both hear what the training's preparation made of the clip. Writes benchmarks/results/speech_music_vad.json:
accuracy of both and their difference, with 95 % intervals over groups.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import soxr
import torch
from transformers import AutoModel

from linernotes.training.config import parse_experiment
from linernotes.training.metrics import paired_difference

RESULT = Path(__file__).parent / "results" / "speech_music_vad.json"
VAD_RATE, VAD_FRAME = 16_000, 512  # Hz, samples: as its authors have it
VOICED = 0.5  # probability above which a frame has a voice, and share of such frames above which a clip is speech


def voiced_share(vad: torch.jit.ScriptModule, sound: np.ndarray, sampling_rate: int) -> float:
    """The share of a clip's frames in which there is a voice; sound is (samples,)."""
    heard = torch.from_numpy(soxr.resample(sound, sampling_rate, VAD_RATE).astype(np.float32))
    vad.reset_states()
    frames = heard[: len(heard) // VAD_FRAME * VAD_FRAME].unflatten(0, (-1, VAD_FRAME))
    with torch.no_grad():
        return float(np.mean([vad(frame[None], VAD_RATE).item() > VOICED for frame in frames]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--vad", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    experiment = parse_experiment(json.loads((options.model / "training.json").read_text())["experiment"])
    model = AutoModel.from_pretrained(options.model, trust_remote_code=True).eval()
    rows = experiment.recipe.load_data(experiment, options.data_dir).test
    answer = experiment.recipe.answers.answer_rows(model, rows, experiment)
    preparation, rate = experiment.recipe.preparation_of(experiment), model.config.sampling_rate
    vad = torch.jit.load(options.vad)
    shares = [voiced_share(vad, preparation.sound({**row, "copy": 0}, rate), rate) for row in rows]
    labels = np.array([model.config.label2id[label] for label in rows["label"]])
    ours = np.argmax(answer["logits"], axis=1)
    its = np.array([model.config.label2id["speech" if share > VOICED else "music"] for share in shares])
    results = {
        "n": len(labels),
        "groups": len(set(rows["group"])),
        "accuracy": {"model": float(np.mean(ours == labels)), "silero-vad": float(np.mean(its == labels))},
        "model_minus_silero_vad": paired_difference(labels, ours, its, rows["group"]),
        "by_source": {
            source: {
                "n": int(chosen.sum()),
                "model": float(np.mean((ours == labels)[chosen])),
                "silero-vad": float(np.mean((its == labels)[chosen])),
            }
            for source in sorted(set(rows["source"]))
            if (chosen := np.array(rows["source"]) == source).any()
        },
    }
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
