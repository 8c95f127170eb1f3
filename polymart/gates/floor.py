"""Gate ``floor``: every task must beat what needs no model (the most frequent label, the last value, BM25 ...)."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.non_inferiority import hold_against


def floor(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task; ``margin`` of the task may put the floor lower."""
    for task in evaluation.tasks:
        yield hold_against(
            "floor",
            task,
            suite,
            reference=f"the floor {task.floor}",
            reference_score=task.floor_score,
            gain=task.gain,
            bound=task.gain_lower_bound,
            margin=suite.task(task.task).margin,
        )
