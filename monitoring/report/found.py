"""The reports on disk: every pass leaves a folder with ``report.json``, whichever command ran it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from monitoring.schema import DriftReport, read_report
from polymart.errors import MonitoringError, PolymartError

REPORT = "report.json"
_PLACES = ("monitoring/**/" + REPORT, "pipelines/*/*/drift/" + REPORT)
"""Below a work folder: where `polymart monitor` writes, and the monitoring pipeline where it runs on this machine."""


class FoundReport(NamedTuple):
    """A report and where it lies."""

    path: Path
    written_s: float
    """Time of the file, in seconds since 1970."""
    report: DriftReport

    @property
    def html(self) -> Path:
        return self.path.with_suffix(".html")


class Reports(NamedTuple):
    """Every readable report, oldest first, and a line for each file that is none."""

    found: tuple[FoundReport, ...]
    skipped: tuple[str, ...] = ()


def find_reports(work: Path) -> Reports:
    """Every report below a work folder, ordered by the newest event that it saw, then by when it was written."""
    paths = sorted({path for place in _PLACES for path in work.glob(place)})
    found, skipped = [], []
    for path in paths:
        try:
            found.append(FoundReport(path, path.stat().st_mtime, read_report(path)))
        except PolymartError as error:
            skipped.append(f"left out: {error.message}")
    found.sort(key=lambda one: (one.report.newest_event or datetime.min, one.written_s))
    return Reports(tuple(found), tuple(skipped))


def newest_by_suite(reports: Iterable[FoundReport]) -> dict[str, FoundReport]:
    """The newest report of each suite."""
    return {one.report.suite: one for one in reports}


def newest_report(work: Path, suite: str = "") -> FoundReport:
    """The newest report, of any suite or of one.

    Raises:
        MonitoringError: there is none yet.
    """
    found, skipped = find_reports(work)
    wanted = [one for one in found if suite in ("", one.report.suite)]
    if not wanted:
        others = sorted({one.report.suite for one in found})
        of_suite = f" of suite {suite!r}" if suite else ""
        raise MonitoringError(
            f"{work} must hold a drift report{of_suite}, found "
            + (f"those of {', '.join(others)}" if others else "; ".join(skipped) or "none yet"),
            remedy="run: polymart monitor (it watches the release that is deployed); where reports lie elsewhere, "
            "point POLYMART_WORK_DIR there",
        )
    return wanted[-1]
