"""An EnCodec that learns to say again what it heard: its losses, and how far its answer is from the recording.

Source: Défossez et al. 2022 (arXiv 2210.13438) for the losses in time and on mel scales of several lengths, and for the
bit rate that is drawn anew; without its discriminators. Shapes: sound (batch, samples).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import EncodecConfig, EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecPreTrainedModel
from transformers.utils import ModelOutput

from linernotes.modeling.spectral import hann_window, mel_filterbank
from linernotes.training.residual_quantizer import quantized

MEL_SCALES = {256: 24, 512: 40, 1024: 64, 2048: 80}  # mel bands by window length in samples; hops are a quarter
QUIETEST = 1e-5  # mel bands below it are taken for silence: 100 dB under full scale
NO_BIN = 1e-9  # the sum of a filter that lies between two bins is smaller
SOFTEST = 1e-3  # mean absolute sample below which a recording's loss counts less: it is noise


@dataclass
class CodecOutput(ModelOutput):
    """`loss`, what it is made of before weighting, the sound (batch, samples), codes (batch, codebooks, frames)."""

    loss: Tensor | None = None
    losses: dict[str, Tensor] | None = None
    sound: Tensor | None = None
    codes: Tensor | None = None


class EncodecForReconstruction(EncodecPreTrainedModel):
    """transformers' EncodecModel with what it takes to train it; only the codec (`model.codec`) is published.

    In training each recording is said again at one of the config's bandwidths, drawn at random, else at the highest.
    """

    def __init__(self, config: EncodecConfig):
        super().__init__(config)
        self.codec = EncodecModel(config)
        self.weights = {"wave": 1.0, "mel": 1.0, "commitment": 0.25}
        self.decay, self.dead_below = 0.99, 0.02
        self.post_init()

    def forward(self, input_values: Tensor) -> CodecOutput:
        """Says the sound (batch, samples) again, and by how much it fails. Lengths must be whole frames."""
        books = self._draw_books(len(input_values)).to(input_values.device)
        frames = self.codec.encoder(input_values[:, None]).transpose(1, 2)
        said = quantized(self.codec.quantizer, frames, books, decay=self.decay, dead_below=self.dead_below)
        sound = self.codec.decoder(said.frames.transpose(1, 2))[:, 0]
        level = input_values.abs().mean(1) + SOFTEST
        losses = {
            "wave": ((sound - input_values).abs().mean(1) / level).mean(),
            "mel": mel_distance(sound, input_values, self.config.sampling_rate).mean(),
            "commitment": said.commitment,
        }
        loss = sum(self.weights[name] * part for name, part in losses.items())
        return CodecOutput(loss=loss, losses=losses, sound=sound, codes=said.codes)

    def _draw_books(self, batch: int) -> Tensor:
        """How many books each recording is said by."""
        quantizer, rates = self.codec.quantizer, self.config.target_bandwidths
        counts = torch.tensor([quantizer.get_num_quantizers_for_bandwidth(rate) for rate in rates])
        return counts[torch.randint(len(counts), (batch,))] if self.training else counts.max().repeat(batch)


def mel_distance(sound: Tensor, original: Tensor, sampling_rate: int) -> Tensor:
    """Mean absolute difference of the logarithms (base e) of mel bands, over windows of several lengths, (batch,)."""
    distances = []
    for length, bands in MEL_SCALES.items():
        said, meant = (log_mel(signal, sampling_rate, length, bands) for signal in (sound, original))
        distances.append((said - meant).abs().mean((1, 2)))
    return torch.stack(distances).mean(0)


def log_mel(sound: Tensor, sampling_rate: int, length: int, bands: int) -> Tensor:
    """Logarithms (base e) of the mel bands of magnitudes, (batch, bands, frames); full scale is about 0."""
    window = torch.as_tensor(hann_window(length), dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(sound, length, length // 4, window=window, pad_mode="constant", return_complex=True)
    power = torch.view_as_real(spectrum).square().sum(-1)
    magnitudes = (power + 1e-12).sqrt() / window.sum()  # the root has no slope at 0
    filters = torch.as_tensor(mel_filterbank(sampling_rate, length, bands), device=sound.device)
    filters = filters / filters.sum(0).clamp(min=NO_BIN)
    return (filters.T @ magnitudes).clamp(min=QUIETEST).log()


def si_sdr(sound: Tensor, original: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB, (batch,). Source: Le Roux et al. 2019, arXiv 1811.02508."""
    sound, original = (signal - signal.mean(1, keepdim=True) for signal in (sound, original))
    scale = (sound * original).sum(1, keepdim=True) / original.square().sum(1, keepdim=True).clamp(min=1e-12)
    target = scale * original
    noise = (sound - target).square().sum(1)
    return 10 * torch.log10(target.square().sum(1).clamp(min=1e-12) / noise.clamp(min=1e-12))


def said_again(codec: EncodecModel, sound: Tensor, bandwidth_kbps: float) -> tuple[Tensor, Tensor]:
    """What the codec makes of sound (batch, samples) at a bit rate, and the codes (batch, codebooks, frames)."""
    with torch.inference_mode():
        codes = codec.encode(sound[:, None], bandwidth=bandwidth_kbps, return_dict=True).audio_codes
        again = codec.decode(codes, [None], return_dict=True).audio_values[:, 0]
    return F.pad(again, (0, max(sound.shape[1] - again.shape[1], 0)))[:, : sound.shape[1]], codes[0]
