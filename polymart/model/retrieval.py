"""The head of a retrieval task: two towers on the shared encoder, item popularity, and the entity's own history.

Shape suffixes: B examples, D text width, W context width, I items of the catalogue, V unique item texts,
M items being scored (ascending positions), P padded history.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from polymart.config import Inputs
from polymart.model.batch import Batch
from polymart.model.history import CONTEXT_WIDTH
from polymart.model.inputs import NUM_HISTORY_FEATURES
from polymart.model.statistics import InputStatistics
from polymart.model.tower import TOWER_WIDTH, FeatureTower

SCALE = 20.0
"""Factor on the cosine at the start, as sentence encoders are trained with; 1 where a history says more."""


class ItemHistory(nn.Module):
    """Scores the items that the entity met before; `HistoryPrior`'s idea, but only where a history item is scored.

    Together with the item's bias b = log popularity the score starts at log(popularity + count / k): personal
    frequency, smoothed towards what everyone buys.
    """

    def __init__(self, context: int) -> None:
        super().__init__()
        self.context = nn.Linear(context, CONTEXT_WIDTH)
        self.shared = nn.Sequential(
            nn.Linear(NUM_HISTORY_FEATURES + CONTEXT_WIDTH, 48), nn.GELU(), nn.Linear(48, 24), nn.GELU()
        )
        self.last = nn.Linear(24, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.log_smoothing = nn.Parameter(torch.tensor(math.log(20.0)))

    def forward(self, batch: Batch, context_BW: Tensor, items_M: Tensor, bias_M: Tensor) -> Tensor:
        """What to add to the scores of ``items_M``, shape (B, M)."""
        ids_BP, history_BPH, count_BP = batch.history_ids_BP, batch.history_BPH, batch.history_count_BP
        assert ids_BP is not None and history_BPH is not None and count_BP is not None  # noqa: PT018 - one fact
        num = len(items_M)
        slot_BP = torch.searchsorted(items_M, ids_BP).clamp(max=num - 1)
        # What is not scored now (padding too) goes to one column past the end, which is cut off.
        slot_BP = torch.where(items_M[slot_BP] == ids_BP, slot_BP, num)
        context_BPC = self.context(context_BW).unsqueeze(1).expand(-1, ids_BP.shape[1], -1)
        learnt_BP = self.last(self.shared(torch.cat([history_BPH, context_BPC], -1))).squeeze(-1).float()
        bias_BP = functional.pad(bias_M, (0, 1)).index_select(0, slot_BP.flatten()).view_as(learnt_BP)
        values_BP = learnt_BP + torch.log1p(count_BP * torch.exp(-bias_BP - self.log_smoothing))
        return values_BP.new_zeros(len(ids_BP), num + 1).scatter(1, slot_BP, values_BP)[:, :num]


class RetrievalHead(nn.Module):
    """score(b, i) = scale * cos(query_b, item_i) + bias_i + history(b, i).

    Both projections add a linear map that starts at zero to their input, so that a task with few queries starts
    with the similarity of the pretrained encoder and weight decay pulls back to it.
    """

    def __init__(self, inputs: Inputs, statistics: InputStatistics, text_width: int) -> None:
        super().__init__()
        self.tower = FeatureTower(inputs, statistics) if inputs.numeric or inputs.categorical else None
        context = text_width + (TOWER_WIDTH if self.tower else 0)
        self.query = nn.Linear(context, text_width)
        self.item = nn.Linear(text_width, text_width)
        for layer in (self.query, self.item):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.history = ItemHistory(context) if inputs.label_history else None
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 if self.history else SCALE)))
        self.bias_I = nn.Parameter(torch.zeros(statistics.num_labels))

    @property
    def num_outputs(self) -> int:
        """I, the size of the catalogue."""
        return len(self.bias_I)

    def start_at(self, base_O: Tensor) -> None:
        """Begin with the log popularity of every item."""
        self.bias_I.data.copy_(base_O)

    def forward(self, batch: Batch, text_BD: Tensor, texts_VD: Tensor) -> Tensor:
        """Corrected logits of the batch's candidates, shape (B, M).

        Args:
            batch: inputs with candidates (see `polymart.training.candidates`).
            text_BD: encoded text of each example.
            texts_VD: encoded unique texts of the candidates.
        """
        assert batch.items_M is not None and batch.item_index_M is not None  # noqa: PT018 - one fact
        assert batch.item_correction_BM is not None
        items_MD = self.item_vectors(texts_VD).index_select(0, batch.item_index_M)
        return self.score(batch, self.context(batch, text_BD), items_MD, batch.items_M) + batch.item_correction_BM

    def context(self, batch: Batch, text_BD: Tensor) -> Tensor:
        """All that is known of each example, its text vector first, shape (B, W)."""
        return text_BD if self.tower is None else torch.cat([text_BD, self.tower(batch)], 1)

    def item_vectors(self, texts_VD: Tensor) -> Tensor:
        """Unit vectors of item texts, shape (V, D)."""
        return functional.normalize((texts_VD + self.item(texts_VD)).float(), dim=-1)

    def query_vectors(self, context_BW: Tensor) -> Tensor:
        """Unit vectors of what `context` knows, shape (B, D)."""
        text_BD = context_BW[:, : self.query.out_features]
        return functional.normalize((text_BD + self.query(context_BW)).float(), dim=-1)

    def score(self, batch: Batch, context_BW: Tensor, items_MD: Tensor, items_M: Tensor) -> Tensor:
        """Logits of the items at the ascending positions ``items_M``, shape (B, M)."""
        query_BD = self.query_vectors(context_BW)
        bias_M = self.bias_I.index_select(0, items_M)
        scores_BM = self.log_scale.exp() * (query_BD @ items_MD.T) + bias_M
        if self.history is not None:
            scores_BM = scores_BM + self.history(batch, context_BW, items_M, bias_M)
        return scores_BM
