"""Gate ``leakage``: nothing may give the label away."""

from __future__ import annotations

import math
from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult, LeakageFinding, TaskEvaluation
from polymart.gates.base import decide, result, shown


def leakage(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each task and probe, where ``gates.leakage`` is set; it fails iff a finding leaks."""
    if not suite.gates.leakage:
        return
    for task in evaluation.tasks:
        probes = dict.fromkeys(finding.probe for finding in task.leakage)
        for probe in probes:
            yield _judge(task, [finding for finding in task.leakage if finding.probe == probe])
        if not probes and task.kind != "retrieval":  # of a catalogue's items alone there may be nothing to search
            yield result(
                "leakage",
                task.task,
                "inconclusive",
                float("nan"),
                "labels are searched for leaks",
                f"{task.task}: no search for a label that is given away ran",
            )


def _judge(task: TaskEvaluation, found: list[LeakageFinding]) -> GateResult:
    leaks = [finding for finding in found if finding.leaks]
    unknown = [finding for finding in found if math.isnan(finding.number)]
    shown_ones = leaks or unknown or found
    cause = "; ".join(f"found {shown(one.number)}, asked for is: {one.rule}" for one in shown_ones)
    return result(
        "leakage",
        task.task,
        decide(not leaks and not unknown, bool(leaks)),
        shown_ones[0].number,
        shown_ones[0].rule,
        f"{task.task}: {found[0].probe.replace('_', ' ')} gives the label away: {cause}"
        if leaks
        else f"{task.task}: {found[0].probe.replace('_', ' ')} could not be measured: {cause}",
    )
