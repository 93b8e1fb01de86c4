"""Networks as ONNX graphs: written by `export_onnx`, run by onnxruntime, asked as the models that they were made of.

Reading, windows, thresholds and words stay the family's own, so `load_onnx(folder).predict` answers as the model does.
"""

from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor
from transformers import PreTrainedConfig

from linernotes.api import load, model_class
from linernotes.modeling.music_model import MusicModel
from linernotes.onnx_graphs import CODEC, GRAPHS, MODEL, hop_length

FILES = (MODEL, CODEC, f"{MODEL}.data", f"{CODEC}.data", "config.json", "preprocessor_config.json")


def export_onnx(source: str | PathLike, out: str | PathLike, *, int8: bool = False) -> Path:
    """Writes a model's graphs, and the configs that `load_onnx` reads beside them.

    Args:
        source: what `linernotes.load` takes.
        out: a new folder, or an earlier export.
        int8: weights of matrix products as whole numbers of 8 bits, a quarter of the size; answers differ a little.

    Returns:
        the folder.

    Raises:
        ValueError: a model that has no graph, or a folder that holds something else.
    """
    model, out = load(source), Path(out)
    graphs = GRAPHS.get(model.config.model_type)
    if graphs is None:
        raise ValueError(f"{source} is a {model.config.model_type}; graphs are written of {', '.join(GRAPHS)}")
    if out.exists() and any(file.name not in FILES for file in out.iterdir()):
        raise ValueError(f"{out} holds something else; name a new folder, or one that was written by this command")
    out.mkdir(parents=True, exist_ok=True)
    # not by save_pretrained, which brings the code of the torch model as well
    (out / "config.json").write_text(model.config.to_json_string(), encoding="utf-8")
    (out / "preprocessor_config.json").write_text(model.feature_extractor.to_json_string(), encoding="utf-8")
    with torch.no_grad():
        for name, graph in graphs(model).items():
            graph.write(out / name)
    if int8:
        quantise(out / MODEL)
    return out


def quantise(file: Path) -> None:
    """Puts weights of eight bits in the place of those of a graph's matrix products."""
    whole = onnx.load(file)
    del whole.graph.value_info[:]  # shapes that the exporter noted are in the way of the quantiser's own
    aside = file.with_suffix(".whole")
    onnx.save(whole, aside)
    quantize_dynamic(aside, file, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    aside.unlink()


# Asking


class OnGraphs:
    """In front of a family's class: its network is what onnxruntime runs, and it has no weights of its own."""

    device = torch.device("cpu")

    def open(self, folder: Path, threads: int | None) -> "OnGraphs":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self.sessions = {
            file.name: onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            for file in sorted(folder.glob("*.onnx"))
        }
        return self

    def run(self, name: str, **inputs: Tensor) -> dict[str, Tensor]:
        session = self.sessions[name]
        taken = {given.name: inputs[given.name].numpy() for given in session.get_inputs()}
        answered = session.run(None, taken)
        return {made.name: torch.from_numpy(value) for made, value in zip(session.get_outputs(), answered, strict=True)}

    def forward(self, *values: Tensor, **inputs: Tensor) -> SimpleNamespace:
        named = dict(zip(("codes", "attention_mask"), values, strict=False)) | inputs
        return SimpleNamespace(**self.run(MODEL, **named))

    def predict(self, *audio: Any, **options: Any) -> dict[str, Any] | list[dict[str, Any]]:
        """As the model's own, of sound, and of codes where they are what the graph hears; of no feature rows."""
        if CODEC in self.sessions:
            return super().predict(*audio, **options)
        return MusicModel.predict(self, *audio, **options)

    def explain(self, audio: Any, **options: Any) -> dict[str, Any]:
        raise ValueError("a graph knows no gradients and no layers; ask the model that it was made of to explain")

    def _read(self, waveforms: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Windows of one length together, for a graph pads none."""
        readings = {}
        for shape in {waveform.shape for waveform in waveforms}:
            rows = [row for row, waveform in enumerate(waveforms) if waveform.shape == shape]
            readings |= zip(rows, super()._read([waveforms[row] for row in rows]), strict=True)
        return [readings[row] for row in range(len(waveforms))]

    def _codes(self, window: np.ndarray) -> Tensor:
        """Of a Mega-AudioFormer: codes of sound, to the last whole frame."""
        if window.ndim == 2:
            return torch.from_numpy(window)
        hop = hop_length(self.config)
        whole = np.ascontiguousarray(window[: max(len(window) // hop, 1) * hop])
        return self.run(CODEC, input_values=torch.from_numpy(whole)[None])["codes"][0]


def load_onnx(folder: str | PathLike, *, threads: int | None = None) -> MusicModel:
    """What `export_onnx` wrote, ready to `predict`.

    threads: of onnxruntime; as many as it likes by default.

    Raises FileNotFoundError where the folder holds no graph.
    """
    folder = Path(folder)
    if not (folder / MODEL).is_file():
        raise FileNotFoundError(f"{folder} holds no {MODEL}; write one by `linernotes onnx MODEL {folder}`")
    settings, _ = PreTrainedConfig.get_config_dict(folder)
    family = model_class(settings, str(folder))
    with torch.device("meta"):
        model = type(family.__name__, (OnGraphs, family), {})(family.config_class.from_pretrained(folder))
    return model.eval().open(folder, threads)
