"""Run in a process of its own by `clean.ask`: loads a folder or repository as a user would, and says what it answers.

Reads one JSON request from standard input and writes one JSON report as the last line of standard output. This package
is hidden first: an installed checkout would hide what the folder lacks.
"""

import hashlib
import importlib.abc
import json
import sys


class Hidden(importlib.abc.MetaPathFinder):
    """Makes this project unimportable."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("linernotes", "modeling"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def sound(seconds: float, sampling_rate: int):
    """A fifth on A with an onset every half second, (samples,) float32: the same numbers everywhere."""
    import numpy as np

    times = np.arange(round(seconds * sampling_rate)) / sampling_rate
    fifth = np.sin(2 * np.pi * 440 * times) + np.sin(2 * np.pi * 660 * times)
    return (0.3 * fifth * np.exp(-5 * (times % 0.5))).astype(np.float32)


def digest(model) -> str:
    """SHA-256 over every weight and buffer with its name, in the order of the names."""
    import torch

    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def classified(request: dict, options: dict, samples, sampling_rate: int) -> dict:
    """What the classifier's logits and transformers' own pipeline say of one window."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

    classifier = AutoModelForAudioClassification.from_pretrained(request["target"], **options)
    extractor = AutoFeatureExtractor.from_pretrained(request["target"], **options)
    with torch.no_grad():
        inputs = extractor(samples, sampling_rate=sampling_rate, return_tensors="pt")
        logits = classifier(**inputs).logits[0].float()
    many = classifier.config.problem_type == "multi_label_classification"
    probabilities = logits.sigmoid() if many else logits.softmax(-1)
    pipe = pipeline("audio-classification", model=request["target"], device="cpu", **options)
    labels = classifier.config.id2label
    return {
        "classifier": {labels[index]: value for index, value in enumerate(probabilities.tolist())},
        "pipeline": {found["label"]: found["score"] for found in pipe(samples, top_k=len(labels))},
    }


def heard(model, request: dict, options: dict) -> dict:
    """What a backbone or a codec, which have no `predict`, make of the sound, and how far that is from silence."""
    import torch
    from transformers import AutoFeatureExtractor

    extractor = AutoFeatureExtractor.from_pretrained(request["target"], **options)
    samples = sound(request["seconds"], extractor.sampling_rate)
    states = []
    for given in (samples, 0 * samples):
        inputs = extractor(given, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        with torch.no_grad():
            said = model(**inputs)
        answer = "audio_values" if "audio_values" in said else "last_hidden_state"
        states.append(said[answer].float())
    frames, silent = states
    numbers = {
        "magnitude": frames.abs().mean(),
        "deviation": frames.std(),
        "from_silence": (frames - silent).abs().mean(),
        "first_of_the_middle": frames[0, frames.shape[1] // 2].flatten()[0],
    }
    return {"answer": answer, "shape": list(frames.shape)} | {
        name: round(value.item(), 7) for name, value in numbers.items()
    }


def answers(request: dict) -> dict:
    import torch
    from transformers import AutoConfig, AutoModel

    options = {key: request[key] for key in ("revision", "code_revision") if request.get(key)}
    torch.set_num_threads(1)  # one thread adds in one order: the same numbers in every process
    config = AutoConfig.from_pretrained(request["target"], **options, trust_remote_code=True)
    has_code = bool(getattr(config, "auto_map", None))  # without one there is none to trust, and a backbone is loaded
    options["trust_remote_code"] = has_code
    model, info = AutoModel.from_pretrained(
        request["target"],
        **options,
        output_loading_info=True,
        ignore_mismatched_sizes=not has_code,  # reported below: the error of transformers does not say which
    )
    report = {
        "missing_keys": sorted(info["missing_keys"]),
        "unexpected_keys": sorted(info["unexpected_keys"]),
        "mismatched_keys": sorted(name for name, *_ in info["mismatched_keys"]),
        "in_eval_mode": not model.training,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights": digest(model),
    }
    if has_code:
        # one window: a longer sound `predict` divides, which the classifier and the pipeline do not
        samples = sound(min(request["seconds"], config.window_seconds), config.sampling_rate)
        report["predict"] = model.predict(samples, sampling_rate=config.sampling_rate)
        if "AutoModelForAudioClassification" in config.auto_map:
            report |= classified(request, options, samples, config.sampling_rate)
    else:
        report["heard"] = heard(model, request, options)
    report["imported"] = sorted(name for name in sys.modules if name.split(".")[0] == "linernotes")
    return report


if __name__ == "__main__":
    sys.meta_path.insert(0, Hidden())
    print("\n" + json.dumps(answers(json.load(sys.stdin))))
