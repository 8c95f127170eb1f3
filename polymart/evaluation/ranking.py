"""Metrics and floors of ranking tasks: rows are sorted within their query, and a query counts once.

A label is the grade and the query number of a row, shape (N, 2), as `Ranking.metric_label` gives it. What a query is
worth stands on its first row, 0 on its others: the sums over a cluster are then sums over its queries, and a
bootstrap of clusters draws whole queries.

Shape suffixes: N examples, O outputs, R resamples, S sufficient statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import bm25s
import numpy as np
import pandas as pd

from polymart.config import Task
from polymart.evaluation.metric import Additive, ratio
from polymart.tasks.ranking import GRADES


class PerQuery(Additive):
    """Mean over queries of `of_queries`; a query where that is NaN is left out."""

    def of_queries(self, rows: pd.DataFrame) -> pd.Series:
        """One value per query, by query number.

        Args:
            rows: columns ``query``, ``grade`` and ``score``.
        """
        raise NotImplementedError

    def statistics(self, label: np.ndarray, scores_NO: np.ndarray) -> np.ndarray:
        rows = pd.DataFrame({"query": label[:, 1], "grade": label[:, 0], "score": scores_NO[:, 0]})
        value_N = rows["query"].map(self.of_queries(rows)).mask(rows["query"].duplicated())
        return np.stack([value_N.fillna(0.0), value_N.notna()], 1).astype(np.float64)

    def combine(self, sums_RS: np.ndarray) -> np.ndarray:
        return ratio(sums_RS[:, 0], sums_RS[:, 1])


class Ndcg(PerQuery):
    """Normalised discounted cumulative gain of the first k rows (Järvelin & Kekäläinen 2002), gain 2^grade - 1.

    Rows of equal score share the mean discount of their places, so that the order of the file decides nothing. A
    query without any relevant row is left out.
    """

    def __init__(self, k: int) -> None:
        self.k = k

    def of_queries(self, rows: pd.DataFrame) -> pd.Series:
        found, best = self._dcg(rows, "score"), self._dcg(rows, "grade")
        return (found / best).where(best > 0)

    def _dcg(self, rows: pd.DataFrame, by: str) -> pd.Series:
        sorted_rows = rows.sort_values(by, ascending=False, kind="stable")
        place = sorted_rows.groupby("query").cumcount()
        discount = pd.Series(1 / np.log2(place + 2)).where(place < self.k, 0.0)
        shared = discount.groupby([sorted_rows["query"], sorted_rows[by]]).transform("mean")
        return ((2.0 ** sorted_rows["grade"] - 1) * shared).groupby(sorted_rows["query"]).sum()


class ReciprocalRank(PerQuery):
    """1 / rank of the first exact match; a query without an exact match is left out.

    Other rows of equal score stand before it: a model gains nothing by not deciding.
    """

    def of_queries(self, rows: pd.DataFrame) -> pd.Series:
        exact = rows["grade"] == len(GRADES) - 1
        best = rows["score"].where(exact).groupby(rows["query"]).max()
        ahead = ~exact & (rows["score"] >= rows["query"].map(best))
        return (1 / (1 + ahead.groupby(rows["query"]).sum())).where(best.notna())


def random_order(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """Any order, always the same for the same rows: what a metric gives away for nothing."""
    return np.random.default_rng(0).random((len(test), 1)).astype(np.float32)


def bm25(task: Task, train: pd.DataFrame, test: pd.DataFrame, labels: Sequence[str] | None) -> np.ndarray:
    """Robertson's BM25 between query (``inputs.text``) and product text (``inputs.text_pair``).

    How rare a word is, is counted over the distinct product texts of the test rows.
    """
    query_index, queries = pd.factorize(_texts(test, task.inputs.text))
    product_index, products = pd.factorize(_texts(test, task.inputs.text_pair))
    index, product_words, scores = bm25s.BM25(), words_of(products), np.zeros((len(test), 1), np.float32)
    if not any(product_words):
        return scores
    index.index(product_words, show_progress=False)
    for number, words in enumerate(words_of(queries)):
        rows = query_index == number
        known = [word for word in words if word in index.vocab_dict]
        if known:
            scores[rows, 0] = index.get_scores(known)[product_index[rows]]
    return scores


def _texts(frame: pd.DataFrame, column: str | None) -> pd.Series:
    return frame[column].fillna("").astype(str)


def words_of(texts: Iterable[str]) -> list[list[str]]:
    """The words of each text that BM25 counts: of two letters at least, without the commonest English ones."""
    return bm25s.tokenize(list(texts), stopwords="en", return_ids=False, show_progress=False)
