"""Training rows in memory and the stream of homogeneous, length-bucketed micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.inputs import Collator
from polymart.tasks import kind_of

BUCKET = 16
"""Micro-batches whose rows are sorted by length together before they are cut: less padding, still random."""


@dataclass(frozen=True)
class TaskData:
    """One split of one task."""

    task: Task
    frame: pd.DataFrame
    target: Tensor
    lengths: np.ndarray
    collate: Collator

    @classmethod
    def of(cls, task: Task, frame: pd.DataFrame, labels: list[str] | None, collate: Collator) -> TaskData:
        """Encode labels and text lengths of ``frame``.

        Raises:
            LabelError: a label stands outside the label map.
        """
        frame = frame.reset_index(drop=True)
        target = torch.from_numpy(
            np.ascontiguousarray(kind_of(task.kind).encode_labels(frame[task.label], labels, task.name))
        )
        return cls(task, frame, target, collate.lengths(frame), collate)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> tuple[Batch, Tensor]:
        """Inputs and targets of the given row positions."""
        return self.collate(self.frame.iloc[rows]), self.target[torch.from_numpy(rows)]

    def in_order(self, batch_size: int) -> Iterator[tuple[Batch, Tensor]]:
        """Every row once, batched by similar length."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            yield self.take(order[start : start + batch_size])


def micro_batches(data: TaskData, seed: int) -> Iterator[np.ndarray]:
    """Endless row positions of micro-batches: each epoch is one seeded permutation, bucketed by length."""
    size, epoch = data.task.micro_batch, 0
    while True:
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(len(data))
        batches: list[np.ndarray] = []
        for start in range(0, len(order), size * BUCKET):
            pool = order[start : start + size * BUCKET]
            pool = pool[np.argsort(data.lengths[pool], kind="stable")]
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        yield from (batches[i] for i in generator.permutation(len(batches)))
        epoch += 1
