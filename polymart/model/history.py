"""The label-history prior: scores each label from how an entity met it before.

Shape suffixes: B examples, W width of the context, L labels, H history features, P padded history, C context width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from polymart.model.batch import Batch
from polymart.model.inputs import NUM_HISTORY_FEATURES

CONTEXT_WIDTH = 8


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
