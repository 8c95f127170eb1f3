"""Feature tower, label-history prior and the head of one task.

Shape suffixes: B examples, D text width, W tower width, O outputs, L labels, H history features, P padded history.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.inputs import NUM_HISTORY_FEATURES, InputStatistics

TOWER_WIDTH = 64
CONTEXT_WIDTH = 8


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


class HistoryPrior(nn.Module):
    """Scores each label from how the entity met it before: one small network shared by all labels.

    The score starts at log(count + k * popularity), personal frequency smoothed towards what everyone buys, and
    the network learns the correction. It sees a few numbers of context, so that the same count can mean more for
    a household with few baskets.
    """

    def __init__(self, num_labels: int, context: int) -> None:
        super().__init__()
        self.num_labels = num_labels
        self.context = nn.Linear(context, CONTEXT_WIDTH)
        self.shared = nn.Sequential(
            nn.Linear(NUM_HISTORY_FEATURES + CONTEXT_WIDTH, 48),
            nn.GELU(),
            nn.Linear(48, 24),
            nn.GELU(),
            nn.Linear(24, 1),
        )
        self.per_label = nn.Embedding(num_labels + 1, NUM_HISTORY_FEATURES)
        self.log_popularity = nn.Parameter(torch.zeros(num_labels))
        """log of each label's share of all training labels; set by `start_at`."""
        self.smoothing = nn.Parameter(torch.tensor(20.0))
        last = self.shared[-1]
        assert isinstance(last, nn.Linear)
        for weight in (self.per_label.weight, last.weight, last.bias):
            nn.init.zeros_(weight)

    def start_at(self, rate_L: Tensor) -> None:
        """Set the popularity to the training base rates, shape (L,)."""
        self.log_popularity.data.copy_(rate_L.clamp(min=1e-6).log())

    def forward(self, batch: Batch, hidden_BW: Tensor) -> Tensor:
        """Scores to add to the head's logits, shape (B, L)."""
        ids_BP, history_BPH, count_BP = batch.history_ids_BP, batch.history_BPH, batch.history_count_BP
        assert ids_BP is not None and history_BPH is not None and count_BP is not None  # noqa: PT018 - one fact
        context_BPC = self.context(hidden_BW).unsqueeze(1).expand(-1, ids_BP.shape[1], -1)
        score_BP = self.shared(torch.cat([history_BPH, context_BPC], -1)).squeeze(-1).float()
        score_BP = score_BP + (self.per_label(ids_BP) * history_BPH).sum(-1)
        return self._spread(score_BP, ids_BP) + self._smoothed_log_count(count_BP, ids_BP)

    def _smoothed_log_count(self, count_BP: Tensor, ids_BP: Tensor) -> Tensor:
        popular_L = functional.softplus(self.smoothing) * self.log_popularity.exp()
        return torch.log(self._spread(count_BP, ids_BP) + popular_L + 1e-6)

    def _spread(self, values_BP: Tensor, ids_BP: Tensor) -> Tensor:
        """Put each value at its label; padding falls off the end."""
        full_BL = values_BP.new_zeros(len(values_BP), self.num_labels + 1)
        return full_BL.scatter(1, ids_BP, values_BP)[:, : self.num_labels]


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
