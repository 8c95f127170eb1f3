"""Find the best items of a catalogue, in bounded memory.

Shape suffixes: B examples, I items of the catalogue, V unique item texts, C items of a chunk, K best items.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from polymart.model.batch import Batch
from polymart.model.items import Items
from polymart.model.multitask import MultiTaskModel
from polymart.model.retrieval import RetrievalHead

CHUNK = 8192
"""Items scored at once."""


class ItemIndex:
    """The item vectors of one retrieval task, encoded once."""

    def __init__(self, model: MultiTaskModel, task: str, items: Items, batch_size: int = 128) -> None:
        self.model, self.task, self.items = model, task, items
        head = model.heads[task]
        assert isinstance(head, RetrievalHead)
        self.head = head
        self.device = head.bias_I.device
        self.text_index_I = torch.from_numpy(items.text_index_I).to(self.device)
        self.vectors_VD = self._encode(batch_size)

    def _encode(self, batch_size: int) -> Tensor:
        vectors_VD = torch.empty(len(self.items.tokens_V), self.model.encoder.width, device=self.device)
        order = np.argsort([-len(ids) for ids in self.items.tokens_V], kind="stable")
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            tokens, mask = (part.to(self.device) for part in self.items.padded(chosen))
            vectors_VD[torch.from_numpy(chosen).to(self.device)] = self.head.item_vectors(
                self.model.encoder(tokens, mask)
            )
        return vectors_VD

    def top(self, batch: Batch, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores of the K = min(k, I) best items, best first; a score is the item's share of the softmax.

        Equal scores are ordered by position.
        """
        text_UD = self.model.encode(batch)
        assert text_UD is not None and batch.text_index_B is not None  # noqa: PT018 - one fact
        context_BW = self.head.context(batch, text_UD.index_select(0, batch.text_index_B))
        best_BK = context_BW.new_zeros(batch.size, 0)
        items_BK = torch.zeros(batch.size, 0, dtype=torch.int64, device=self.device)
        total_B = context_BW.new_full((batch.size,), -torch.inf)
        for start in range(0, len(self.items), CHUNK):
            items_C = torch.arange(start, min(start + CHUNK, len(self.items)), device=self.device)
            scores_BC = self.head.score(batch, context_BW, self.vectors_VD[self.text_index_I[items_C]], items_C)
            total_B = torch.logaddexp(total_B, scores_BC.logsumexp(1))
            joined = torch.cat([best_BK, scores_BC], 1)
            positions = torch.cat([items_BK, items_C.expand(batch.size, -1)], 1)
            best_BK, chosen = joined.topk(min(k, joined.shape[1]), 1)
            items_BK = positions.gather(1, chosen)
        items_BK, by_position = items_BK.sort(1)
        best_BK, by_score = best_BK.gather(1, by_position).sort(dim=1, descending=True, stable=True)
        shares_BK = torch.exp(best_BK - total_B[:, None])
        return items_BK.gather(1, by_score).cpu().numpy(), shares_BK.cpu().numpy()
