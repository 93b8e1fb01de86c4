"""How the codebooks of an EnCodec are learned: transformers' EncodecModel has them, but not their training.

They start as clusters of frames. Then each entry is the moving average of the frames that chose it; entries that nobody
chooses take the place of a frame; gradients pass straight through. Sources: van den Oord et al. 2017 (arXiv 1711.00937,
appendix A.1: moving averages), Zeghidour et al. 2021 (SoundStream, arXiv 2107.03312: residual books, as many as a bit
rate pays for, k-means, dead entries). Shapes: frames (batch, frames, codebook_dim), codes (batch, codebooks, frames).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor
from transformers.models.encodec.modeling_encodec import EncodecEuclideanCodebook, EncodecResidualVectorQuantizer

KMEANS_ROUNDS = 4  # the moving averages go on from there
SMOOTHING = 1e-5  # counts an entry has beside its frames, so that one without any divides nothing by zero


@dataclass(frozen=True)
class Quantized:
    """What the books say of frames: their sum, which passes gradients on to the frames; the entries; how far the
    frames lie from what the books say of them, a scalar to be made smaller."""

    frames: Tensor
    codes: Tensor
    commitment: Tensor


def quantized(
    quantizer: EncodecResidualVectorQuantizer, frames: Tensor, num_books: Tensor, *, decay: float, dead_below: float
) -> Quantized:
    """Frames through the first `num_books` books of each row, (batch,); in training mode every book learns from all.

    Args:
        decay: of the moving averages, a step.
        dead_below: an entry that is chosen less often than this, on the moving average of a step, is replaced.
    """
    residual, total, codes, distances = frames.detach(), torch.zeros_like(frames), [], []
    for number, layer in enumerate(quantizer.layers):
        if quantizer.training:
            _revive(layer.codebook, residual.flatten(0, 1), dead_below)
        chosen = layer.codebook.encode(residual)
        entries = layer.codebook.decode(chosen)
        if quantizer.training:
            _learn(layer.codebook, residual.flatten(0, 1), chosen.flatten(), decay)
        heard = (number < num_books)[:, None, None]
        # the encoder is drawn to each book's answer, given those of the books before it
        missed = (F.mse_loss(frames - total.detach(), entries, reduction="none") * heard).sum()
        distances.append(missed / heard.sum().clamp(min=1))
        total, residual = total + entries * heard, residual - entries
        codes.append(chosen)
    commitment = torch.stack(distances).sum() / frames[0].numel()
    return Quantized(frames + (total - frames).detach(), torch.stack(codes, dim=1), commitment)


@torch.no_grad()
def start_from(quantizer: EncodecResidualVectorQuantizer, frames: Tensor, frames_of_a_step: int, seed: int) -> None:
    """Fills the books with the means of clusters, each of what those before it left over of frames (n, codebook_dim).

    Raises ValueError where there are fewer frames than entries.
    """
    size = quantizer.codebook_size
    if len(frames) < size:
        raise ValueError(f"{len(frames)} frames to start {size} entries from; listen to more excerpts")
    residual = frames.clone()
    for layer in quantizer.layers:
        clusters = KMeans(size, init="random", n_init=1, max_iter=KMEANS_ROUNDS, random_state=seed)
        chosen = torch.from_numpy(clusters.fit_predict(residual.numpy())).long()
        book = layer.codebook
        book.embed.copy_(torch.from_numpy(clusters.cluster_centers_))
        book.cluster_size.copy_(torch.bincount(chosen, minlength=size) * (frames_of_a_step / len(frames)))
        book.embed_avg.copy_(book.embed * book.cluster_size[:, None])
        residual = residual - book.embed[chosen]


@torch.no_grad()
def _learn(codebook: EncodecEuclideanCodebook, frames: Tensor, chosen: Tensor, decay: float) -> None:
    """One step of the moving averages: how often each entry is chosen, and the mean of the frames that chose it."""
    counts = torch.bincount(chosen, minlength=codebook.codebook_size).to(frames.dtype)
    sums = torch.zeros_like(codebook.embed_avg).index_add_(0, chosen, frames)
    codebook.cluster_size.lerp_(counts, 1 - decay)
    codebook.embed_avg.lerp_(sums, 1 - decay)
    total = codebook.cluster_size.sum()
    shares = (codebook.cluster_size + SMOOTHING) / (total + codebook.codebook_size * SMOOTHING)
    codebook.embed.copy_(codebook.embed_avg / (shares * total)[:, None])


@torch.no_grad()
def _revive(codebook: EncodecEuclideanCodebook, frames: Tensor, dead_below: float) -> None:
    """Entries that are hardly chosen become frames of the batch, at first all of them; then they have some time."""
    dead = (codebook.cluster_size < dead_below).nonzero().squeeze(-1)
    dead = dead[torch.randperm(len(dead), device=dead.device)[: len(frames)]]
    picked = frames[torch.randperm(len(frames), device=frames.device)[: len(dead)]]
    patience = 2 * dead_below
    codebook.embed[dead], codebook.embed_avg[dead], codebook.cluster_size[dead] = picked, picked * patience, patience


def perplexity(codes: Tensor, codebook_size: int) -> list[float]:
    """Of each book of codes (batch, codebooks, frames): how many entries it uses, as many of equal use would."""
    shares = [torch.bincount(book.flatten(), minlength=codebook_size).double() for book in codes.unbind(1)]
    return [float((torch.special.entr(share / share.sum())).sum().exp()) for share in shares]
