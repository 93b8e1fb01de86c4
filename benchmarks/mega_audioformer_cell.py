"""One cell of mega_audioformer_scaling.py, in a process of its own: a network, what it is given, its time and memory.

    python benchmarks/mega_audioformer_cell.py REQUEST [--threads 2]

REQUEST is JSON: side, task, shape, kbps and seconds; or without side and task, for codes that are classified as they
are against codes that are decoded first. Prints JSON.
"""

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

MODELING = Path(__file__).parents[1] / "modeling"
LIMIT_BYTES = 12 * 2**30
BRIEF_SECONDS, RUNS = 5.0, 5  # a cell whose first run is shorter is run so often more
BOOKS = {1.5: 2, 12.0: 16}
SIDES, TASKS = ("ours", "flat", "spectrogram"), ("forward", "fine-tuning step", "pre-training step")
# width, layers, heads, width of the feed-forward; a frame a position
SHAPES = {"pocket": (144, 4, 4, 384), "base": (512, 8, 8, 1376)}
SMALL_CODEC = {"num_filters": 2, "hidden_size": 8, "num_lstm_layers": 1}  # it is not run here
MODULE = "modeling_mega_audioformer.MegaAudioFormer"
RATE, MELS = 24_000, 128


def config_of(side: str, shape: str, kbps: float) -> dict:
    """The fields of our config that make `side`: for "flat" a codec of one codebook with all of their entries."""
    width, layers, heads, intermediate = SHAPES[shape]
    books, codec, codes_size = BOOKS[kbps], dict(SMALL_CODEC), 64
    if side == "flat":
        bits = math.ceil(math.log2(1024 * books))
        codec |= {"codebook_size": 2**bits, "upsampling_ratios": [320 // books]}
        kbps, codes_size = bits * 75 * books / 1000, width
    return {
        "codec_config": codec, "bandwidth_kbps": kbps, "code_embedding_size": codes_size, "hidden_size": width,
        "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": intermediate,
        "local_hidden_size": width // 2, "local_num_hidden_layers": 2, "local_num_attention_heads": heads,
        "local_intermediate_size": intermediate // 2,
    }  # fmt: skip


def make_ours(side: str, task: str, shape: str, kbps: float, place: Path):
    """The model by its Auto class, as a user would load it."""
    from transformers import AutoConfig, AutoModel

    for file in MODELING.glob("*.py"):
        shutil.copy(file, place)
    head = "ForMaskedLM" if task == "pre-training step" else "ForAudioClassification"
    classes = {"AutoConfig": "configuration_mega_audioformer.MegaAudioFormerConfig", "AutoModel": MODULE + head}
    written = {"model_type": "mega_audioformer", "auto_map": classes, **config_of(side, shape, kbps)}
    (place / "config.json").write_text(json.dumps(written))
    config = AutoConfig.from_pretrained(place, trust_remote_code=True)
    return AutoModel.from_config(config, trust_remote_code=True)


def make_spectrogram(shape: str, seconds: float):
    """An AST whose two feed-forward matrices have as many weights as our three."""
    from transformers import ASTConfig, ASTForAudioClassification

    width, layers, heads, intermediate = SHAPES[shape]
    return ASTForAudioClassification(
        ASTConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=3 * intermediate // 2,
            max_length=round(100 * seconds),
            num_labels=10,
        )
    )


def inputs_of(model, side: str, task: str, seconds: float) -> dict[str, Tensor]:
    labels = {} if task == "forward" else {"labels": torch.zeros(1, dtype=torch.long)}
    if side == "spectrogram":
        return {"input_values": torch.randn(1, round(100 * seconds), MELS)} | labels
    config = model.config
    frames = math.ceil(seconds * config.frame_rate)
    codes = torch.randint(config.codec_config.codebook_size, (1, config.num_codebooks, frames))
    if task == "pre-training step":
        hidden, labels = model.mask(codes)
        return {"codes": hidden, "labels": labels}
    return {"codes": codes} | labels


def pass_of(model, inputs: dict[str, Tensor], task: str) -> Callable[[], None]:
    if task == "forward":
        model.eval()

        def forward() -> None:
            with torch.inference_mode():
                model(**inputs)

        return forward
    optimizer = torch.optim.AdamW([p for p in model.train().parameters() if p.requires_grad], lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        optimizer.step()

    return step


def timed(run: Callable[[], None]) -> float:
    """Seconds: the median of several runs behind a first one, or the first alone where that is long."""

    def once() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    first = once()
    return first if first > BRIEF_SECONDS else statistics.median(once() for _ in range(RUNS))


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(side: str, task: str, shape: str, kbps: float, seconds: float) -> dict:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        is_ours = side != "spectrogram"
        model = make_ours(side, task, shape, kbps, Path(place)) if is_ours else make_spectrogram(shape, seconds)
        run = pass_of(model, inputs_of(model, side, task, seconds), task)
        before = peak_bytes()
        took = timed(run)
    size = sum(p.numel() for name, p in model.named_parameters() if "codec" not in name)
    return {"run_seconds": took, "bytes": peak_bytes() - before, "parameters": size}


def decode_or_not(shape: str, kbps: float, seconds: float) -> dict:
    """Seconds from codes to logits: as they are; and decoded by EnCodec 24 kHz, its spectrogram given to the AST."""
    from transformers import EncodecConfig, EncodecModel

    from linernotes.modeling.spectral import mel_spectrogram, power_to_db, spectrogram

    torch.manual_seed(0)
    codec, ast = EncodecModel(EncodecConfig()).eval(), make_spectrogram(shape, seconds).eval()
    with tempfile.TemporaryDirectory() as place:
        model = make_ours("ours", "forward", shape, kbps, Path(place)).eval()
    inputs = inputs_of(model, "ours", "forward", seconds)
    heard: dict[str, Tensor] = {}

    def decode() -> None:
        heard["sound"] = codec.decode(inputs["codes"][None], [None]).audio_values[:, 0]

    def mel() -> None:
        power = spectrogram(heard["sound"], n_fft=1024, hop_length=RATE // 100)
        heard["mel"] = power_to_db(mel_spectrogram(power, RATE, MELS))[:, : ast.config.max_length]

    with torch.inference_mode():
        direct = timed(lambda: model(**inputs))
        parts = {"decode": timed(decode), "mel spectrogram": timed(mel), "AST": timed(lambda: ast(heard["mel"]))}
    return {"codes_seconds": direct, "decoded_seconds": sum(parts.values()), "parts_seconds": parts}


def run_cell(request: dict) -> dict:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES + 2 * 2**30, hard))  # the libraries take up to 2 GiB of it
    return decode_or_not(**request) if "side" not in request else measure(**request)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("request", type=json.loads)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(run_cell(options.request)))


if __name__ == "__main__":
    main()
