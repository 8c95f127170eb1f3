"""Gate ``fairness``: the groups of a slice with ``max_gap`` may not lie further apart than that."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult, TaskEvaluation
from polymart.gates.base import decide, result, shown, with_interval


def fairness(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each slice with ``max_gap``."""
    for task in evaluation.tasks:
        for one in suite.task(task.task).slices:
            if one.max_gap is not None:
                yield _judge(task, one.name, one.max_gap, suite)


def _judge(task: TaskEvaluation, name: str, limit: float, suite: Suite) -> GateResult:
    """Pass iff the gap is within the limit, fail iff its lower bound exceeds it."""
    least = suite.gates.min_examples
    rule = f"gap in {task.metric} between best and worst group of {name} <= {limit:g}, groups of at least {least}"
    found = next((gap for gap in task.gaps if gap.slice == name), None)
    if found is None:
        cause = f"{task.task}: slice {name} has fewer than two groups of at least {least} examples, so no gap"
        return result("fairness", task.task, "inconclusive", float("nan"), rule, cause)
    outcome = decide(found.gap.value <= limit, found.lower_bound > limit)
    for_certain = "" if outcome == "fail" else f" (for certain only {shown(found.lower_bound)})"
    cause = (
        f"{task.task}: {task.metric} of {name}={found.worst} lies {with_interval(found.gap)}{for_certain} behind "
        f"{name}={found.best}; {shown(limit)} is allowed"
    )
    return result("fairness", task.task, outcome, found.gap.value, rule, cause, found.gap)
