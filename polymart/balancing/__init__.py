"""How tasks share one optimiser: weights (one file per method), sampling and clipping."""

from __future__ import annotations

from collections.abc import Sequence

from polymart.balancing.base import Balancer
from polymart.balancing.dwa import DynamicWeightAverage
from polymart.balancing.famo import Famo
from polymart.balancing.pcgrad import PCGrad
from polymart.balancing.static import Static
from polymart.balancing.uncertainty import Uncertainty
from polymart.config import Balancing, Task


def make_balancer(settings: Balancing, tasks: Sequence[Task], seed: int) -> Balancer:
    """The balancer of ``settings.method`` for ``tasks``; ``seed`` fixes what a method draws at random."""
    match settings.method:
        case "static":
            return Static(tasks)
        case "uncertainty":
            return Uncertainty(tasks, settings.learning_rate)
        case "dwa":
            return DynamicWeightAverage(tasks)
        case "famo":
            return Famo(tasks, settings.learning_rate)
        case "pcgrad":
            return PCGrad(tasks, seed)


__all__ = ["Balancer", "make_balancer"]
