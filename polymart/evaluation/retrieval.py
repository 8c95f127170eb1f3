"""Metrics and floors of retrieval tasks, on lists of the best items: nobody scores a whole catalogue to judge one row.

Shape suffixes: N examples, P positives (padded with -1), K ranked items, I items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable

import bm25s
import numpy as np
import pandas as pd

from polymart.config import Task
from polymart.errors import SuiteError
from polymart.evaluation.metric import Additive, Metric, ratio
from polymart.evaluation.ranking import words_of
from polymart.tasks import kind_of

TOP = 100
"""Items ranked for each example."""


class RankedMetric(Additive):
    """Mean over examples of a number read from the ranks of the positives; an example without any is left out.

    Labels are positions of the positives, shape (N, P), padded with -1; scores are positions of the ranked items,
    best first, shape (N, K).
    """

    def __init__(self, of_hits: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self.of_hits = of_hits
        """(is each ranked item a positive (N, K), number of positives (N,)) -> value of each example (N,)."""

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        # One number for each pair of row and item finds the hits without an N x K x P table.
        row_N1 = np.arange(len(label))[:, None] * (max(label.max(initial=0), scores_NO.max(initial=0)) + 1)
        hits_NK = np.isin(row_N1 + scores_NO, (row_N1 + label)[label >= 0])
        size_N = (label >= 0).sum(1)
        return np.stack([np.where(size_N > 0, self.of_hits(hits_NK, size_N.clip(min=1)), 0.0), size_N > 0], 1)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


def _recall(k: int) -> RankedMetric:
    return RankedMetric(lambda hits_NK, size_N: hits_NK[:, :k].sum(1) / size_N)


def _hit(k: int) -> RankedMetric:
    return RankedMetric(lambda hits_NK, size_N: hits_NK[:, :k].any(1).astype(float))


def _reciprocal_rank(hits_NK: np.ndarray, size_N: np.ndarray) -> np.ndarray:
    return hits_NK.any(1) / (hits_NK.argmax(1) + 1)


def _ndcg(k: int) -> RankedMetric:
    def of_hits(hits_NK: np.ndarray, size_N: np.ndarray) -> np.ndarray:
        discount_K = 1 / np.log2(np.arange(2, k + 2))
        ideal_N = discount_K.cumsum()[size_N.clip(max=k) - 1]
        return (hits_NK[:, :k] @ discount_K[: hits_NK.shape[1]]) / ideal_N

    return RankedMetric(of_hits)


RETRIEVAL_METRICS: dict[str, Metric] = {
    "recall@10": _recall(10),
    "recall@20": _recall(20),
    "hit@10": _hit(10),
    "mrr": RankedMetric(_reciprocal_rank),
    "ndcg@10": _ndcg(10),
}
"""Metrics of kind retrieval; ``mrr`` counts 0 where no positive is among the first `TOP`."""

RankedFloor = Callable[[Task, pd.DataFrame, pd.DataFrame, pd.DataFrame], np.ndarray]
"""(task, training rows, test rows, item table) -> ranked item positions of the test rows, shape (N, K)."""


def popularity(task: Task, train: pd.DataFrame, test: pd.DataFrame, items: pd.DataFrame) -> np.ndarray:
    """The items with most training labels, the same for everyone; ties by position."""
    return np.tile(_by_popularity(task, train, len(items))[:TOP], (len(test), 1))


def personal_frequency(task: Task, train: pd.DataFrame, test: pd.DataFrame, items: pd.DataFrame) -> np.ndarray:
    """What the entity met most often, ties by popularity; then the most popular of the rest.

    Needs a task with ``label_history``.
    """
    prefix, popular_I = task.inputs.label_history, _by_popularity(task, train, len(items))
    place_I = np.argsort(popular_I)
    top = np.tile(popular_I[:TOP], (len(test), 1))
    for row, (ids, count) in enumerate(zip(test[f"{prefix}_ids"], test[f"{prefix}_count"], strict=True)):
        if ids is not None and not np.isscalar(ids) and len(ids):
            met = np.asarray(ids, np.int64)
            met = met[np.lexsort((place_I[met], -np.asarray(count)))]
            rest = popular_I[: TOP + len(met)]
            top[row] = np.concatenate([met, rest[~np.isin(rest, met)]])[: top.shape[1]]
    return top


def bm25(task: Task, train: pd.DataFrame, test: pd.DataFrame, items: pd.DataFrame) -> np.ndarray:
    """Items whose text matches the query's words (Robertson's BM25, as Lucene counts it)."""
    index, item_words, k = bm25s.BM25(), words_of(items["text"]), min(TOP, len(items))
    if not any(item_words):
        return np.tile(np.arange(k), (len(test), 1))
    index.index(item_words, show_progress=False)
    words = words_of(test[task.inputs.text].fillna("").astype(str))
    return np.asarray(index.retrieve(words, k=k, return_as="documents", show_progress=False))


def _by_popularity(task: Task, train: pd.DataFrame, num_items: int) -> np.ndarray:
    target_NP = kind_of(task.kind).encode_labels(train[task.label], None, task.name)
    return np.argsort(-np.bincount(target_NP[target_NP >= 0], minlength=num_items), kind="stable")


RETRIEVAL_FLOORS: dict[str, RankedFloor] = {f.__name__: f for f in (popularity, personal_frequency, bm25)}
"""Floors of kind retrieval, by the name that a suite file uses."""


def retrieval_floor(name: str) -> RankedFloor:
    """The floor called ``name``.

    Raises:
        SuiteError: no such floor of a retrieval task.
    """
    if name not in RETRIEVAL_FLOORS:
        raise SuiteError(
            f"floor {name!r} is unknown for kind 'retrieval'", remedy=f"use one of: {', '.join(RETRIEVAL_FLOORS)}"
        )
    return RETRIEVAL_FLOORS[name]
