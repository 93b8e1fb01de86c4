"""An EnCodec that can say again what it hears before it has learned anything: its convolutions start as an MDCT.

A randomly initialised one needs some hundred thousand steps to find that sound has a phase; here there are thousands.
Strided convolutions start as delay lines, which gather the samples of a frame in their channels, and the last of them
as a modified discrete cosine transform, whose lowest coefficients become the frame's vector; the decoder starts as the
transposed of all this. The signal is made small on its way, where ELU is a straight line. Channels that are not needed
stay random and louder, where ELU bends. Source of the transform: Princen, Johnson, Bradley 1987.
"""

import math

import torch
from torch import Tensor, nn
from transformers import EncodecModel
from transformers.models.encodec.modeling_encodec import (
    EncodecConv1d,
    EncodecConvTranspose1d,
    EncodecLSTM,
    EncodecResnetBlock,
)

SMALL = 0.1  # of full scale: there ELU bends by a twentieth
LOUD = 4.0  # by how much random filters of sound are louder than PyTorch draws them
ALMOST_ZERO, FAINT = 1e-4, 1e-3  # weight normalisation knows no vector of length 0
COEFFICIENT_SHARE, FRAME_SHARE = 2 / 3, 3 / 4  # of the channels before the frame's vector, and of that vector
GAIN = 3.0  # of the frame's vector over the coefficients of the sound


def mdct_basis(hop: int, coefficients: int) -> Tensor:
    """The lowest coefficients of an orthonormal MDCT with a sine window, (coefficients, 2 * hop)."""
    samples = torch.arange(2 * hop, dtype=torch.float64) + 0.5
    orders = torch.arange(coefficients, dtype=torch.float64)[:, None] + 0.5
    window = (math.pi / (2 * hop) * samples).sin()
    return (math.sqrt(2 / hop) * window * (math.pi / hop * (samples + hop / 2) * orders).cos()).float()


@torch.no_grad()
def start_as_lapped_transform(codec: EncodecModel) -> None:
    """Sets the weights of a new codec. Raises ValueError where it hears only the past, or has too few channels."""
    config = codec.config
    if config.use_causal_conv:
        raise ValueError("use_causal_conv is true; a lapped transform hears what follows a frame: set it to false")
    strides = list(reversed(config.upsampling_ratios))
    inner = math.prod(strides[:-1])
    if inner > config.num_filters * 2 ** (len(strides) - 1):
        raise ValueError(
            f"{inner} samples before the last stride, and {config.num_filters * 2 ** (len(strides) - 1)} channels to "
            "hold them; raise num_filters, or make the first of upsampling_ratios larger"
        )
    for half in (codec.encoder, codec.decoder):
        for part in half.modules():
            if isinstance(part, EncodecResnetBlock):
                _pass_on(part)
            elif isinstance(part, EncodecLSTM):
                _silence(part.lstm)
    first, *strided, last = (part for part in codec.encoder.layers if isinstance(part, EncodecConv1d))
    kept = round(COEFFICIENT_SHARE * strided[-1].conv.out_channels)
    frame = round(FRAME_SHARE * config.hidden_size)
    kernels = [_delays(stride, math.prod(strides[:level])) for level, stride in enumerate(strides[:-1])]
    transform = mdct_basis(config.hop_length, kept).unflatten(1, (2 * strides[-1], inner)).transpose(1, 2)
    middle = torch.eye(frame, kept)[..., None]  # the higher coefficients are left for the decoder to imagine
    first.conv.weight = first.conv.weight * LOUD
    _start(first.conv, torch.full((1, 1, 1), SMALL))
    for layer, kernel in zip(strided, [*kernels, transform], strict=True):
        _start(layer.conv, kernel)
    _start(last.conv, middle * GAIN / SMALL)
    convolutions = (EncodecConv1d, EncodecConvTranspose1d)
    first, *strided, last = (part for part in codec.decoder.layers if isinstance(part, convolutions))
    _start(first.conv, middle.transpose(0, 1) * SMALL / GAIN)
    for layer, kernel in zip(strided, [transform, *reversed(kernels)], strict=True):
        _start(layer.conv, kernel)
    _start(last.conv, torch.full((1, 1, 1), 1 / SMALL))


def _delays(stride: int, width: int) -> Tensor:
    """(stride * width, width, 2 * stride): channel p * width + i is channel i, p steps after the block begins."""
    kernel = torch.zeros(stride * width, width, 2 * stride)
    before = stride - stride // 2  # steps of the padding, before the block
    for step in range(stride):
        kernel[torch.arange(width) + step * width, torch.arange(width), before + step] = 1.0
    return kernel


def _start(layer: nn.Module, kernel: Tensor) -> None:
    """Puts a kernel into the middle of the first channels; the outputs that it makes hear nothing else."""
    weight = layer.weight.clone()
    made = kernel.shape[1] if isinstance(layer, nn.ConvTranspose1d) else kernel.shape[0]
    outputs = weight[:, :made] if isinstance(layer, nn.ConvTranspose1d) else weight[:made]
    outputs.mul_(ALMOST_ZERO)
    begin = (weight.shape[-1] - kernel.shape[-1]) // 2
    weight[: kernel.shape[0], : kernel.shape[1], begin : begin + kernel.shape[-1]] += kernel
    layer.weight = weight
    layer.bias.zero_()


def _pass_on(block: EncodecResnetBlock) -> None:
    """The block says what it hears; what it makes of it, it has to learn."""
    shortcut = block.shortcut.conv
    shortcut.weight = torch.eye(shortcut.out_channels)[..., None] + ALMOST_ZERO * shortcut.weight
    shortcut.bias.zero_()
    for layer in reversed(block.block):
        if isinstance(layer, EncodecConv1d):
            layer.conv.weight = FAINT * layer.conv.weight
            layer.conv.bias.zero_()
            return


def _silence(lstm: nn.LSTM) -> None:
    """Its cells are given nothing to hold, so that it says nothing until it has learned to."""
    size = lstm.hidden_size
    for parameter in lstm.parameters():
        parameter[2 * size : 3 * size].zero_()
