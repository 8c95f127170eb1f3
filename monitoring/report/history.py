"""The history page: every task's windows on one time axis, decisions marked, links to the reports."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from monitoring.records import Decision
from monitoring.report.found import FoundReport, find_reports
from monitoring.report.log import LogRow, log_rows
from monitoring.report.render import environment
from monitoring.schema import WindowReport
from polymart.files import atomic_path

HISTORY = "monitoring/history.html"
"""Below a work folder."""
_STEPS = (0.001, 0.15, 0.3)
"""Drifted shares from which a window is drawn warmer."""


class Block(NamedTuple):
    """One window of a task, placed on the axis in percent."""

    window: WindowReport
    href: str
    left: float
    width: float

    @property
    def heat(self) -> str:
        if self.window.failures:
            return "h4"
        return f"h{sum(self.window.share >= step for step in _STEPS)}" if self.window.judged else "n"

    @property
    def words(self) -> str:
        if self.window.failures:
            return "broken"
        drifted = f"{len(self.window.drifted)} of {len(self.window.judged)} columns drifted"
        return drifted if self.window.judged else "not judged"


class Mark(NamedTuple):
    """A decision on the axis."""

    decision: Decision
    left: float


class SuiteHistory(NamedTuple):
    """Everything of one suite."""

    suite: str
    start: datetime
    end: datetime
    lanes: list[tuple[str, list[Block]]]
    marks: list[Mark]
    log: list[LogRow]
    newest: FoundReport
    href: str


def render_history(work: Path) -> str:
    """The page as HTML; links are relative to ``monitoring/history.html``.

    Args:
        work: the work folder with the reports; with none, the page says how to make one.
    """
    reports = find_reports(work)
    by_suite = sorted(reports.found, key=lambda one: one.report.suite)  # stable: the oldest stays first
    home = work / HISTORY
    suites = [_history(list(group), home) for _, group in groupby(by_suite, key=lambda one: one.report.suite)]
    return environment().get_template("history.html.j2").render(suites=suites, skipped=reports.skipped)


def write_history(work: Path) -> Path:
    """Write ``monitoring/history.html`` and return its path.

    Raises:
        StorageError: the folder cannot be written.
    """
    with atomic_path(work / HISTORY) as temporary:
        temporary.write_text(render_history(work))
    return work / HISTORY


def _history(found: list[FoundReport], home: Path) -> SuiteHistory:
    lanes: dict[str, dict[datetime, tuple[WindowReport, FoundReport]]] = {}
    for one in found:  # later reports overwrite: they saw the whole of a window
        for task in one.report.tasks:
            lane = lanes.setdefault(task.name, {})
            for window in task.windows:
                told_there = window is task.newest or window.start not in lane
                lane[window.start] = (window, one if told_there else lane[window.start][1])
    newest = found[-1]
    windows = [window for lane in lanes.values() for window, _ in lane.values()]
    start = min((window.start for window in windows), default=datetime.min)
    end = max((window.end for window in windows), default=datetime.max)
    span = (end - start).total_seconds()

    def place(time: datetime) -> float:
        return round(100 * (time - start).total_seconds() / span, 3)

    def blocks(lane: dict[datetime, tuple[WindowReport, FoundReport]]) -> list[Block]:
        return [
            Block(window, _link(one, home), place(window.start), place(window.end) - place(window.start))
            for _, (window, one) in sorted(lane.items())
        ]

    return SuiteHistory(
        suite=newest.report.suite,
        start=start,
        end=end,
        lanes=[(name, blocks(lane)) for name, lane in lanes.items()],
        marks=[Mark(one, place(one.decided_at)) for one in _decisions(found) if start <= one.decided_at <= end],
        log=log_rows(newest.report),
        newest=newest,
        href=_link(newest, home),
    )


def _decisions(found: Iterable[FoundReport]) -> list[Decision]:
    """Every decision that a report took or remembers, oldest first, each once."""
    taken = {}
    for one in found:
        logged = [entry.decision for entry in one.report.log if entry.kind == "decided"]
        for decision in [*logged, *([one.report.decision] if one.report.decision else [])]:
            taken[decision.decided_at] = decision
    return [taken[at] for at in sorted(taken)]


def _link(found: FoundReport, home: Path) -> str:
    return Path(os.path.relpath(found.html.absolute(), home.parent.absolute())).as_posix()
