"""The products of a household: candidates from index, popularity and history, scored exactly by the `RetrievalHead`.

Without the history a product's logit is ``s cos(query, text) + bias``. That is the inner product of ``[query, 1]``
with ``[s text, bias]``, for which the index is built (see `indexed`), so it finds by likeness and popularity at once;
and only the household's own products have a history term, and all of them are candidates. So what the index finds
decides alone how near the answer comes to scoring the whole catalogue.

Shape suffixes: V unique texts, D width, K texts found, C candidates before scoring, M candidates, P pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from polymart.model.batch import Batch
from polymart.model.retrieval import RetrievalHead
from serving.catalogue.diversity import diversified
from serving.catalogue.mapped import MappedVectors
from serving.catalogue.products import Products
from serving.catalogue.total import Total

FOUND, LEAST_FOUND = 256, 128
"""Most and fewest texts asked of the index, and products scored beside the household's own: three times those that are
wanted, and twice the longest answer and more.
"""
POPULAR = 64
"""Most popular texts, which are always candidates."""
POOL = 5
"""Times as many products as are wanted, among which the diverse ones are chosen."""


def indexed(vectors_VD: np.ndarray, best_bias_V: np.ndarray, scale: float) -> np.ndarray:
    """What is indexed of each text, shape (V, D + 2): the highest inner product becomes the highest cosine.

    ``[scale * vector, bias, rest]``, with the rest that makes all of them equally long (Bachrach et al., "Speeding up
    the Xbox recommender system using a Euclidean transformation for inner-product spaces", RecSys 2014).

    Args:
        vectors_VD: unit vectors of the texts.
        best_bias_V: bias of each text's most popular product.
        scale: the head's factor on the cosine.
    """
    # A constant shift of the bias changes no order, and small numbers lose less in half precision.
    bias_V = best_bias_V - best_bias_V.mean()
    rest_V = np.sqrt((bias_V**2).max() - bias_V**2)
    return np.column_stack([scale * vectors_VD, bias_V, rest_V]).astype(np.float32)


@dataclass(frozen=True)
class Rules:
    """What a caller may ask of the products."""

    top: int = 10
    only: list[str] = field(default_factory=list)
    """Departments or categories to choose from; empty takes all."""
    without: list[str] = field(default_factory=list)
    """Departments or categories left out."""
    bought: Literal["keep", "drop"] = "keep"
    """Whether products of the household's history may come again."""
    diversity: float = 0.0
    """See `diversified`."""


class ProductRanking:
    """Ranks the catalogue of one `RetrievalHead`."""

    def __init__(self, head: RetrievalHead, products: Products, mapped: MappedVectors) -> None:
        self.head, self.products, self.mapped = head, products, mapped
        self.scale = head.log_scale.exp().item()
        self.total = Total(products.mass_V, mapped.vectors_VD, self.scale)
        self.popular_K = np.argsort(-products.best_bias_V, kind="stable")[:POPULAR]

    @torch.inference_mode()
    def top(self, batch: Batch, text_BD: torch.Tensor, rules: Rules) -> list[dict[str, Any]]:
        """Products as `Products.shown`, best first, with ``bought``: whether the history holds them.

        A score is the product's share of the softmax over the whole catalogue.

        Args:
            batch: one row's inputs.
            text_BD: vector of its text, shape (1, D).
            rules: what was asked.

        Raises:
            UnknownGroupError: a rule names no department or category.
        """
        context_BW = self.head.context(batch, text_BD)
        query_D = self.head.query_vectors(context_BW)[0].cpu().numpy()
        bought = self._bought(batch)
        left_out = len(bought) if rules.bought == "drop" else 0
        count = min(FOUND, max(LEAST_FOUND, 3 * _pool(rules) + left_out))
        found_K = np.union1d(self.mapped.nearest(np.append(query_D, [1, 0]), count), self.popular_K)
        cosine_K = self.mapped.vectors_VD[found_K] @ query_D
        total = self.total(query_D, found_K, cosine_K)
        allowed_V = None
        if rules.only or rules.without:
            allowed_V = self.products.allowed(rules.only, rules.without)
            found_K, cosine_K = self._allowed(query_D, allowed_V, count)
        items_M = np.union1d(self._best(found_K, cosine_K, count), bought)
        if not len(items_M):
            return []
        logits_M, history_M = self._logits(batch, context_BW, query_D, items_M)
        total += float((np.exp(logits_M) - np.exp(logits_M - history_M)).sum())
        kept_M = np.ones(len(items_M), bool) if allowed_V is None else allowed_V[self.products.text_index_I[items_M]]
        if rules.bought == "drop":
            kept_M &= ~np.isin(items_M, bought)
        return self._answer(items_M[kept_M], np.exp(logits_M[kept_M]) / total, bought, rules)

    def _allowed(self, query_D: np.ndarray, allowed_V: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The best allowed texts and their cosines; an index cannot skip what a filter forbids, so all are read."""
        cosine_V = self.mapped.vectors_VD @ query_D
        score_V = np.where(allowed_V, self.scale * cosine_V + self.products.best_bias_V, -np.inf)
        best_K = np.sort(np.argsort(-score_V, kind="stable")[: min(count, int(allowed_V.sum()))])
        return best_K, cosine_V[best_K]

    def _best(self, texts_K: np.ndarray, cosine_K: np.ndarray, count: int) -> np.ndarray:
        """The best products of some texts, given in ascending order, as they were without a history."""
        if not len(texts_K):
            return texts_K
        products = self.products
        items_C = products.of_texts(texts_K)
        cosine_C = cosine_K[np.searchsorted(texts_K, products.text_index_I[items_C])]
        return items_C[np.argsort(-(self.scale * cosine_C + products.bias_I[items_C]), kind="stable")[:count]]

    def _bought(self, batch: Batch) -> np.ndarray:
        if batch.history_ids_BP is None:
            return np.empty(0, np.int64)
        ids_P = batch.history_ids_BP[0].cpu().numpy()
        return ids_P[ids_P < len(self.products)]

    def _logits(
        self, batch: Batch, context_BW: torch.Tensor, query_D: np.ndarray, items_M: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The head's logits of the products, and the history's part in them."""
        vectors_MD = self.mapped.vectors_VD[self.products.text_index_I[items_M]]
        device = context_BW.device
        logits_BM = self.head.score(
            batch, context_BW, torch.from_numpy(vectors_MD).to(device), torch.from_numpy(items_M).to(device)
        )
        logits_M = logits_BM[0].cpu().numpy().astype(np.float64)
        return logits_M, logits_M - (self.scale * (vectors_MD @ query_D) + self.products.bias_I[items_M])

    def _answer(
        self, items_M: np.ndarray, share_M: np.ndarray, bought: np.ndarray, rules: Rules
    ) -> list[dict[str, Any]]:
        pool_P = np.argsort(-share_M, kind="stable")[: _pool(rules)]
        items_P, share_P = items_M[pool_P], share_M[pool_P].clip(max=1.0)
        if not len(items_P):
            return []
        vectors_PD = self.mapped.vectors_VD[self.products.text_index_I[items_P]]
        chosen = diversified(share_P / share_P[0], vectors_PD, rules.top, rules.diversity)
        met = set(bought.tolist())
        return [
            {**self.products.shown(int(items_P[i]), float(share_P[i])), "bought": int(items_P[i]) in met}
            for i in chosen
        ]


def _pool(rules: Rules) -> int:
    """Products among which the answer is chosen."""
    return POOL * rules.top if rules.diversity else rules.top
