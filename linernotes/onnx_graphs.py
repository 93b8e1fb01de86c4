"""The networks of three families as graphs: what goes in, which axes stay open, and what the exporter can follow.

A graph holds a network from what the feature extractor makes to the logits, for any number of windows of one length.
A Mega-AudioFormer is two graphs: its codec, and what listens to the codes.
"""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.models.encodec.modeling_encodec import EncodecConv1d, EncodecLSTM

from linernotes.modeling.level import at_level
from linernotes.modeling.music_model import MusicModel
from linernotes.modeling.musicnn import Front

MODEL, CODEC = "model.onnx", "codec.onnx"
EXAMPLE_SECONDS = 6.0  # of the windows that a graph is drawn by
DYNAMIC = torch.export.Dim.DYNAMIC


@dataclass(frozen=True)
class Graph:
    """A network to be exported.

    Args:
        network: takes tensors by the names of `inputs`, gives a tuple of tensors.
        inputs: an example of each, two windows long so that the number of windows stays open.
        open_axes: of each input, the axes that may have any length.
        outputs: the names of what it gives.
    """

    network: nn.Module
    inputs: dict[str, Tensor]
    open_axes: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]

    def write(self, file: Path) -> None:
        shapes = {name: dict.fromkeys(axes, DYNAMIC) for name, axes in self.open_axes.items()}
        with without_talk_of_the_exporter():
            program = torch.onnx.export(
                self.network.eval(),
                kwargs=self.inputs,
                dynamic_shapes=shapes,
                input_names=list(self.inputs),
                output_names=list(self.outputs),
                dynamo=True,
                verbose=False,
            )
        program.save(file)


@contextmanager
def without_talk_of_the_exporter() -> Iterator[None]:
    """torch warns of its own old calls, and of a torchvision that nothing here needs: nobody can mend that here."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(before)


# What each family's graphs are made of


class Mixture(nn.Module):
    """A genre_moe from what its feature extractor makes to logits and gate weights."""

    def __init__(self, model: MusicModel):
        super().__init__()
        self.model = copy.deepcopy(model)
        for parent in list(self.model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, Front):
                    setattr(parent, name, ListeningFront(child))

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output = self.model(input_values, attention_mask)
        return output.logits, output.gate_weights


class ListeningFront(nn.Module):
    """musicnn's `Front` with the filters that have weights alone, which are known once and for all in a graph."""

    def __init__(self, front: Front):
        super().__init__()
        listening = front.listening()
        self.padding, self.norm = front.padding, front.norm
        self.register_buffer("weight", front.conv.weight[listening])
        self.register_buffer("bias", front.conv.bias[listening])
        self.register_buffer("rising", front.norm.weight[listening, None] >= 0)
        self.register_buffer("silent_bias", front.conv.bias[~listening, None])
        self.register_buffer("places", torch.cat((listening.nonzero()[:, 0], (~listening).nonzero()[:, 0])).argsort())

    def forward(self, spectrogram: Tensor) -> Tensor:
        heard = F.conv2d(F.pad(spectrogram, (0, 0, *self.padding)), self.weight, self.bias)
        loudest = torch.where(self.rising, heard.amax(3), heard.amin(3))
        silent = self.silent_bias.expand(loudest.shape[0], -1, loudest.shape[2])
        return self.norm(F.relu(torch.cat((loudest, silent), dim=1)[:, self.places])[..., None])[..., 0]


class OneChunk(nn.Module):
    """A beatmeter on windows that are one chunk, or less, none of them padded."""

    def __init__(self, model: MusicModel):
        super().__init__()
        config, listener = model.config, model.listener
        if config.window_seconds > config.chunk_seconds or config.original_pooling:
            raise ValueError(
                f"window_seconds is {config.window_seconds}, chunk_seconds {config.chunk_seconds}, original_pooling "
                f"{config.original_pooling}; a graph takes windows of one chunk and no published pooling"
            )
        self.model, self.borrowed = copy.deepcopy(model), listener.borrowed
        self.most_frames = listener.chunk // listener.hop

    def forward(self, input_values: Tensor) -> tuple[Tensor]:
        model = self.model
        heard = model.backbone(F.pad(input_values, (0, self.borrowed)), output_hidden_states=True)
        layers = torch.stack((*heard.hidden_states[1:-1], heard.last_hidden_state), dim=1)
        pooled = torch.cat((layers.mean(2), layers.amax(2)), dim=-1)
        features = torch.einsum("l,blh->bh", model.layer_weights(), pooled)
        if model.config.head_type == "tempogram":
            frames = torch.einsum("l,blth->bth", model.layer_weights(), layers)
            left = self.most_frames - frames.shape[1]  # one length for the spectrum, whatever the window's
            there = F.pad(torch.ones_like(frames[..., 0]), (0, left)) > 0
            patterns = model.tempogram(F.pad(frames, (0, 0, 0, left)), there)
            features = torch.cat((patterns, features), dim=1) if model.config.tempogram_pooled else patterns
        return (model.head(features) / model.config.temperature,)


class CodeListener(nn.Module):
    """A Mega-AudioFormer behind its codec."""

    def __init__(self, model: MusicModel):
        super().__init__()
        self.model = copy.deepcopy(model)
        del self.model.model.codec

    def forward(self, codes: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        return (self.model(codes, attention_mask).logits,)


class Coder(nn.Module):
    """The codec of a Mega-AudioFormer, for sound of whole frames."""

    def __init__(self, model: MusicModel):
        super().__init__()
        self.codec, self.level_db = copy.deepcopy(model.model.codec), model.config.level_db
        for conv in self.codec.modules():
            if isinstance(conv, EncodecConv1d):  # its sums over lengths are tensors, which a graph cannot pad by
                total = int(conv.padding_total)
                del conv.padding_total
                conv.padding_total = total
                conv._get_extra_padding_for_conv1d = lambda hidden_states: 0
        layers = self.codec.encoder.layers
        for number, layer in enumerate(layers):
            if isinstance(layer, EncodecLSTM):
                layers[number] = LstmOfGraph(layer.lstm)

    def forward(self, input_values: Tensor) -> tuple[Tensor]:
        (bandwidth,) = self.codec.config.target_bandwidths
        heard = at_level(input_values, None, self.level_db)
        codes, _ = self.codec._encode_frame(heard[:, None], bandwidth)
        return (codes,)


class LstmOfGraph(nn.Module):
    """EnCodec's LSTM as ONNX has it: taken apart by torch's exporter it would have a fixed number of frames."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.hidden_size, self.num_layers = lstm.hidden_size, lstm.num_layers
        for layer in range(lstm.num_layers):
            for name in ("weight_ih", "weight_hh"):
                self.register_buffer(f"{name}_{layer}", as_onnx_orders(getattr(lstm, f"{name}_l{layer}"))[None])
            biases = (as_onnx_orders(getattr(lstm, f"{name}_l{layer}")) for name in ("bias_ih", "bias_hh"))
            self.register_buffer(f"bias_{layer}", torch.cat(tuple(biases))[None])

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(batch, channels, frames) -> the same."""
        frames = heard = hidden_states.permute(2, 0, 1)
        for layer in range(self.num_layers):
            weights = (getattr(self, f"{name}_{layer}") for name in ("weight_ih", "weight_hh", "bias"))
            shape = (heard.shape[0], 1, heard.shape[1], self.hidden_size)
            attributes = {"hidden_size": self.hidden_size}
            heard = torch.onnx.ops.symbolic(
                "LSTM", (heard, *weights), attributes, dtype=heard.dtype, shape=shape, version=14
            )[:, 0]
        return (heard + frames).permute(1, 2, 0)


def as_onnx_orders(gates: Tensor) -> Tensor:
    """torch stacks input, forget, cell, output; ONNX input, output, forget, cell."""
    entry, forget, cell, out = gates.detach().chunk(4)
    return torch.cat((entry, out, forget, cell))


def mixture_graphs(model: MusicModel) -> dict[str, Graph]:
    rate = model.config.sampling_rate
    inputs = dict(model.feature_extractor(two_windows(model), sampling_rate=rate, return_tensors="pt"))
    rows = inputs["input_values"].dim() == 2  # of features; patches and frames may be any number
    open_axes = dict.fromkeys(inputs, (0,) if rows else (0, 1))
    return {MODEL: Graph(Mixture(model), inputs, open_axes, ("logits", "gate_weights"))}


def meter_graphs(model: MusicModel) -> dict[str, Graph]:
    inputs = {"input_values": torch.from_numpy(np.stack(two_windows(model)))}
    return {MODEL: Graph(OneChunk(model), inputs, {"input_values": (0, 1)}, ("logits",))}


def code_graphs(model: MusicModel) -> dict[str, Graph]:
    config = model.config
    frames = round(EXAMPLE_SECONDS * config.frame_rate)
    codes = torch.zeros(2, config.num_codebooks, frames, dtype=torch.long)
    listener = {"codes": codes, "attention_mask": torch.ones(2, frames, dtype=torch.bool)}
    sound = {"input_values": torch.randn(2, frames * hop_length(config))}
    return {
        MODEL: Graph(CodeListener(model), listener, {"codes": (0, 2), "attention_mask": (0, 1)}, ("logits",)),
        CODEC: Graph(Coder(model), sound, {"input_values": (0, 1)}, ("codes",)),
    }


def two_windows(model: MusicModel) -> list[np.ndarray]:
    samples = round(min(EXAMPLE_SECONDS, model.config.window_seconds) * model.config.sampling_rate)
    return list(np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32))


def hop_length(config: PreTrainedConfig) -> int:
    """Samples of a frame of a Mega-AudioFormer's codec."""
    return config.codec_config.hop_length


GRAPHS: dict[str, Callable[[MusicModel], dict[str, Graph]]] = {
    "genre_moe": mixture_graphs,
    "beatmeter": meter_graphs,
    "mega_audioformer": code_graphs,
}
