"""What the newest reports tell Prometheus. They are read anew at every scrape, so a restart loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from monitoring.entries import Ended, fold
from monitoring.ledger import LEDGER, Ledger
from monitoring.records import Action
from monitoring.report.found import FoundReport, find_reports, newest_by_suite
from monitoring.schema import TaskReport

HELP: dict[str, tuple[str, tuple[str, ...]]] = {
    "report_timestamp_seconds": ("When the newest report was written", ("suite",)),
    "newest_event_timestamp_seconds": ("Newest event that the newest report saw", ("suite",)),
    "decision": ("1 for the action decided last, with the task that it is about", ("suite", "action", "task")),
    "rows": ("Rows of the newest window", ("suite", "task")),
    "columns_judged": ("Columns compared in the newest window", ("suite", "task")),
    "columns_drifted": ("Columns that drifted in the newest window", ("suite", "task")),
    "quality_failures": ("Failed checks of the newest window's data", ("suite", "task")),
    "performance": ("Labelled performance of the newest window", ("suite", "task", "metric")),
    "performance_loss_ratio": ("Relative loss against the reference; a gain is negative", ("suite", "task", "metric")),
    "estimated_loss_ratio": ("Relative loss expected before labels arrive; a gain is negative",
                             ("suite", "task", "metric")),
    "signal_ratio": ("Distance of a signal over its threshold; from 1 it moved", ("suite", "task", "signal", "kind")),
    "column_drift_ratio": ("Distance of a column over its threshold; from 1 it drifted", ("suite", "task", "column")),
    "retraining_in_flight": ("Whether a retraining was submitted and has not ended", ("environment",)),
    "retraining_failed": ("Whether the last retraining that ended had failed", ()),
}  # fmt: skip
"""Every series, as ``polymart_<name>``: its help and its labels."""


class MonitoringCollector(Collector):
    """The newest report of each suite below a work folder, as gauges."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = {
            name: GaugeMetricFamily(f"polymart_{name}", text, labels=labels) for name, (text, labels) in HELP.items()
        }
        for suite, found in sorted(newest_by_suite(find_reports(self._work).found).items()):
            for name, labels, value in _of_report(found):
                families[name].add_metric([suite, *labels], value)
        for name, value in _of_ledgers(self._work):
            families[name].add_metric([], value)
        yield from (family for family in families.values() if family.samples)


_EPOCH = datetime(1970, 1, 1)
_Sample = tuple[str, tuple[str, ...], float]


def _of_report(found: FoundReport) -> Iterator[_Sample]:
    report, decision = found.report, found.report.decision
    yield "report_timestamp_seconds", (), found.written_s
    if report.newest_event:
        yield "newest_event_timestamp_seconds", (), (report.newest_event - _EPOCH).total_seconds()
    if decision:
        for action in get_args(Action):
            yield "decision", (action, decision.task), float(action == decision.action)
    for task in report.tasks:
        yield from _of_task(task)


def _of_task(task: TaskReport) -> Iterator[_Sample]:
    new = task.newest
    yield "rows", (task.name,), new.rows
    yield "columns_judged", (task.name,), len(new.judged)
    yield "columns_drifted", (task.name,), len(new.drifted)
    yield "quality_failures", (task.name,), len(new.failures)
    if new.performance:
        labels = (task.name, new.performance.metric)
        yield "performance", labels, new.performance.value
        yield "performance_loss_ratio", labels, new.performance.loss
    if new.estimate:
        yield "estimated_loss_ratio", (task.name, new.estimate.metric), new.estimate.loss
    for signal in new.signals:
        if signal.value is not None:
            yield "signal_ratio", (task.name, signal.title, signal.kind), signal.strength
    for column in new.judged:
        yield "column_drift_ratio", (task.name, column.name), column.strength


def _of_ledgers(work: Path) -> Iterator[tuple[str, float]]:
    ledgers = [Ledger(path.parent).entries() for path in sorted((work / "monitoring").glob(f"*/{LEDGER}"))]
    if ledgers:
        ended = [[entry for entry in entries if isinstance(entry, Ended)][-1:] for entries in ledgers]
        yield "retraining_in_flight", float(any(fold(entries).in_flight for entries in ledgers))
        yield "retraining_failed", float(any(not entry.succeeded for last in ended for entry in last))


def exposition(work: Path) -> str:
    """The metrics as text: what a scrape gets, and what a node exporter's textfile collector may read."""
    registry = CollectorRegistry()
    registry.register(MonitoringCollector(work))
    return generate_latest(registry).decode()
