"""One monitoring pass: drift, then for every window that is due a decision, a report and a line in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring.decision import ROLLBACK_COMMAND, decide
from monitoring.drift import detect_drift
from monitoring.entries import Decided, Entry, fold
from monitoring.ledger import Ledger, decisions, recall
from monitoring.records import Decision
from monitoring.report import write_report
from monitoring.schema import DriftReport
from monitoring.signals.sources import Sources
from monitoring.summaries import PreviousPerformance, as_of, summarise
from polymart.config import Suite
from polymart.files import digest_text

NO_EVENTS = datetime(1970, 1, 1)
"""The clock of a report without any event."""
WINDOWS = "windows"


def run_monitoring(
    examples: Path,
    predictions: Path,
    suite: Suite,
    out: Path,
    data_origin: Mapping[str, str],
    submit_command: str = "",
    rollback_command: str = ROLLBACK_COMMAND,
    *,
    release: str = "",
    ledger: Ledger | None = None,
    previous: PreviousPerformance | None = None,
    sources: Sources | None = None,
    references: Path | None = None,
    clock: datetime | None = None,
) -> Decision:
    """Compare, decide, report. A second pass over the same inputs writes the same bytes and repeats the decision.

    Windows that ended since the last pass are decided first, in order, each as if the pass had come at its end; their
    reports go to ``windows/<last day>/``. Only the newest decision is acted on.

    Args:
        examples: folder of ``<task>.parquet`` example tables.
        predictions: folder of ``<task>.parquet`` prediction tables.
        suite: tasks and monitoring policy.
        out: folder for ``report.html``, ``report.json``, ``decision.json`` and ``evidently/``.
        data_origin: task to origin (``real``, ``synthetic`` ...), shown in the report.
        submit_command: the retraining command; ``{data_digest}`` in it becomes the data's digest.
        rollback_command: shown where a rollback is due.
        release: what is watched.
        ledger: earlier decisions and retrainings; None decides without history and keeps none.
        previous: asked for the previous release's performance where the present one misses its gate; without it
            nothing is rolled back.
        sources: what signals read beside the tables.
        references: folder of the release's reference profiles; see `detect_drift`.
        clock: the wall clock, naive UTC, for quiet hours and holds; event time where it is not given.

    Returns:
        The newest decision.

    Raises:
        MonitoringError: tables or ledger break their contract.
        StorageError: ``out`` or the ledger cannot be written.
    """
    with ledger.passing() if ledger else nullcontext():
        report = detect_drift(
            examples, predictions, suite, out, data_origin=data_origin, sources=sources, references=references
        )
        commands = {
            "command": submit_command.replace("{data_digest}", report.data_digest),
            "rollback_command": rollback_command,
        }
        desk = _Desk(suite, release, commands, ledger, previous, clock)
        for end in desk.missed(report):
            desk.settle(as_of(report, end), out / WINDOWS / f"{end:%Y-%m-%d}")
        return desk.settle(report, out)


@dataclass(frozen=True)
class _Desk:
    """Where the windows of one pass are decided, one after the other."""

    suite: Suite
    release: str
    commands: Mapping[str, str]
    ledger: Ledger | None
    previous: PreviousPerformance | None
    clock: datetime | None

    def missed(self, report: DriftReport) -> list[datetime]:
        """Ends of the windows that closed since the last decision; none before the first."""
        taken = decisions(self.ledger.entries()) if self.ledger else []
        if not taken or report.newest_event is None:
            return []
        last = max(entry.decision.decided_at for entry in taken)
        ends = {window.end for task in report.tasks for window in task.windows}
        return sorted(end for end in ends if last < end < report.newest_event)

    def settle(self, report: DriftReport, out: Path) -> Decision:
        """Decide, or repeat what was decided on these inputs; write the report, then the ledger."""
        entries = self.ledger.entries() if self.ledger else []
        inputs = digest_text(f"{self.release}\n{report.inputs_digest}")
        place, taken = recall(entries, inputs, report.newest_event or NO_EVENTS)
        # a retraining that was due and held back is asked about again: what held it back may be over
        decision = taken if taken and not taken.blocked_by else self._decide(report, entries)
        # A crash between the two writes decides again, to the same end.
        before = entries[:place] if decision == taken else entries
        write_report(report.model_copy(update={"decision": decision, "log": tuple(before)}), out)
        if self.ledger and decision != taken:
            self.ledger.append(Decided(release=self.release, inputs_digest=inputs, decision=decision))
        return decision

    def _decide(self, report: DriftReport, entries: list[Entry]) -> Decision:
        return decide(
            summarise(report, self.suite, self.previous),
            self.suite.monitoring,
            fold(entries),
            report.newest_event or NO_EVENTS,
            clock=self.clock,
            **self.commands,
        )
