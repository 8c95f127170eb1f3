"""Find the best items of a catalogue, in bounded memory.

Shape suffixes: B examples, I items of the catalogue, V unique item texts, C items of a chunk, K best items.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from polymart.model.batch import Batch
from polymart.model.encoding import encode_tokens
from polymart.model.items import Items
from polymart.model.multitask import MultiTaskModel
from polymart.model.retrieval import RetrievalHead
from polymart.model.texts import padding_id

CHUNK = 8192
"""Items scored at once."""


def encode_items(model: MultiTaskModel, task: str, items: Items) -> Tensor:
    """Vectors of the unique item texts as ``task`` reads them, before its head, shape (V, D)."""
    encoder, device = model.encoder_of(task), next(model.parameters()).device
    return encode_tokens(encoder, items.tokens_V, padding_id(items.tokenizer), device)


class ItemIndex:
    """The item vectors of one retrieval task, encoded once.

    Args:
        model: holds the task's head.
        task: the retrieval task.
        items: its catalogue.
        vectors_VD: the head's vectors of the unique item texts, where they were kept; else they are made now.
    """

    def __init__(self, model: MultiTaskModel, task: str, items: Items, vectors_VD: Tensor | None = None) -> None:
        self.model, self.task, self.items = model, task, items
        head = model.heads[task]
        assert isinstance(head, RetrievalHead)
        self.head = head
        self.device = head.bias_I.device
        self.text_index_I = torch.from_numpy(items.text_index_I).to(self.device)
        if vectors_VD is None:
            vectors_VD = torch.cat(
                [head.item_vectors(texts) for texts in encode_items(model, task, items).split(CHUNK)]
            )
        self.vectors_VD = vectors_VD.to(self.device)

    def top(self, batch: Batch, k: int, text_UD: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores of the K = min(k, I) best items, best first; a score is the item's share of the softmax.

        Equal scores are ordered by position. ``text_UD`` are the batch's text vectors, where they are known already.
        """
        positions_BK, shares_BK = self.top_tensors(batch, k, text_UD)
        return positions_BK.cpu().numpy(), shares_BK.cpu().numpy()

    def top_tensors(self, batch: Batch, k: int, text_UD: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What `top` returns, as tensors; can be traced for batches of any size."""
        if text_UD is None:
            text_UD = self.model.encode(self.task, batch)
        assert text_UD is not None and batch.text_index_B is not None  # noqa: PT018 - one fact
        context_BW = self.head.context(batch, text_UD.index_select(0, batch.text_index_B))
        size = context_BW.shape[0]  # not the batch's: in a trace that would be a constant
        best_BK = context_BW.new_zeros(size, 0)
        items_BK = torch.zeros(size, 0, dtype=torch.int64, device=self.device)
        total_B = context_BW.new_full((size,), -torch.inf)
        for start in range(0, len(self.items), CHUNK):
            items_C = torch.arange(start, min(start + CHUNK, len(self.items)), device=self.device)
            scores_BC = self.head.score(batch, context_BW, self.vectors_VD[self.text_index_I[items_C]], items_C)
            total_B = torch.logaddexp(total_B, scores_BC.logsumexp(1))
            joined = torch.cat([best_BK, scores_BC], 1)
            positions = torch.cat([items_BK, items_C.expand(size, -1)], 1)
            best_BK, chosen = joined.topk(min(k, int(joined.shape[1])), 1)
            items_BK = positions.gather(1, chosen)
        items_BK, by_position = items_BK.sort(1)
        best_BK, by_score = best_BK.gather(1, by_position).sort(dim=1, descending=True, stable=True)
        return items_BK.gather(1, by_score), torch.exp(best_BK - total_B[:, None])
