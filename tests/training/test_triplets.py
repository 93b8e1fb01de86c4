"""Triplet pre-training: prototypes are typical, and afterwards an expert tells its own genre from the others."""

import torch

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification
from linernotes.training.triplets import pretrain_experts, prototype_songs


def test_prototypes_are_the_songs_nearest_the_centre():
    songs = torch.tensor([[0.0], [10.0], [4.9], [5.2], [99.0]])
    of_genre = torch.tensor([True, True, True, True, False])
    assert set(prototype_songs(songs, of_genre, count=2).tolist()) == {2, 3}


def test_an_expert_holds_its_genre_together():
    torch.manual_seed(0)
    centres = torch.randn(3, 59)
    labels = torch.arange(3).repeat(40)
    features = centres[labels] + 1.5 * torch.randn(120, 59)
    model = GenreMoeForAudioClassification(GenreMoeConfig(num_experts=3, num_labels=3))

    def closeness() -> float:
        """How much nearer songs of a genre are to each other than to others, for the genre's own expert."""
        model.eval()
        differences = []
        for genre, expert in enumerate(model.experts):
            embedded = torch.nn.functional.normalize(expert(model.encode(model.normalise(features))), dim=-1)
            own = embedded[labels == genre]
            differences.append((own @ own.T).mean() - (own @ embedded[labels != genre].T).mean())
        return float(torch.stack(differences).mean())

    before = closeness()
    losses = pretrain_experts(model, features, labels, epochs=30)
    assert losses[-1] < 0.5 * losses[0]
    assert closeness() > before + 0.3
