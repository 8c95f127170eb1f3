"""The ledger as a person reads it: decisions, retrainings, outcomes and holds, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from monitoring.entries import Claimed, Decided, Ended, Entry, Held, Lifted, Started
from monitoring.records import Decision
from monitoring.schema import DriftReport


class LogRow(NamedTuple):
    """One line of the log."""

    at: datetime
    what: str
    detail: str
    tone: str = ""
    """CSS class; empty for the usual colour."""


def log_rows(report: DriftReport) -> list[LogRow]:
    """What was decided and what came of it, newest first, this report's decision among it."""
    earlier = [_row(entry) for entry in report.log]
    return [*([_decided(report.decision)] if report.decision else []), *reversed(earlier)]


def _decided(decision: Decision) -> LogRow:
    return LogRow(decision.decided_at, f"decided: {decision.action}", decision.reasons[0], decision.action)


def _row(entry: Entry) -> LogRow:
    match entry:
        case Decided():
            return _decided(entry.decision)
        case Claimed():
            return LogRow(entry.at, "retraining claimed", f"{entry.run}, because of {entry.task}")
        case Started():
            return LogRow(entry.at, "retraining started", " ".join(filter(None, (entry.run, entry.run_id, entry.url))))
        case Ended():
            outcome = f"released {entry.release}" if entry.release else entry.error or "no release came of it"
            tone = "" if entry.succeeded else "rollback"
            return LogRow(entry.at, f"retraining ended: {entry.state}", f"{entry.run}: {outcome}", tone)
        case Held():
            hold = entry.hold
            return LogRow(entry.at, f"held by {hold.by}", f"until {hold.until:%Y-%m-%d %H:%M}: {hold.reason}")
        case Lifted():
            return LogRow(entry.at, f"hold lifted by {entry.by}", "")
