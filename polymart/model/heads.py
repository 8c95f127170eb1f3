"""The head of one task: text vectors, picture, feature tower and label history to raw outputs.

Shape suffixes: B examples, D text width, O outputs, W width of a part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.history import HistoryPrior
from polymart.model.statistics import InputStatistics
from polymart.model.tower import TOWER_WIDTH, FeatureTower

HIDDEN = 128


class PairMatcher(nn.Module):
    """How well two texts match, from their vectors alone: products, distances and the cosine.

    Both vectors come from the shared trunk (a bi-encoder), so that the vector of a product serves every query.
    """

    width = HIDDEN + 1

    def __init__(self, text_width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(2 * text_width), nn.Linear(2 * text_width, HIDDEN), nn.GELU())

    def forward(self, text_BD: Tensor, pair_BD: Tensor) -> Tensor:
        """Shape (B, W); the last column is the cosine."""
        u_BD, v_BD = functional.normalize(text_BD, dim=1), functional.normalize(pair_BD, dim=1)
        product_BD = u_BD * v_BD
        hidden_BW = self.layers(torch.cat([product_BD, (u_BD - v_BD).abs()], 1))
        return torch.cat([hidden_BW, product_BD.sum(1, keepdim=True)], 1)


class TaskHead(nn.Module):
    """Fuses what a task reads into one vector and emits the task's outputs.

    A second text turns the text vector into the match of both (`PairMatcher`).
    """

    def __init__(self, inputs: Inputs, statistics: InputStatistics, text_width: int, num_outputs: int) -> None:
        super().__init__()
        self.tower = FeatureTower(inputs, statistics) if inputs.numeric or inputs.categorical else None
        self.matcher = PairMatcher(text_width) if inputs.text_pair else None
        widths = [
            PairMatcher.width if inputs.text_pair else text_width if inputs.text else 0,
            text_width if inputs.image else 0,
            TOWER_WIDTH if self.tower else 0,
        ]
        # A head with the label history alone sees one constant zero.
        width = sum(widths) or 1
        self.history = HistoryPrior(statistics.num_labels, width) if inputs.label_history else None
        # One vector of the trunk is read directly; several, and numbers, need a layer in which they meet.
        deep = self.tower is not None or sum(part > 0 for part in widths) > 1
        norm = nn.LayerNorm(width)
        self.fuse = nn.Sequential(norm, nn.Linear(width, HIDDEN), nn.GELU()) if deep else norm
        self.out = nn.Linear(HIDDEN if deep else width, num_outputs)
        self.corrects_baseline = inputs.baseline is not None
        if self.corrects_baseline or self.history is not None:
            # Start exactly at the given forecast or prior and learn only the correction.
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    @property
    def num_outputs(self) -> int:
        """O."""
        return self.out.out_features

    def forward(
        self, batch: Batch, text_BD: Tensor | None, pair_BD: Tensor | None = None, image_BD: Tensor | None = None
    ) -> Tensor:
        """Raw outputs, shape (B, O)."""
        if self.matcher is not None:
            assert text_BD is not None and pair_BD is not None  # noqa: PT018 - one fact
            text_BD = self.matcher(text_BD, pair_BD)
        given = (text_BD, image_BD, self.tower(batch) if self.tower else None)
        parts = [part for part in given if part is not None]
        joined = torch.cat(parts, 1) if parts else self.out.weight.new_zeros(batch.size, 1)
        outputs_BO = self.out(self.fuse(joined))
        if self.history is not None:
            outputs_BO = outputs_BO.float() + self.history(batch, joined)
        if self.corrects_baseline:
            assert batch.baseline_B is not None
            outputs_BO = outputs_BO + batch.baseline_B.unsqueeze(1)
        return outputs_BO

    def start_at(self, base_O: Tensor) -> None:
        """Begin with the raw outputs ``base_O`` for everyone, unless a baseline already says more."""
        if self.history is not None:
            self.history.start_at(base_O.softmax(-1))
        elif not self.corrects_baseline:
            self.out.bias.data.copy_(base_O)
