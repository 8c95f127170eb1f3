"""What each step is made of: a pure function of the seed and a few counters, the same in every process."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from polymart.balancing.sampling import TaskSampler
from polymart.model.batch import Batch
from polymart.training.data import MicroBatches, TaskData
from polymart.training.world import World


@dataclass(frozen=True)
class Draw:
    """One micro-batch of a step."""

    task: str
    rows: np.ndarray
    """Row positions in the task's training data, those of every process."""
    batch: Batch
    """Inputs of this process's share of the rows."""
    target: Tensor
    weight: float
    """0 where this process has no row of its own and repeats another's to stay in step."""
    tokens: int
    """Real tokens of ``batch``."""


@dataclass(frozen=True)
class Plan:
    """One step: its micro-batches, those of one task in a row."""

    step: int
    """From 1."""
    draws: list[Draw]
    counters: Mapping[str, int]
    """Micro-batches that each task has given, this step included: where the schedule goes on."""
    probabilities: Mapping[str, float]
    """Sampling probability of each task in this step."""

    def of_task(self) -> dict[str, list[Draw]]:
        """The micro-batches of each task of the step."""
        found: dict[str, list[Draw]] = {}
        for draw in self.draws:
            found.setdefault(draw.task, []).append(draw)
        return found

    def examples(self) -> Counter[str]:
        """Rows of each task in the whole step, on all processes."""
        return sum((Counter({draw.task: len(draw.rows)}) for draw in self.draws), Counter())


class Schedule:
    """Draws the tasks of each step and takes their next micro-batches."""

    def __init__(
        self, data: Mapping[str, TaskData], sampler: TaskSampler, micro_batches: int, seed: int, world: World
    ) -> None:
        self.data, self.sampler, self.micro_batches, self.world = data, sampler, micro_batches, world
        self.streams = {name: MicroBatches(part, seed) for name, part in data.items()}

    def plans(self, done: int, counters: Mapping[str, int], last: int) -> Iterator[Plan]:
        """The plans after step ``done`` up to step ``last``."""
        taken = Counter(counters)
        self.sampler.step = done
        for step in range(done + 1, last + 1):
            probabilities = self.sampler.probabilities()
            drawn = Counter(self.sampler.draw(self.micro_batches))
            draws = []
            for name, count in drawn.items():
                draws += [self._take(name, taken[name] + i) for i in range(count)]
                taken[name] += count
            yield Plan(step, draws, dict(taken), probabilities)

    def _take(self, name: str, number: int) -> Draw:
        data, rows = self.data[name], self.streams[name][number]
        mine, weight = data.share(rows, number, self.world)
        batch, target = data.take(mine, number)
        tokens = 0 if batch.mask_UT is None else int(batch.mask_UT.sum())
        return Draw(name, rows, batch, target, weight, tokens)


@contextmanager
def made_ahead(plans: Iterator[Plan], depth: int = 2) -> Iterator[Iterator[Plan]]:
    """Let a thread make the next ``depth`` plans, so that an accelerator does not wait for collation."""
    made: queue.Queue[Plan | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Plan | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            if all(map(put, plans)):
                put(None)
        except BaseException as error:  # it ends the training, in the thread that trains
            put(error)

    def take() -> Iterator[Plan]:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=work, name="collation", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stopped.set()
        thread.join()
