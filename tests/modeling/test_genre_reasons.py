"""genre_reasons.py: what decides is found, is named for every front end, and belongs to a group."""

import pytest
import torch

from linernotes.modeling.configuration_genre_moe import GenreMoeConfig
from linernotes.modeling.feature_extraction_genre_moe import FEATURE_NAMES
from linernotes.modeling.modeling_genre_moe import GenreMoeForAudioClassification


def test_attribution_finds_the_feature_that_decides():
    torch.manual_seed(0)
    model = GenreMoeForAudioClassification(GenreMoeConfig(dropout=0.0)).eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    rows = torch.randn(256, 59)
    labels = (rows[:, 57] > 0).long() * 2  # the tempo alone makes it rock or jazz
    for _ in range(60):
        optimiser.zero_grad()
        model(rows, labels=labels).loss.backward()
        optimiser.step()
    shares = model.attribute(rows).abs().mean(0)
    assert FEATURE_NAMES[int(shares.argmax())] == "tempo"
    assert shares[57] > 2 * shares.sort().values[-2]


@pytest.mark.parametrize(
    ("options", "name", "num_groups"),
    [
        ({}, "tempo", 10),
        ({"num_features": 7}, "feature_7", 7),
        ({"num_features": 38, "encoder_type": "cnn"}, "onset_strength", 38),
        ({"num_features": 150, "frontend": "musicnn"}, "rock mean", 3),
    ],
)
def test_every_feature_has_a_name_and_belongs_to_one_group(options, name, num_groups):
    model = GenreMoeForAudioClassification(GenreMoeConfig(**options))
    names, groups = model.feature_names, model.feature_groups.values()
    assert name in names
    assert len(groups) == num_groups
    assert sorted(each for group in groups for each in names[group]) == sorted(set(names))
