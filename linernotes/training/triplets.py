"""Triplet pre-training: before the mixture is trained, each expert learns to hold its own genre together.

Source: "Music Genre MoE", contrastive pre-training with prototype songs as anchors; triplet loss of Schroff et al. 2015
(FaceNet, arXiv 1503.03832). Works for any model with `normalise`, `encode` and a list of `experts`, one a genre.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LEARNING_RATE = 1e-3
MARGIN = 0.5  # on the unit sphere
PROTOTYPES = 8  # songs nearest their genre's centre: typical enough to be anchors, enough of them to vary


def prototype_songs(normalised: Tensor, of_genre: Tensor, count: int = PROTOTYPES) -> Tensor:
    """Indices of the `count` rows of a genre that lie nearest its centre; (rows, features) and a boolean (rows,)."""
    indices = of_genre.nonzero().squeeze(-1)
    distance = (normalised[indices] - normalised[indices].mean(0)).norm(dim=-1)
    return indices[distance.argsort()[:count]]


def pretrain_experts(model, features: Tensor, labels: Tensor, epochs: int) -> list[float]:
    """Trains encoder and experts in place; returns the mean triplet loss of each epoch.

    For every song of a genre: the anchor is one of its prototypes, the negative a song of any other genre, and the
    expert of the genre must place the song nearer the anchor than the negative, by MARGIN on the unit sphere.
    """
    normalised = model.normalise(features)
    optimiser = torch.optim.AdamW([*model.encoder.parameters(), *model.experts.parameters()], lr=LEARNING_RATE)
    genres = [genre for genre in range(len(model.experts)) if (labels == genre).sum() > 1]
    anchors = {genre: prototype_songs(normalised, labels == genre) for genre in genres}
    model.train()
    losses = []
    for _ in range(epochs):
        loss = torch.stack(
            [triplet_loss(model, normalised, labels == genre, anchors[genre], genre) for genre in genres]
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    return losses


def triplet_loss(model, normalised: Tensor, of_genre: Tensor, anchors: Tensor, genre: int) -> Tensor:
    positives, others = of_genre.nonzero().squeeze(-1), (~of_genre).nonzero().squeeze(-1)
    drawn_anchors = anchors[torch.randint(len(anchors), (len(positives),), device=normalised.device)]
    drawn_negatives = others[torch.randint(len(others), (len(positives),), device=normalised.device)]
    songs = torch.cat([drawn_anchors, positives, drawn_negatives])
    embeddings = F.normalize(model.experts[genre](model.encode(normalised[songs])), dim=-1)
    return F.triplet_margin_loss(*embeddings.chunk(3), margin=MARGIN)
