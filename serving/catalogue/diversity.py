"""Maximal marginal relevance (Carbonell & Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998).

Shape suffixes: P products of the pool, D width.
"""

from __future__ import annotations

import numpy as np


def diversified(relevance_P: np.ndarray, vectors_PD: np.ndarray, count: int, diversity: float) -> np.ndarray:
    """Positions of ``count`` products, chosen one after the other by relevance and by unlikeness to those before.

    The next product is the one with the highest (1 - diversity) * relevance - diversity * (highest cosine with a
    product that is already chosen). Equal ones keep the order of the pool.

    Args:
        relevance_P: 0..1, the best product's is 1; descending.
        vectors_PD: unit vectors.
        count: products wanted.
        diversity: 0 keeps the order of relevance, 1 looks at unlikeness alone.
    """
    count = min(count, len(relevance_P))
    if diversity == 0 or not count:
        return np.arange(count)
    chosen = [0]
    likeness_P = vectors_PD @ vectors_PD[0]
    for _ in range(count - 1):
        value_P = (1 - diversity) * relevance_P - diversity * likeness_P
        value_P[chosen] = -np.inf
        best = int(value_P.argmax())
        chosen.append(best)
        likeness_P = np.maximum(likeness_P, vectors_PD @ vectors_PD[best])
    return np.array(chosen)
