"""The feature tower: numbers and categories of one task to one vector.

Shape suffixes: B examples, N numbers, M bins of all numbers together, K categories, W tower width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.statistics import InputStatistics

TOWER_WIDTH = 64
EMBEDDING_WIDTH = 8
DROPOUT = 0.2
UNSEEN = 0.02
"""Share of categories shown as unseen while training, so that the embedding of unseen values is learned too."""


class QuantileEncoding(nn.Module):
    """How far a number has passed each of its training quantiles: the piecewise-linear encoding of 2203.05556.

    Bin m of a number x lies between two neighbouring quantiles and becomes clamp((x - low_m) / width_m, 0, 1), so
    that one linear layer can bend at every quantile, as a tree can split there.
    """

    column_M: Tensor
    low_M: Tensor
    width_M: Tensor

    def __init__(self, edges: Sequence[Sequence[float]]) -> None:
        super().__init__()
        bins = [(n, low, high - low) for n, e in enumerate(edges) for low, high in pairwise(e)]
        # Not in the state: they follow from the statistics, which the checkpoint holds once.
        self.register_buffer("column_M", torch.tensor([n for n, _, _ in bins], dtype=torch.int64), persistent=False)
        self.register_buffer("low_M", torch.tensor([low for _, low, _ in bins]), persistent=False)
        self.register_buffer("width_M", torch.tensor([width for _, _, width in bins]), persistent=False)

    def __len__(self) -> int:
        return len(self.column_M)

    def forward(self, numeric_BN: Tensor) -> Tensor:
        """Shape (B, M), each in 0..1."""
        return ((numeric_BN.index_select(1, self.column_M) - self.low_M) / self.width_M).clamp(0, 1)


class FeatureTower(nn.Module):
    """Numbers (as they are, by quantile, and with missing flags) and categories to one vector of `TOWER_WIDTH`."""

    def __init__(self, inputs: Inputs, statistics: InputStatistics) -> None:
        super().__init__()
        self.quantiles = QuantileEncoding([statistics.edges[column] for column in inputs.numeric])
        self.embeddings = nn.ModuleList(
            nn.Embedding(len(statistics.vocabulary[column]) + 1, EMBEDDING_WIDTH) for column in inputs.categorical
        )
        width = 2 * len(inputs.numeric) + len(self.quantiles) + EMBEDDING_WIDTH * len(inputs.categorical)
        self.layers = nn.Sequential(
            nn.Linear(width, TOWER_WIDTH),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(TOWER_WIDTH, TOWER_WIDTH),
            nn.GELU(),
        )

    def forward(self, batch: Batch) -> Tensor:
        """Shape (B, W)."""
        parts = []
        if batch.numeric_BN is not None and batch.missing_BN is not None:
            parts += [batch.numeric_BN, batch.missing_BN, self.quantiles(batch.numeric_BN)]
        if batch.categorical_BK is not None:
            codes_BK = self._hide_some(batch.categorical_BK)
            parts += [embed(codes_BK[:, k]) for k, embed in enumerate(self.embeddings)]
        return self.layers(torch.cat(parts, 1))

    def _hide_some(self, codes_BK: Tensor) -> Tensor:
        if not self.training:
            return codes_BK
        return codes_BK.masked_fill(torch.rand(codes_BK.shape, device=codes_BK.device) < UNSEEN, 0)
