"""Gate ``calibration``: probabilities must come true about as often as they say."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Calibration, Evaluation, GateResult, TaskEvaluation
from polymart.gates.base import decide, result, shown, too_few, with_interval


def calibration(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task that predicts probabilities, where ``gates.calibration_error`` is set."""
    limit = suite.gates.calibration_error
    if limit is None:
        return
    for task in evaluation.tasks:
        if task.calibration is not None:
            yield _judge(task, task.calibration, limit, suite)


def _judge(task: TaskEvaluation, found: Calibration, limit: float, suite: Suite) -> GateResult:
    """Pass iff the error is within the limit, fail iff even its lower end is not.

    The point decides, not the upper end: chance moves every bin of a sample away from its confidence, so the error of
    the sample is larger than the head's already.
    """
    few = too_few(task, suite)
    return result(
        "calibration",
        task.task,
        "inconclusive" if few else decide(found.error.value <= limit, found.error.low > limit),
        found.error.value,
        f"expected calibration error <= {limit:g} on at least {suite.gates.min_examples} examples "
        f"(found {task.num_examples})",
        few
        or f"{task.task}: expected calibration error {with_interval(found.error)} after scaling with temperature "
        f"{shown(found.temperature)}; {shown(limit)} is allowed",
        found.error,
    )
