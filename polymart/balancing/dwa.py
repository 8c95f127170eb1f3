"""Dynamic weight average (Liu et al. 2019, 1803.10704)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from polymart.balancing.base import Balancer, softmax
from polymart.config import Task

TEMPERATURE = 2.0
"""T of the paper; a larger one makes the weights more alike."""


class DynamicWeightAverage(Balancer):
    """Favours tasks whose loss falls slowly::

        lambda_k = K softmax_k(r / T),   r_k = mean loss of epoch e-1 / mean loss of epoch e-2

    An epoch ends at each validation; the weights are uniform for the first two. A task that was not drawn in an
    epoch keeps its mean, so that its r is 1. TorchJD's ``DWA`` has the same formula, but needs all tasks in every
    step and keeps its history out of its ``state_dict``.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__(tasks)
        self.rate = dict.fromkeys(self.weights, 1.0)
        self.mean: dict[str, float] = {}
        self.total = dict.fromkeys(self.weights, 0.0)
        self.steps = dict.fromkeys(self.weights, 0)

    def factor(self, task: str, losses: Mapping[str, float]) -> float:
        return len(self.rate) * softmax({name: rate / TEMPERATURE for name, rate in self.rate.items()})[task]

    def update(self, before: Mapping[str, Tensor], after: Mapping[str, Tensor] | None = None) -> None:
        for name, loss in before.items():
            self.total[name] += float(loss)
            self.steps[name] += 1

    def end_epoch(self) -> None:
        self.rate = dict.fromkeys(self.weights, 1.0)
        for name, steps in self.steps.items():
            if steps:
                mean = self.total[name] / steps
                earlier = self.mean.get(name, mean)
                # After a mean of 0 there is no rate: such a task counts as one that stands still.
                self.rate[name] = mean / earlier if earlier else 1.0
                self.mean[name] = mean
        self.total = dict.fromkeys(self.weights, 0.0)
        self.steps = dict.fromkeys(self.weights, 0)

    def state_dict(self) -> dict[str, Any]:
        return {"rate": dict(self.rate), "mean": dict(self.mean), "total": dict(self.total), "steps": dict(self.steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        # In the order of the tasks, on which the last bit of a sum depends.
        self.rate = {name: state["rate"][name] for name in self.weights}
        self.mean, self.total, self.steps = dict(state["mean"]), dict(state["total"]), dict(state["steps"])
