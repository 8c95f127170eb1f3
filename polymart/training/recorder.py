"""Reads, checks and logs the numbers of the steps, one step late."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from polymart.errors import TrainingError
from polymart.training.data import TaskData
from polymart.training.log import TrainingLog
from polymart.training.schedule import Plan
from polymart.training.step import Outcome

SHOWN = 8
"""Example ids that an error names."""


class Readback:
    """Copies scalars to main memory without waiting; `read` waits only for the step that made them."""

    def __init__(self, numbers: Mapping[tuple[str, str], Tensor], device: torch.device) -> None:
        self.names = list(numbers)
        stacked = torch.stack([n.detach().to(device, torch.float64, non_blocking=True) for n in numbers.values()])
        self.host, self.copied = stacked, None
        if device.type == "cuda":
            self.host = torch.empty_like(stacked, device="cpu", pin_memory=True).copy_(stacked, non_blocking=True)
            self.copied = torch.cuda.Event()
            self.copied.record()

    def read(self) -> dict[str, dict[str, float]]:
        """The numbers by kind and name."""
        if self.copied is not None:
            self.copied.synchronize()
        found: dict[str, dict[str, float]] = {}
        for (kind, name), value in zip(self.names, self.host.tolist(), strict=True):
            found.setdefault(kind, {})[name] = value
        return found


class Recorder:
    """Fills a `TrainingLog`. No step waits for the device: its numbers are read while the next one runs."""

    def __init__(
        self,
        log: TrainingLog,
        data: Mapping[str, TaskData],
        device: torch.device,
        report: Callable[[int, dict[str, float]], None],
        processes: int = 1,
    ) -> None:
        self.log, self.data, self.device, self.report, self.processes = log, data, device, report, processes
        self.pending: tuple[Plan, Readback] | None = None
        self.restart_clock()

    def step(self, plan: Plan, outcome: Outcome, norm: Tensor | None) -> None:
        """Send the step's numbers on their way, after those of the step before were read.

        Args:
            plan: the step.
            outcome: what it saw.
            norm: the gradient's norm before clipping; None where mixed precision skips steps that overflow.
        """
        self.read()
        numbers = {("part", str(i)): part for i, part in enumerate(outcome.parts_G.unbind())}
        for curve, values in outcome.curves().items():
            numbers |= {(curve, name): value for name, value in values.items()}
        if norm is not None:
            numbers["gradient", "norm"] = norm
        self.pending = plan, Readback(numbers, self.device)

    def read(self) -> None:
        """Read and log the pending numbers, if any.

        Raises:
            TrainingError: a loss or the gradient's norm is no number.
        """
        if self.pending is None:
            return
        (plan, readback), self.pending = self.pending, None
        numbers = readback.read()
        self._check(plan, numbers.pop("part"), numbers.pop("gradient", {}).get("norm", 0.0))
        losses = numbers.pop("loss")
        self.log.loss.append({"step": plan.step, **losses})
        for curve, values in numbers.items():
            self.log.add(curve, plan.step, values)
        for draw in plan.draws:
            # This process counts the tokens of its own rows only.
            self._count(draw.task, len(draw.rows), draw.tokens * self.processes)
            self.log.micro_batches[draw.task] = self.log.micro_batches.get(draw.task, 0) + 1
        self.report(plan.step, losses)

    def _check(self, plan: Plan, parts: dict[str, float], norm: float) -> None:
        for part, draw in zip(parts.values(), plan.draws, strict=True):
            if not math.isfinite(part):
                ids = self.data[draw.task].frame["example_id"].iloc[draw.rows].astype(str).tolist()
                more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
                raise TrainingError(
                    f"loss of task {draw.task!r} became {part} at step {plan.step} "
                    f"in a micro-batch of the examples {', '.join(ids[:SHOWN])}{more}",
                    remedy="lower training.learning_rate, or look for broken inputs of that task",
                )
        if not math.isfinite(norm):
            raise TrainingError(
                f"the norm of the gradient became {norm} at step {plan.step} of {', '.join(plan.of_task())}",
                remedy="lower training.learning_rate, or limit each task with training.balancing.trunk_clip",
            )

    def _count(self, task: str, examples: int, tokens: int) -> None:
        self.examples[task] += examples
        self.tokens[task] += tokens
        self.log.examples += examples
        self.log.tokens += tokens

    def speed(self, step: int) -> None:
        """Log the speed since the clock was started."""
        seconds = max(time.monotonic() - self.since, 1e-9)
        for curve, counts in (("examples_per_s", self.examples), ("tokens_per_s", self.tokens)):
            self.log.add(curve, step, {name: count / seconds for name, count in counts.items()})

    def restart_clock(self) -> None:
        """Measure the speed from now on."""
        self.since, self.examples, self.tokens = time.monotonic(), Counter[str](), Counter[str]()
