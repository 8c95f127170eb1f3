"""Gate ``champion``: no task may be worse than in the release that runs now."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.base import result
from polymart.gates.non_inferiority import hold_against


def champion(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task that the champion has, and one that names those which it lacks."""
    if not (suite.gates.champion and evaluation.champion):
        return
    for task in evaluation.tasks:
        if task.champion is None:
            continue
        name = f"the champion {task.champion.name}"
        if task.champion.checkpoint == evaluation.checkpoint:
            # A model is as good as itself, even where a relative margin is 0.
            yield result("champion", task.task, "pass", 0.0, f"the candidate is {name} itself", "")
            continue
        yield hold_against(
            "champion",
            task,
            suite,
            reference=name,
            reference_score=task.champion.score,
            gain=task.champion.gain,
            bound=task.champion.gain_lower_bound,
            margin=task.champion.margin,
        )
    new = [task.task for task in evaluation.tasks if task.champion is None]
    if new:
        rule = f"passed over, since the champion {evaluation.champion} has no such task: {', '.join(new)}"
        yield result("champion", "", "pass", float(len(new)), rule, "")
