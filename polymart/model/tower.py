"""The feature tower: numbers and categories of one task to one vector.

Shape suffixes: B examples, W tower width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.inputs import InputStatistics

TOWER_WIDTH = 64


class FeatureTower(nn.Module):
    """Numbers (with missing flags) and categories to one vector of `TOWER_WIDTH`."""

    def __init__(self, inputs: Inputs, statistics: InputStatistics) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(len(statistics.vocabulary[column]) + 1, 8) for column in inputs.categorical
        )
        width = 2 * len(inputs.numeric) + 8 * len(inputs.categorical)
        self.layers = nn.Sequential(
            nn.Linear(width, TOWER_WIDTH), nn.GELU(), nn.Linear(TOWER_WIDTH, TOWER_WIDTH), nn.GELU()
        )

    def forward(self, batch: Batch) -> Tensor:
        """Shape (B, W)."""
        parts = [part for part in (batch.numeric_BN, batch.missing_BN) if part is not None]
        if batch.categorical_BK is not None:
            parts += [embed(batch.categorical_BK[:, k]) for k, embed in enumerate(self.embeddings)]
        return self.layers(torch.cat(parts, 1))
