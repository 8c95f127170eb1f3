"""Gate ``integrity``: the checkpoint is whole, finite, and speaks of the labels and tasks that it was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.base import result

RULE = "no defect: files match their manifest, weights are finite, label maps are the data's, every task has a head"


def integrity(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One failure for each defect, else one pass; a task that was neither evaluated nor left out is inconclusive."""
    count = float(len(evaluation.defects))
    for defect in evaluation.defects:
        place = defect.task or "the checkpoint"
        yield result("integrity", defect.task, "fail", count, RULE, f"{place}: {defect.what}")
    if evaluation.defects:
        return
    known = {task.task for task in evaluation.tasks} | evaluation.skipped.keys()
    lost = [task.name for task in suite.tasks if task.name not in known]
    for name in lost:
        cause = f"{name}: it was neither evaluated nor left out with a reason, though the suite names it"
        yield result("integrity", name, "inconclusive", count, RULE, cause)
    if not lost:
        yield result("integrity", "", "pass", count, RULE, "")
