"""Gate ``bar``: a task whose suite names a value of the metric must reach it for certain."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult, TaskEvaluation
from polymart.gates.base import decide, result, scored, shown, too_few


def bar(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task with a ``bar``.

    It passes iff the one-sided bound of the metric reaches the bar, and fails iff even the better end of the
    interval does not.
    """
    for task in evaluation.tasks:
        limit = suite.task(task.task).bar
        if limit is not None:
            yield _judge(task, limit, suite)


def _judge(task: TaskEvaluation, limit: float, suite: Suite) -> GateResult:
    few, bound = too_few(task, suite), float("nan") if task.score_bound is None else task.score_bound
    if task.greater_is_better:
        side, sign, outcome = "lower", ">=", decide(bound >= limit, task.score.high < limit)
        asked = f"at least {shown(limit)}"
    else:
        side, sign, outcome = "upper", "<=", decide(bound <= limit, task.score.low > limit)
        asked = f"at most {shown(limit)}"
    missed = "misses its bar" if outcome == "fail" else f"may miss its bar, it is sure of {shown(bound)} only"
    return result(
        "bar",
        task.task,
        "inconclusive" if few else outcome,
        bound,
        f"{suite.gates.confidence:.0%} {side} bound of {task.metric} {sign} {limit:g} on at least "
        f"{suite.gates.min_examples} examples (found {task.num_examples})",
        few or f"{scored(task)} {missed}; {asked} is asked for",
        task.score,
    )
