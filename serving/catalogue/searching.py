"""The products that a query asks for: the nearest product texts, ranked by the head of `search_relevance`.

Query and product texts go through the shared encoder separately, so the products' vectors are those made at
packaging, and a query costs one pass over its own few words.

Shape suffixes: B rows (one for each product text found), D width, K texts found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polymart.model.batch import Batch
from polymart.model.heads import TaskHead
from serving.catalogue.mapped import MappedVectors
from serving.catalogue.products import Products

FOUND = 128
"""Texts asked of the index, which the head ranks. More are no better: the head was taught on products near a query, and
among all texts it finds some far ones that only look right to it."""


def unit(vectors_VD: np.ndarray) -> np.ndarray:
    """What is indexed of each product text: its direction."""
    return vectors_VD / np.linalg.norm(vectors_VD, axis=1, keepdims=True).clip(1e-12)


class ProductSearch:
    """Ranks product texts for queries.

    Args:
        head: of a task that reads a query and a product text.
        activate: raw outputs to the expected gain, 0 (irrelevant) to 1 (exact).
        products: the products of the texts.
        mapped: the texts' vectors, before the head.
    """

    def __init__(
        self, head: TaskHead, activate: Callable[[Tensor], Tensor], products: Products, mapped: MappedVectors
    ) -> None:
        self.head, self.activate, self.products, self.mapped = head, activate, products, mapped

    @torch.inference_mode()
    def top(self, text_BD: Tensor, top: int) -> list[dict[str, Any]]:
        """Products as `Products.shown`, best first; of those that read the same only the most popular one.

        Args:
            text_BD: vector of the query, shape (1, D).
            top: products wanted.
        """
        found_K = self.mapped.nearest(text_BD[0].cpu().numpy(), max(FOUND, top))
        pair_BD = torch.from_numpy(self.mapped.vectors_VD[found_K]).to(text_BD.device)
        outputs_BO = self.head(Batch(size=len(found_K)), text_BD.expand(len(found_K), -1), pair_BD)
        score_K = self.activate(outputs_BO.float())[:, 0].cpu().numpy()
        best = np.argsort(-score_K, kind="stable")[:top]
        items = self.products.first_of(found_K[best])
        return [self.products.shown(int(i), float(s)) for i, s in zip(items, score_K[best], strict=True)]
