"""Training rows in memory and the order in which their homogeneous, length-bucketed micro-batches come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.inputs import Collator
from polymart.model.items import Items
from polymart.tasks import TargetStatistics, TaskKind, kind_of
from polymart.training.candidates import Candidates
from polymart.training.world import World

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
    candidates: Candidates | None = None
    """Draws the items that a retrieval task's rows are scored against."""
    learned: TargetStatistics = field(default_factory=TargetStatistics)
    """What the kind learned from the training labels."""
    labels: list[str] | None = None

    @property
    def kind(self) -> TaskKind:
        """The task's kind, bound to what it learned."""
        return kind_of(self.task.kind).bind(self.task, self.learned)

    @classmethod
    def of(
        cls,
        task: Task,
        frame: pd.DataFrame,
        labels: list[str] | None,
        collate: Collator,
        items: Items | None = None,
        learned: TargetStatistics | None = None,
    ) -> TaskData:
        """Encode labels and text lengths of ``frame``.

        Args:
            task: the task.
            frame: rows of one split.
            labels: the label map.
            collate: makes the inputs.
            items: the catalogue of a retrieval task.
            learned: what the kind learned from the training rows; none where ``frame`` is the training rows.

        Raises:
            LabelError: a label stands outside the label map.
        """
        frame = frame.reset_index(drop=True)
        collate.remember(frame)
        target = torch.from_numpy(
            np.ascontiguousarray(kind_of(task.kind).encode_labels(frame[task.label], labels, task.name))
        )
        candidates = None if items is None else Candidates.of(items, target, task)
        learned = learned or kind_of(task.kind).fit(target)
        return cls(task, frame, target, collate.lengths(frame), collate, candidates, learned, labels)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray, draw: int = 0) -> tuple[Batch, Tensor]:
        """Inputs and targets of the given row positions.

        Args:
            rows: positions of B rows.
            draw: which draw of candidates this is: the number of the micro-batch, so that training resumes exactly.
        """
        batch, target = self.collate(self.frame.iloc[rows]), self.target[torch.from_numpy(rows)]
        return (batch, target) if self.candidates is None else self.candidates.add_to(batch, target, draw)

    def share(self, rows: np.ndarray, number: int, world: World) -> tuple[np.ndarray, float]:
        """The rows that this process takes of micro-batch ``number``, and their weight (see `World.share`).

        Rows that are scored against candidates drawn for all of them stay together.
        """
        return world.share(rows, whole=None if self.candidates is None else number)

    def in_order(self, batch_size: int) -> Iterator[np.ndarray]:
        """Positions of every row once, batched by similar length."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]


class MicroBatches:
    """Row positions of a task's micro-batches: a pure function of (seed, number), so a counter is all its state.

    Each epoch is one seeded permutation, bucketed by length.
    """

    def __init__(self, data: TaskData, seed: int) -> None:
        self.data, self.seed = data, seed
        size = data.task.micro_batch
        self.pools = [slice(i, i + size * BUCKET) for i in range(0, len(data), size * BUCKET)]
        self.per_epoch = sum(-(-len(range(len(data))[pool]) // size) for pool in self.pools)
        self._epoch, self._batches = 0, self._shuffled(0)

    def __getitem__(self, number: int) -> np.ndarray:
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        return self._batches[place]

    def _shuffled(self, epoch: int) -> list[np.ndarray]:
        generator, size = np.random.default_rng([self.seed, epoch]), self.data.task.micro_batch
        order, batches = generator.permutation(len(self.data)), []
        for pool in self.pools:
            rows = order[pool]
            rows = rows[np.argsort(self.data.lengths[rows], kind="stable")]
            batches += [rows[i : i + size] for i in range(0, len(rows), size)]
        return [batches[i] for i in generator.permutation(len(batches))]
