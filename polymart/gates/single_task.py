"""Gate ``single_task``: no task may pay for what the others gain; each is held against a model of its own."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.base import result, scored
from polymart.gates.non_inferiority import hold_against


def single_task(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task where ``gates.single_task`` asks for it; a model that is absent is inconclusive."""
    if not suite.gates.single_task:
        return
    for task in evaluation.tasks:
        if task.single_task is None:
            yield result(
                "single_task",
                task.task,
                "inconclusive",
                float("nan"),
                "a single-task model of each task is trained and compared",
                f"{scored(task)} was not compared: its single-task model is absent",
            )
            continue
        yield hold_against(
            "single_task",
            task,
            suite,
            reference="the single-task model",
            reference_score=task.single_task.score,
            gain=task.single_task.gain,
            bound=task.single_task.gain_lower_bound,
            margin=task.single_task.margin,
        )
