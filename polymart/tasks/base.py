"""What every kind of task provides: label encoding, output size, loss, decoding.

A kind says nothing of inputs: text, a second text, a picture, numbers, categories all work with every kind.

Shape suffixes: B examples, O head outputs, S scores, L labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from polymart.config import Task
from polymart.errors import LabelError


class TargetStatistics(BaseModel):
    """What a kind learned from labels; the checkpoint keeps it beside the head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = 0.0
    """Mean training label (regression)."""
    scale: float = 1.0
    """Deviation of the training labels (regression), or the loss of their base rates (tagging)."""
    temperature: float = 1.0
    """What logits are divided by before they become probabilities, chosen on validation rows."""
    thresholds: list[float] | None = None
    """Score from which each label applies (tagging), chosen on validation rows."""


class TaskKind(ABC):
    """One kind of task. A new kind is one new file with one subclass, listed in `polymart.tasks.KINDS`."""

    name: str
    """The value of ``kind`` in a suite file."""

    def fit(self, target: Tensor) -> TargetStatistics:
        """What this kind must know of the training labels; nothing for most kinds."""
        return TargetStatistics()

    def bind(self, task: Task, statistics: TargetStatistics) -> TaskKind:
        """This kind with the settings of ``task`` and what was learned from its labels."""
        return self

    @abstractmethod
    def num_outputs(self, labels: Sequence[str] | None) -> int:
        """How many numbers O the head emits for one example."""

    def num_scores(self, labels: Sequence[str] | None) -> int:
        """How many scores S `activate` makes of them."""
        return self.num_outputs(labels)

    @abstractmethod
    def encode_labels(self, column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
        """Labels as an array whose first dimension is B.

        Raises:
            LabelError: a label stands outside the label map.
        """

    @abstractmethod
    def base_outputs(self, target: Tensor, num_outputs: int) -> Tensor:
        """Raw outputs, shape (O,), that predict the same base rate for every example of ``target``."""

    @abstractmethod
    def loss(self, outputs_BO: Tensor, target: Tensor) -> Tensor:
        """Unit-scaled loss of each example, shape (B,): an uninformed head starts near 1."""

    @abstractmethod
    def activate(self, outputs_BO: Tensor) -> Tensor:
        """Scores on their natural scale (probabilities, units), shape (B, S): what metrics and decoding read."""

    def metric_label(self, frame: pd.DataFrame, task: Task, labels: Sequence[str] | None) -> np.ndarray:
        """The labels of ``frame`` as metrics want them, first dimension B."""
        return self.encode_labels(frame[task.label], labels, task.name)

    def metric_scores(self, scores_BS: np.ndarray) -> np.ndarray:
        """The scores as metrics want them, shape (B, S)."""
        return scores_BS

    @abstractmethod
    def decode(self, scores_BO: np.ndarray, labels: Sequence[str] | None, top: int = 10) -> list[dict[str, Any]]:
        """One JSON-ready answer per example."""

    @abstractmethod
    def summary(self, scores_BO: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        """The columns ``prediction`` and ``score`` of the predictions table, each of length B."""


def label_indices(column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
    """Positions of string labels in the label map.

    Raises:
        LabelError: naming the task, the foreign labels, their count and up to three rows.
    """
    position = {label: index for index, label in enumerate(labels or ())}
    indices = column.map(position)
    foreign = indices.isna()
    if foreign.any():
        names = ", ".join(map(repr, column[foreign].astype(str).unique()[:3]))
        rows = ", ".join(map(str, column.index[foreign][:3]))
        raise LabelError(
            f"task {task!r}: {int(foreign.sum())} labels are outside the label map of {len(position)} names: "
            f"{names} (rows {rows})",
            remedy="correct the labels, or add the new names to the label map and train again",
        )
    return indices.to_numpy(np.int64)


def label_matrix(column: pd.Series, labels: Sequence[str] | None, task: str) -> np.ndarray:
    """Lists of label positions as zeros and ones, shape (B, L); an empty list is a row of zeros.

    Raises:
        LabelError: a value is no list (a missing label is not "no label"), or an id lies outside the label map.
    """
    count = len(labels or ())
    listed = column.map(pd.api.types.is_list_like).to_numpy(bool)
    if not listed.all():
        raise LabelError(
            f"task {task!r}: {int((~listed).sum())} labels are not lists of label ids, "
            f"e.g. {column[~listed].iloc[0]!r}",
            remedy="give each row a list, empty where nothing applies",
        )
    rows = np.repeat(np.arange(len(column)), column.map(len).to_numpy(np.int64))
    given = np.concatenate([np.empty(0, np.int64), *(np.asarray(value) for value in column if len(value))])
    ids = np.asarray(pd.to_numeric(pd.Series(given), errors="coerce"), np.float64)
    foreign = ~((ids >= 0) & (ids < count) & (ids == np.floor(ids)))
    if foreign.any():
        raise LabelError(
            f"task {task!r}: {int(foreign.sum())} label ids lie outside 0..{count - 1}, e.g. {given[foreign][0]}",
            remedy="rebuild the examples with the label map of the same tables",
        )
    target = np.zeros((len(column), count), np.float32)
    target[rows, ids.astype(np.int64)] = 1.0
    return target


def as_target(values: np.ndarray) -> Tensor:
    """A contiguous tensor that shares memory where it can."""
    return torch.from_numpy(np.ascontiguousarray(values))
