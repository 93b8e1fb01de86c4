"""What sparse top-k routing saves: seconds for a batch by number of experts, all of them run against the best two.

    python benchmarks/routing.py

Medians of interleaved runs, one thread. Writes benchmarks/results/routing.json.
"""

import json
import os
import statistics
import time
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel

FOLDER = Path(__file__).parents[1] / "models" / "genre-moe"
BATCH, RUNS = 4096, 11


def main() -> None:
    torch.set_num_threads(1)
    rows, results = torch.randn(BATCH, 59), []
    for num_experts in (5, 16, 64):
        models = {}
        for top_k in (None, 2):
            torch.manual_seed(0)
            options = {"num_experts": num_experts, "top_k": top_k, "gate_alignment_weight": 0.0}
            config = AutoConfig.from_pretrained(FOLDER, trust_remote_code=True, **options)
            models[top_k] = AutoModel.from_config(config, trust_remote_code=True).eval()
        seconds = {top_k: [] for top_k in models}
        with torch.inference_mode():
            for _ in range(RUNS):
                for top_k, model in models.items():
                    started = time.perf_counter()
                    model(rows)
                    seconds[top_k].append(time.perf_counter() - started)
        dense, sparse = (statistics.median(seconds[top_k]) for top_k in (None, 2))
        results.append(
            {"num_experts": num_experts, "all_seconds": dense, "top_2_seconds": sparse, "ratio": dense / sparse}
        )
        print(f"{num_experts:3} experts: all {dense:.3f} s, top 2 {sparse:.3f} s, {dense / sparse:.1f} times faster")
    out = Path(__file__).parent / "results" / "routing.json"
    out.write_text(
        json.dumps({"batch": BATCH, "runs": RUNS, "cores": os.cpu_count(), "results": results}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
