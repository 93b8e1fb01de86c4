"""Speed of captions: latency of one, tokens a second with the KV cache and without, the encoder over chunks in batches.

    python benchmarks/sonicverse_speed.py [--model FOLDER] [--chunks 12] [--words 64] [--runs 5] [--device cuda]

Median seconds of interleaved runs over noise, a chunk being one window; every caption is made exactly `--words` tokens
long, so that all runs do the same work. Without `--model` it is models/sonicverse-smol; its language model must be
there (`linernotes fetch-llm`). Writes benchmarks/results/sonicverse_speed.json.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModel, PreTrainedModel

FOLDER = Path(__file__).parents[1] / "models" / "sonicverse-smol"
RESULTS = Path(__file__).parent / "results" / "sonicverse_speed.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--chunks", type=int, default=12)
    parser.add_argument("--words", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    model = AutoModel.from_pretrained(options.model, trust_remote_code=True).eval().to(options.device)
    if model.language_model is None:
        sys.exit(f"{options.model} has no language model here: {model.how_to_get_words()}")
    ways = ways_of(model, options.chunks, options.words)
    with torch.inference_mode():
        seconds = timed(ways, options.runs, options.device)
    found = summary(seconds, options.chunks, options.words) | about(model, options)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    for name, value in found["seconds"].items():
        print(f"{name:<42} {value:8.3f} s")
    for name, value in found["figures"].items():
        print(f"{name:<42} {value:8.2f}")


def ways_of(model: PreTrainedModel, chunks: int, words: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each does all of the named work."""
    rate, device = model.config.sampling_rate, model.device
    noise = 0.1 * torch.randn(
        chunks, round(model.config.window_seconds * rate), generator=torch.Generator().manual_seed(0)
    )
    noise = noise.to(device, model.dtype)
    audio = noise[0].float().cpu().numpy()
    heard = model(noise[:1]).audio_tokens.detach()
    many = heard.expand(min(chunks, 8), -1, -1)
    chat = torch.full((1, model.config.audio_tokens), model.config.audio_token_id, device=device)

    def say(tokens: torch.Tensor) -> torch.Tensor:
        exact = {"max_new_tokens": words, "min_new_tokens": words, "do_sample": False}
        return model.generate(chat.expand(len(tokens), -1), audio_tokens=tokens, **exact)

    def say_anew() -> None:
        """Every word from the beginning on: `generate` keeps a cache whatever it is told, where a chat is embedded."""
        told = model.embedded(chat, heard)
        for _ in range(words):
            logits = model.language_model(inputs_embeds=told, use_cache=False, logits_to_keep=1).logits
            told = torch.cat((told, model.get_input_embeddings()(logits.argmax(-1))), dim=1)

    return {
        "encoder, one chunk after the other": lambda: [model(chunk[None]) for chunk in noise],
        "encoder, chunks in batches of 8": lambda: [model(batch) for batch in noise.split(8)],
        "caption, with the KV cache": lambda: say(heard),
        "caption, without the KV cache": say_anew,
        f"{len(many)} captions in one batch": lambda: say(many),
        "predict, one chunk": lambda: model.predict(audio, sampling_rate=rate, grounded=False, max_new_tokens=words),
    }


def timed(ways: dict[str, Callable[[], object]], runs: int, device: str) -> dict[str, float]:
    """Median seconds of each, after one run that is not counted; the ways take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, do in ways.items():
            started = time.perf_counter()
            do()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in seconds.items()}


def summary(seconds: dict[str, float], chunks: int, words: int) -> dict[str, dict[str, float]]:
    alone, batched, cached, uncached, many, _ = seconds.values()
    captions = min(chunks, 8)
    figures = {
        "tokens a second, with the cache": words / cached,
        "tokens a second, without": words / uncached,
        f"tokens a second, {captions} captions at a time": captions * words / many,
        "KV cache, times faster": uncached / cached,
        "encoder in batches, times faster": alone / batched,
    }
    return {"seconds": seconds, "figures": figures}


def about(model: PreTrainedModel, options: argparse.Namespace) -> dict[str, object]:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    machine = torch.cuda.get_device_name() if options.device.startswith("cuda") else f"{os.cpu_count()} CPU threads"
    given = {name: getattr(options, name) for name in ("chunks", "words", "runs")}
    threads = {"torch_threads": torch.get_num_threads()}
    return {"model": model.config.model_name, "parameters": parameters, "machine": machine, **threads, **given}


if __name__ == "__main__":
    main()
