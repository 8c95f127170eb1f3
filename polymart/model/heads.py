"""The head of one task: text vector, feature tower and label history to raw outputs.

Shape suffixes: B examples, D text width, O outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.history import HistoryPrior
from polymart.model.inputs import InputStatistics
from polymart.model.tower import TOWER_WIDTH, FeatureTower


class TaskHead(nn.Module):
    """Fuses the text vector with the feature tower and emits one task's outputs."""

    def __init__(self, inputs: Inputs, statistics: InputStatistics, text_width: int, num_outputs: int) -> None:
        super().__init__()
        self.tower = FeatureTower(inputs, statistics) if inputs.numeric or inputs.categorical else None
        # A head with the label history alone sees one constant zero.
        width = (text_width if inputs.text else 0) + (TOWER_WIDTH if self.tower else 0) or 1
        self.history = HistoryPrior(statistics.num_labels, width) if inputs.label_history else None
        self.fuse = (
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 128), nn.GELU()) if self.tower else nn.LayerNorm(width)
        )
        self.out = nn.Linear(128 if self.tower else width, num_outputs)
        self.corrects_baseline = inputs.baseline is not None
        if self.corrects_baseline or self.history is not None:
            # Start exactly at the given forecast or prior and learn only the correction.
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    @property
    def num_outputs(self) -> int:
        """O."""
        return self.out.out_features

    def forward(self, batch: Batch, text_BD: Tensor | None) -> Tensor:
        """Raw outputs, shape (B, O)."""
        parts = [part for part in (text_BD, self.tower(batch) if self.tower else None) if part is not None]
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
