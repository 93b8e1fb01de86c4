"""BeatMeter: which meters a recording is in, several at once where it is polyrhythmic, by a MERT and a small head.

Source: "MERT LoRA Multi-Label Experiment" of the BeatMeter project: a HuBERT-shaped backbone hears chunks of 5 s, each
layer is pooled by mean and maximum over time, the layers are mixed by learned weights, and a head of two linear layers
gives one sigmoid a meter. Mean and maximum forget the order of events: `head_type="tempogram"` keeps the periods too.
Shapes: sound (batch, samples) at 24 kHz; pooled layers (batch, layers, 2 * hidden_size); logits (batch, num_labels).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from os import PathLike
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertModel, Wav2Vec2FeatureExtractor
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .audio import describe
from .chunks import ChunkListener, Heard
from .configuration_beatmeter import BeatMeterConfig
from .containers import missing_bytes  # noqa: F401 (named for transformers: see music_model.py)
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .music_config import MusicConfig  # noqa: F401
from .music_model import Hearing, MusicModel, rounded, unbatch
from .pretrained import load_backbone, name_of_backbone, preprocessing, start_as_torch_does
from .rhythm import Tempogram
from .sndfile import open_with_sndfile  # noqa: F401
from .windows import Window

HEAT_SECONDS = 1.0  # what `explain` leaves out at a time


@dataclass
class BeatMeterOutput(ModelOutput):
    """
    loss: scalar, when labels are given.
    logits: (batch, num_labels), divided by the temperature in eval mode.
    layer_weights: (batch, num_layers), what each layer of the backbone counts; every row the same, and sums to 1.
    hidden_states: on request, a tensor for each layer, (batch, 2 * hidden_size): mean and maximum over time.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    layer_weights: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


def classifier(config: BeatMeterConfig, width: int) -> nn.Sequential:
    """The head on `width` features, as published (places in the sequence are names in released checkpoints)."""
    size, dropout = config.head_hidden_size, config.dropout
    if config.head_type == "single_layer":
        return nn.Sequential(nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, config.num_labels))
    layers = [nn.LayerNorm(width), nn.Linear(width, size), nn.GELU(), nn.Dropout(dropout)]
    if config.head_type == "multi_layer":
        layers += [nn.Linear(size, size // 2), nn.GELU(), nn.Dropout(dropout)]
        size = size // 2
    return nn.Sequential(*layers, nn.Linear(size, config.num_labels))


def is_polyrhythm(meters: Iterable[str]) -> bool:
    """Whether two of the meters can only be heard against each other: 3 and 4, but not 3 and 9, which is threes."""
    pairs = combinations(sorted(int(meter) for meter in meters if meter.isdecimal()), 2)
    return any(longer % shorter for shorter, longer in pairs)


class BeatMeterForMeterClassification(MusicModel):
    """Meters of a recording: probabilities for 3, 4, 5, 7, 9 and 11 beats, independent of each other."""

    config_class = BeatMeterConfig
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["HubertEncoderLayer", "HubertEncoderLayerStableLayerNorm"]  # noqa: RUF012

    def __init__(self, config: BeatMeterConfig):
        super().__init__(config)
        backbone, hears_periods = config.backbone_config, config.head_type == "tempogram"
        self.listener = ChunkListener(config, joined=hears_periods)
        self.backbone = HubertModel(backbone)
        self.layer_logits = nn.Parameter(torch.zeros(backbone.num_hidden_layers))
        width = 2 * backbone.hidden_size
        if hears_periods:
            self.tempogram = Tempogram(config, config.sampling_rate / self.listener.hop)
            width = 2 * config.tempogram_hidden_size + width * config.tempogram_pooled
        self.head = classifier(config, width)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        start_as_torch_does(module)
        if module is self:
            init.zeros_(self.layer_logits)

    @classmethod
    def from_backbone(cls, source: str | PathLike, **options: Any) -> "BeatMeterForMeterClassification":
        """A new model on a pretrained backbone: a MERT or HuBERT on the Hub or in a folder; the head is random.

        options: fields of BeatMeterConfig; `do_normalize` and `sampling_rate` are the backbone's where it says so.
        Raises ValueError where the backbone's weights are not exactly those of its config.
        """
        backbone = load_backbone(HubertModel, source)
        options = {"backbone_name": name_of_backbone(source), **preprocessing(source), **options}
        model = cls(cls.config_class(backbone_config=backbone.config, **options))
        model.backbone.load_state_dict(backbone.state_dict())
        return model

    def freeze_backbone(self) -> None:
        """Only the head learns, and no graph is kept of what is below it."""
        self.backbone.requires_grad_(False)
        self.backbone.feature_extractor._requires_grad = False  # or it asks for the gradient of the sound

    @cached_property
    def feature_extractor(self) -> Wav2Vec2FeatureExtractor:
        """Scales a whole window; with `original_pooling` each chunk is scaled instead, behind the extractor."""
        rate, scaled = self.config.sampling_rate, self.config.do_normalize and not self.config.original_pooling
        return Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=scaled, return_attention_mask=True)

    # The network

    @can_return_tuple
    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BeatMeterOutput:
        """
        Args:
            input_values: (batch, samples) at `config.sampling_rate`, as the feature extractor scales them.
            attention_mask: (batch, samples), 1 where there is sound, 0 behind its end; all ones by default. How far a
                batch is padded changes no answer.
            labels: (batch, num_labels), 1 for the meters that are there, 0 (or a little more, for smooth labels) for
                others; or (batch,) indices of one meter each.
            output_hidden_states: whether to answer the pooled layers as well; the config says so by default.
        """
        output = self.judge(self.listen(input_values, attention_mask))
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        if not wanted:
            output.hidden_states = None
        if labels is not None:
            output = BeatMeterOutput(loss=self.loss(output.logits, labels), **output)  # anew: the loss comes first
        return output

    def listen(
        self, input_values: Tensor, attention_mask: Tensor | None = None, step_seconds: float | None = None
    ) -> Heard:
        """What the backbone hears of each chunk, or step of one, before layers and chunks are put together."""
        if input_values.dim() != 2 or not input_values.numel():
            raise ValueError(f"input_values have shape {tuple(input_values.shape)}; allowed is (batch, samples)")
        input_values = input_values.to(self.dtype)
        lengths = [input_values.shape[1]] * len(input_values)
        if attention_mask is not None:
            lengths = attention_mask.long().sum(1).tolist()
            input_values = input_values * attention_mask.to(input_values.dtype)
        mixture = self.layer_weights() if self.config.head_type == "tempogram" else None
        return self.listener(self.backbone, input_values, lengths, mixture, step_seconds)

    def layer_weights(self) -> Tensor:
        """What each layer counts, (num_layers,), adding up to 1."""
        return self.layer_logits.softmax(0)

    def judge(self, heard: Heard, periods: tuple[Tensor, Tensor] | None = None) -> BeatMeterOutput:
        """The network behind the backbone: layers and chunks put together, periods, head.

        periods: what `tempogram.periods` gave of the same recordings, where that is known already.
        """
        weights, layers = self.layer_weights(), heard.pooled().unbind(1)
        features = torch.einsum("l,blh->bh", weights, torch.stack(layers, dim=1))
        if self.config.head_type == "tempogram":
            tempogram = self.tempogram
            patterns = tempogram(heard.frames, heard.frame_mask) if periods is None else tempogram.patterns(*periods)
            features = torch.cat((patterns, features), dim=1) if self.config.tempogram_pooled else patterns
        logits = self.head(features)
        if not self.training:
            logits = logits / self.config.temperature
        return BeatMeterOutput(
            logits=logits, layer_weights=weights.expand(len(logits), -1), hidden_states=tuple(layers)
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy with `config.pos_weight`; cross-entropy where a recording is to be in one meter."""
        if labels.dim() == 1:
            labels = F.one_hot(labels.long(), self.config.num_labels)
        if labels.shape != logits.shape:
            raise ValueError(
                f"labels have shape {tuple(labels.shape)}; allowed are {tuple(logits.shape)}, a number for each "
                f"label, and ({len(logits)},), the index of one"
            )
        weight = None if self.config.pos_weight is None else logits.new_tensor(self.config.pos_weight)
        if self.config.problem_type == "single_label_classification":
            return F.cross_entropy(logits, labels.to(logits.dtype), weight=weight)
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weight)

    # What it says

    def readings(self, outputs: BeatMeterOutput) -> dict[str, Tensor]:
        """`polyrhythm` is read window by window: a song that goes from 3 to 4 has two meters and no polyrhythm."""
        many = self.config.problem_type == "multi_label_classification"
        logits = outputs.logits.float()
        probabilities = logits.sigmoid() if many else logits.softmax(-1)
        together = [is_polyrhythm(self._present(row)) for row in probabilities.tolist()]
        return {"probabilities": probabilities, "polyrhythm": logits.new_tensor(together)}

    def _present(self, probabilities: Iterable[float]) -> list[str]:
        """The meters from whose threshold on a probability is."""
        thresholds = self.config.thresholds or [0.5] * self.config.num_labels
        rows = zip(self.config.labels, probabilities, thresholds, strict=True)
        return [label for label, probability, threshold in rows if probability >= threshold]

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        probabilities = rounded(self.config.labels, reading["probabilities"])
        shares = list(probabilities.values())
        first, second, *_ = [*sorted(shares, reverse=True), 0.0]
        meters = sorted(self._present(shares), key=probabilities.get, reverse=True)
        return {
            "predicted_meter": max(probabilities, key=probabilities.get),
            "meters": meters,
            "polyrhythm": bool(reading["polyrhythm"] >= 0.5) and is_polyrhythm(meters),
            "confidence_gap": round(first - second, 7),
            "uncertain": not meters or not first >= self.config.abstain_below,
            "probabilities": probabilities,
        }

    def of_silence(self, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"meters": [], "polyrhythm": False, "uncertain": True}

    # What the answer rests on

    def explain(self, audio: Any, *, sampling_rate: int | None = None) -> dict[str, Any]:
        """The answer with what it rests on, of one recording.

        `layers`: each with its weight. `heat`: for each second or so, by how much the logit of the predicted meter
        falls in its window when the frames of these seconds do not count. The backbone still heard them, and the frames
        around know of it. 0 throughout a window that has no say; the last window overlaps the one before it. Raises
        AudioError.
        """
        hearing, heat = Hearing(describe(audio)), []
        with self._listening():
            for window in self._split(audio, sampling_rate):
                heard = self.listen(**self._inputs([window.samples]), step_seconds=HEAT_SECONDS)
                output = self.judge(heard)
                hearing.add(window, unbatch(self.readings(output))[0])
                heat.append(self._falls(window, heard, output.logits))
            weights = self.layer_weights().tolist()
        answer = self._answer(hearing, timeline=False)
        leader = self.config.label2id[answer["predicted_meter"]]
        layers = [{"layer": number, "weight": weight} for number, weight in enumerate(weights, 1)]
        steps = [
            {"start_seconds": start, "end_seconds": end, "heat": falls[leader] if vote else 0.0}
            for of_window, vote in zip(heat, hearing.votes, strict=True)
            for start, end, falls in of_window
        ]
        return {**answer, "layers": layers, "heat": steps}

    def _falls(self, window: Window, heard: Heard, logits: Tensor) -> list[tuple[float, float, list[float]]]:
        """Of each step of a window: start and end in seconds, and by how much each logit falls without it."""
        without = self.judge(heard.without_each_chunk()).logits
        places = [[window.start_seconds + edge / self.config.sampling_rate for edge in span] for span in heard.spans[0]]
        return [
            (round(start, 3), round(min(end, window.end_seconds), 3), falls)
            for (start, end), falls in zip(places, (logits - without).tolist(), strict=True)
        ]
