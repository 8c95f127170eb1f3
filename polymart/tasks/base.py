"""What every kind of task provides: label encoding, output size, loss, decoding.

Shape suffixes: B examples, O head outputs, L labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.errors import LabelError


class TaskKind(ABC):
    """One kind of task. A new kind is one new file with one subclass, listed in `polymart.tasks.KINDS`."""

    name: str
    """The value of ``kind`` in a suite file."""

    @abstractmethod
    def num_outputs(self, labels: Sequence[str] | None) -> int:
        """How many numbers O the head emits for one example."""

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
        """Outputs on their natural scale (probabilities, units): what metrics and decoding read."""

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


def as_target(values: np.ndarray) -> Tensor:
    """A contiguous tensor that shares memory where it can."""
    return torch.from_numpy(np.ascontiguousarray(values))
