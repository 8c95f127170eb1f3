"""Ranking: how relevant is a row to its query, in grades 0..3? Three logits, one for each step of the grade.

Logit k asks whether the grade is above k (Frank & Hall 2001): an ordinal loss, for which a complement is nearer to an
irrelevant product than an exact match is. The loss is the mean binary cross-entropy in units of log 2, so that a
head that knows nothing starts at 1. The score is the expected gain, by which the rows of a query are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from polymart.config import Task
from polymart.errors import LabelError, SuiteError
from polymart.tasks.probability import LogitKind

GRADES = ("irrelevant", "complement", "substitute", "exact")
"""What the grades 0..3 mean."""
GAIN_STEPS = (1 / 7, 2 / 7, 4 / 7)
"""What each step adds to the gain (2^grade - 1) / 7, which goes from 0 (irrelevant) to 1 (exact)."""


class Ranking(LogitKind):
    """Labels are grades 0..3 of rows that belong to a query (``task.group``); the score is the expected gain."""

    name = "ranking"

    def num_outputs(self, labels: Sequence[str] | None) -> int:
        return len(GAIN_STEPS)

    def num_scores(self, labels: Sequence[str] | None) -> int:
        return 1

    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float32)
        foreign = ~np.isin(values, range(len(GRADES)))
        if foreign.any():
            raise LabelError(
                f"task {task!r}: {int(foreign.sum())} labels are not grades 0..3, e.g. {column[foreign].iloc[0]!r}",
                remedy=f"map the label column to {', '.join(f'{i} ({name})' for i, name in enumerate(GRADES))}",
            )
        return values

    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        return torch.logit(_steps(target).mean(0), eps=1e-4)

    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        return self.in_units(functional.binary_cross_entropy_with_logits(outputs_BO, _steps(target), reduction="none"))

    def in_units(self, nats_BO: Tensor) -> Tensor:
        return nats_BO.mean(1) / math.log(2)

    def probabilities(self, logits_BO: Tensor) -> Tensor:
        return logits_BO.sigmoid()

    def activate(self, outputs_BO: Tensor) -> Tensor:
        return self.probabilities(outputs_BO) @ outputs_BO.new_tensor(GAIN_STEPS)[:, None]

    def metric_label(self, frame: pd.DataFrame, task: Task, labels: Sequence[str] | None) -> np.ndarray:
        """Grade and query number of each row, shape (B, 2).

        Raises:
            SuiteError: rows of one query lie in several clusters, which a cluster bootstrap would tear apart.
        """
        grade = self.encode_labels(frame[task.label], labels, task.name)
        clusters = frame.groupby(task.group)[task.cluster].nunique() if task.cluster != task.group else pd.Series([1])
        if (clusters > 1).any():
            raise SuiteError(
                f"task {task.name!r}: {int((clusters > 1).sum())} queries lie in several clusters {task.cluster!r}",
                remedy=f"use the query column {task.group!r} as cluster, or one that is constant within a query",
            )
        return np.stack([grade, pd.factorize(frame[task.group])[0]], 1)

    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        return [{"score": float(score)} for score in scores_BO[:, 0]]

    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        return scores_BO[:, 0], scores_BO[:, 0]


def _steps(grade_B: Tensor) -> Tensor:
    """Whether the grade is above 0, 1 and 2, as 0 or 1, shape (B, 3)."""
    return (grade_B[:, None] > torch.arange(len(GAIN_STEPS), device=grade_B.device)).float()
