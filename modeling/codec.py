"""Sound as tokens: the half of an EnCodec that listens, and what is done to its codes before a model reads them.

Codes are (batch, codebooks, frames), whole numbers from 0 to codebook_size - 1; at 24 kHz a frame is 320 samples. Each
codebook describes what those before it left over, so the first codebooks of more codes are the codes of a lower bit
rate. Source: Défossez et al., "High Fidelity Neural Audio Compression", 2022, arXiv 2210.13438.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel
from transformers import initialization as init
from transformers.models.encodec.modeling_encodec import EncodecEuclideanCodebook

from .audio import AudioError

IGNORED = -100  # a label that the loss does not ask for, as everywhere in transformers
MASK_UNITS = ("token", "frame", "span")


class CodecEncoder(EncodecModel):
    """transformers' EncodecModel without the decoder and the moving averages that codebooks are trained by.

    It is never trained here, and where it was not loaded all codes are 0. Raises ValueError for a codec whose codes are
    not one sequence of mono frames.
    """

    _supports_sdpa = True  # there is no attention in it: any kind will do
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(self, config: EncodecConfig):
        check_codec(config)
        super().__init__(config)
        del self.decoder
        for layer in self.quantizer.layers:
            del layer.codebook.inited, layer.codebook.cluster_size, layer.codebook.embed_avg
        self.requires_grad_(False)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, EncodecEuclideanCodebook):  # transformers' own would fill the averages as well
            init.zeros_(module.embed)
        else:
            super()._init_weights(module)

    def take_over(self, codec: EncodecModel) -> None:
        """The weights of a whole codec, as far as they are needed. Raises ValueError where it has too few codebooks."""
        weights = codec.state_dict()
        if missing := sorted(self.state_dict().keys() - weights.keys()):
            raise ValueError(
                f"the codec lacks {', '.join(missing[:2])} and so on, {len(missing)} in all; "
                f"bandwidth_kbps is {self.config.target_bandwidths[0]}: choose one that it has codebooks for"
            )
        self.load_state_dict({name: weights[name] for name in self.state_dict()})

    @torch.no_grad()
    def entries(self, size: int) -> Tensor:
        """What each code stands for, (codebooks, codebook_size, size), for embeddings to start from: codes that sound
        alike lie close together before anything is learned.

        Entries are turned to the principal axes of their codebook, of which an embedding may hold fewer or more. The
        first codebook has unit variance, and those behind it are as much softer as what they add to the sound.
        """
        centred = [layer.codebook.embed - layer.codebook.embed.mean(0) for layer in self.quantizer.layers]
        turned = [entries @ torch.linalg.svd(entries, full_matrices=False).Vh[:size].T for entries in centred]
        unit = centred[0].square().mean().sqrt().clamp_min(1e-8)
        return nn.functional.pad(torch.stack(turned) / unit, (0, size - turned[0].shape[1]))

    @torch.no_grad()
    def tokens(self, input_values: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes (batch, codebooks, frames) and their mask (batch, frames) of sound (batch, samples) and its mask.

        Recordings are encoded one by one: EnCodec mirrors the end of its input, so that padding would be heard, and a
        product of several rows may round a code that lies between two entries to the other one. So may a sum that
        several threads share: on a CPU one thread encodes.
        """
        lengths = [input_values.shape[1]] * len(input_values)
        if attention_mask is not None:
            lengths = attention_mask.long().sum(1).tolist()
        if min(lengths) < 1:
            raise ValueError(f"recordings of {lengths} samples; each must have one or more")
        cut = (row[None, None, :length] for row, length in zip(input_values.to(self.dtype), lengths, strict=True))
        with one_thread():
            return padded([self.encode(row, return_dict=True).audio_codes[0, 0] for row in cut])


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of the CPU for the time of a block; a graph that is exported holds no threads."""
    if torch.compiler.is_compiling():
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_codec(config: EncodecConfig) -> None:
    if config.audio_channels != 1 or config.chunk_length_s is not None:
        raise ValueError(
            f"a codec of {config.audio_channels} channels and chunks of {config.chunk_length_s} s; allowed is mono "
            "without chunks, as in facebook/encodec_24khz"
        )
    (bandwidth,) = config.target_bandwidths
    step = config.frame_rate * config.codebook_nbits / 1000
    if config.num_quantizers < 1 or abs(config.num_quantizers * step - bandwidth) > 1e-6:
        raise ValueError(f"bandwidth_kbps is {bandwidth}; allowed are whole multiples of {step:g}, one a codebook")


@dataclass(frozen=True)
class Codes:
    """What was given as the codes of one recording, held whole: (codebooks, frames), if `check` finds it right."""

    values: np.ndarray

    @property
    def num_frames(self) -> int:
        return self.values.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.values[:, start:stop]

    def check(self, config) -> None:
        """Raises AudioError (not_audio) for what are no codes of a MegaAudioFormerConfig's codec."""
        codes, books, size = self.values, config.num_codebooks, config.codec_config.codebook_size
        if codes.dtype.kind not in "iu" or codes.ndim != 2 or len(codes) < books or not codes.size:
            kind = "rows of different lengths" if codes.dtype == object else codes.dtype
            message = (
                f"codes are {kind} of shape {codes.shape}; allowed are whole numbers, ({books} codebooks or more, "
                "frames), not empty, and batches of them: `codes_of` makes them of a recording"
            )
            raise AudioError("not_audio", message)
        if codes.min() < 0 or codes.max() >= size:
            message = f"codes are from {codes.min()} to {codes.max()}; allowed are 0 to {size - 1}, of the same codec"
            raise AudioError("not_audio", message)


def as_sources(codes: Any) -> Codes | list[Codes]:
    """What `predict` is given as codes, each recording by itself: one, or a list of a batch's or of a list's.

    Four axes are EnCodec's own `audio_codes`, (chunks, batch, codebooks, frames). Raises ValueError for several chunks.
    """
    rows = [as_array(row) for row in codes] if isinstance(codes, (list, tuple)) else as_array(codes)
    if isinstance(rows, list):
        if not rows or (max(row.ndim for row in rows) > 1 and [row.ndim for row in rows] != [3]):
            return [Codes(row) for row in rows]
        rows = as_array(rows)  # the codebooks of one recording, or a batch in its one chunk
    if rows.ndim == 4:
        if len(rows) != 1:
            raise ValueError(
                f"codes have shape {rows.shape}, {len(rows)} chunks; allowed is one: encode by a codec without chunks, "
                "or give the sound"
            )
        rows = rows[0]
    return [Codes(row) for row in rows] if rows.ndim == 3 else Codes(rows)


def as_array(given: Any) -> np.ndarray:
    """An array of what is given; an array of nothing where rows differ in form, which `Codes.check` refuses."""
    if isinstance(given, Tensor):
        return given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except ValueError:
        return np.empty(len(given), object)


def padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Codes (codebooks, frames) of several lengths -> (batch, codebooks, longest), mask (batch, longest)."""
    lengths = torch.tensor([row.shape[-1] for row in rows], device=rows[0].device)
    codes = nn.utils.rnn.pad_sequence([row.T for row in rows], batch_first=True).transpose(1, 2)
    return codes, torch.arange(codes.shape[-1], device=codes.device) < lengths[:, None]


def masked(
    codes: Tensor, attention_mask: Tensor | None, config, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Codes with some hidden, and labels: the codes that were hidden, IGNORED elsewhere.

    Args:
        codes: (batch, codebooks, frames), as is what is returned.
        attention_mask: (batch, frames), where frames are; None for everywhere.
        config: a MegaAudioFormerConfig. Of a recording's tokens `mask_share` are hidden, by `mask_unit` each for itself
            ("token"), with all of their frame ("frame"), or with `mask_span_frames` frames in a row ("span").
        generator: of the random numbers, on the codes' device.
    """
    share, unit, span_frames = config.mask_share, config.mask_unit, config.mask_span_frames
    if not 0 < share < 1 or unit not in MASK_UNITS or span_frames < 1:
        raise ValueError(
            f"mask_share is {share}, mask_unit {unit!r}, mask_span_frames {span_frames}; allowed are a share between "
            f"0 and 1, {', '.join(MASK_UNITS)}, and 1 frame or more"
        )
    batch, books, frames = codes.shape
    valid = codes.new_ones(batch, frames, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    per_frame = books if unit == "token" else 1
    order = torch.rand(batch, frames, per_frame, device=codes.device, generator=generator)
    if unit == "span":  # frames of a span share a number, and a stable sort leaves them together
        phase = torch.randint(span_frames, (batch, 1), device=codes.device, generator=generator)
        spans = (torch.arange(frames, device=codes.device) + phase) // span_frames
        order = order.gather(1, spans[..., None])
    order = order.masked_fill(~valid[..., None], torch.inf).flatten(1)
    rank = order.argsort(dim=1, stable=True).argsort(dim=1)
    count = (valid.sum(1, keepdim=True) * per_frame * share).round()
    chosen = (rank < count).view(batch, frames, per_frame).expand(-1, -1, books).transpose(1, 2)
    return codes.masked_fill(chosen, config.codec_config.codebook_size), codes.masked_fill(~chosen, IGNORED)
