"""Gate ``slices``: no group of customers, products or texts may fall behind unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult, SliceEvaluation, TaskEvaluation
from polymart.gates.base import decide, result, shown, with_interval
from polymart.gates.holm import holm


def slices(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task with slices.

    It fails iff a group is worse than its reference by more than the margin after Holm's correction over all groups
    of the task that hold ``gates.min_examples`` examples. Smaller groups are reported and not judged.
    """
    for task in evaluation.tasks:
        if asked := [one.name for one in suite.task(task.task).slices]:
            yield _judge(task, asked, evaluation.resamples, suite)


def _judge(task: TaskEvaluation, asked: list[str], resamples: int, suite: Suite) -> GateResult:
    alpha, least = 1 - suite.gates.confidence, suite.gates.min_examples
    judged = [group for group in task.slices if group.num_examples >= least]
    adjusted = holm([group.p_value for group in judged])
    worst = min((p for p in adjusted if p >= 0), default=1.0)
    unsure = _unsure(task, asked, judged, resamples, alpha)
    worse = sorted(((p, group) for p, group in zip(adjusted, judged, strict=True) if p < alpha), key=lambda one: one[0])
    named = "; ".join(
        f"{task.metric} of {group.slice}={group.group} is {with_interval(group.score)}, {shown(abs(group.gain.value))} "
        f"worse than {group.reference} (Holm p {shown(p)})"
        for p, group in worse
    )
    return result(
        "slices",
        task.task,
        decide(not unsure and worst >= alpha, worst < alpha),
        worst,
        f"no group of at least {least} examples is significantly worse (Holm p < {alpha:.2g}); judged {len(judged)} of "
        f"{len(task.slices)} groups",
        f"{task.task}: {named or unsure}",
    )


def _unsure(task: TaskEvaluation, asked: list[str], judged: list[SliceEvaluation], resamples: int, alpha: float) -> str:
    """Why nothing worse was found though there may be something; empty where that cannot be."""
    if absent := sorted(set(asked) - {group.slice for group in task.slices}):
        return f"no group of slice {', '.join(absent)} was measured"
    if unknown := [f"{group.slice}={group.group}" for group in judged if not group.p_value >= 0]:
        return f"{task.metric} of {', '.join(unknown)} could not be compared"
    if len(judged) / (resamples + 1) >= alpha:  # the smallest p that so many resamples can give, after Holm
        return f"{resamples} resamples cannot show {task.metric} of any of {len(judged)} groups to be worse; raise them"
    return ""
