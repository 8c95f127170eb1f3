"""One monitoring pass: drift, decision, report, ledger."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from monitoring.decision import decide
from monitoring.drift import detect_drift
from monitoring.ledger import load_state, locked, recall, record
from monitoring.records import Decision, WindowSummary
from monitoring.report import write_report
from monitoring.schema import DriftReport, TaskReport
from polymart.config import Suite

_NO_EVENTS = datetime(1970, 1, 1)  # the clock of a report without any event


class ReleaseGate(BaseModel):
    """What is known of a task's releases on the newest window, in the unit of the window's own metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: float
    """The value that labelled performance must reach."""
    previous_performance: float | None = None
    """The previous release's performance on the newest window; None where unknown: then no rollback."""


def summarise(task: TaskReport, data_digest: str, gate: ReleaseGate | None = None) -> list[WindowSummary]:
    """A task's windows as `decide` reads them; the gate concerns the newest only."""
    return [
        WindowSummary(
            task=task.name,
            start=window.start,
            end=window.end,
            num_columns=len(window.judged),
            num_drifted=len(window.drifted),
            failures=window.failures,
            data_digest=data_digest,
            performance=window.performance.value if window.performance else None,
            higher_is_better=window.performance.higher_is_better if window.performance else True,
            gate=gate.gate if gate and window is task.newest else None,
            previous_performance=gate.previous_performance if gate and window is task.newest else None,
        )
        for window in task.windows
    ]


def run_monitoring(
    examples: Path,
    predictions: Path,
    suite: Suite,
    out: Path,
    data_origin: Mapping[str, str],
    submit_command: str,
    state_file: Path | None = None,
    *,
    gates: Mapping[str, ReleaseGate] | None = None,
) -> Decision:
    """Compare, decide, report. A second pass over the same inputs writes the same bytes and repeats the decision.

    Args:
        examples: folder of ``<task>.parquet`` example tables.
        predictions: folder of ``<task>.parquet`` prediction tables.
        suite: tasks and monitoring policy.
        out: folder for ``report.html``, ``report.json``, ``decision.json`` and ``evidently/``.
        data_origin: task to origin (``real``, ``synthetic`` ...), shown in the report.
        submit_command: the retraining command; ``{data_digest}`` in it becomes the data's digest.
        state_file: ``state.json`` of the state folder; None decides without history and keeps none.
        gates: task to what is known of its releases; tasks without one are never rolled back.

    Raises:
        MonitoringError: tables or state break their contract.
        StorageError: ``out`` or the state folder cannot be written.
    """
    report = detect_drift(examples, predictions, suite, out, data_origin=data_origin)
    command = submit_command.replace("{data_digest}", report.data_digest)
    with locked(state_file) if state_file else nullcontext():
        decision = recall(state_file, report.inputs_digest) if state_file else None
        if decision is None:
            decision = _decide(report, suite, state_file, command, gates or {})
        # The report is written before the ledger: a crash between the two decides again, to the same end.
        write_report(report.model_copy(update={"decision": decision}), out)
        if state_file:
            record(state_file, report.inputs_digest, decision)
    return decision


def _decide(
    report: DriftReport, suite: Suite, state_file: Path | None, command: str, gates: Mapping[str, ReleaseGate]
) -> Decision:
    history = [
        summary for task in report.tasks for summary in summarise(task, report.data_digest, gates.get(task.name))
    ]
    return decide(history, suite.monitoring, load_state(state_file), report.newest_event or _NO_EVENTS, command=command)
