"""Retrieval: which items of a catalogue? Logits of candidates, sampled softmax in units of log(catalogue).

The catalogue is too large to score it whole in every step: a batch brings M candidates, the positives of its rows
and sampled negatives, and each candidate's logit is corrected by the chance with which it was drawn
(`polymart.training.candidates`), so that the loss estimates the softmax over all items.

Shape suffixes: B examples, I items of the catalogue, P positives (padded), M candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from polymart.errors import LabelError
from polymart.tasks.base import TaskKind

PADDING = -1
"""Fills the rows of an array of item positions up to the longest."""


class Retrieval(TaskKind):
    """Labels are lists of item positions; the scores are shares of the next event, one for each item asked about."""

    name = "retrieval"

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        """The names are the catalogue's item ids; a head without them scores whatever candidates it is given."""
        return len(labels or ())

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        """Item positions, shape (B, P), padded with `PADDING`."""
        listed = column.map(pd.api.types.is_list_like).to_numpy(bool)
        if not listed.all():
            raise LabelError(
                f"task {task!r}: {int((~listed).sum())} labels are not lists of item positions, "
                f"e.g. {column[~listed].iloc[0]!r}",
                remedy="give each row a list, empty where no item is right",
            )
        lengths = column.map(len).to_numpy(np.int64)
        given = np.concatenate([np.empty(0, np.int64), *(np.asarray(value) for value in column if len(value))])
        ids = np.asarray(pd.to_numeric(pd.Series(given), errors="coerce"), np.float64)
        foreign = ~((ids >= 0) & (ids == np.floor(ids)) & (ids < (len(labels) if labels else np.inf)))
        if foreign.any():
            raise LabelError(
                f"task {task!r}: {int(foreign.sum())} labels are no positions of the item table, "
                f"e.g. {given[foreign][0]}",
                remedy="rebuild the examples with the item table of the same tables",
            )
        target_BP = np.full((len(column), int(lengths.max(initial=1))), PADDING, np.int64)
        target_BP[np.arange(target_BP.shape[1]) < lengths[:, None]] = ids.astype(np.int64)
        return target_BP

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        """log popularity of every item, shape (I,), one observation added to each: most items are never seen."""
        counts_I = target[target >= 0].bincount(minlength=num_outputs) + 1.0
        return (counts_I / counts_I.sum()).log()

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        """Multinomial likelihood over the candidates.

        Args:
            outputs_BO: corrected logits of the M candidates.
            target: weight of each candidate, shape (B, M): those of a row's positives are alike and sum to
                1 / log I, all others are 0.
        """
        return -(target * functional.log_softmax(outputs_BO, dim=-1)).sum(1)

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return outputs_BO.softmax(-1)

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        order = np.argsort(-scores_BO, axis=1, kind="stable")[:, :top]
        return ranked_answers(order, np.take_along_axis(scores_BO, order, 1), np.asarray(labels, dtype=object))

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        best = scores_BO.argmax(1)
        return np.asarray(labels, dtype=object)[best], scores_BO.max(1)


def ranked_answers(ranked_BK: np.ndarray, scores_BK: np.ndarray, ids_I: np.ndarray) -> list[dict[str, Any]]:
    """One JSON-ready answer per row of ranked item positions, best first."""
    return [
        {"items": [{"item_id": id_, "score": float(s)} for id_, s in zip(ids_I[best].tolist(), row, strict=True)]}
        for best, row in zip(ranked_BK, scores_BK, strict=True)
    ]
