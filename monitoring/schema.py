"""The written form of a drift report: ``report.json``, version 2.

Version 2 added `Signal`, `Estimate` and intervals of the performance to the windows.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from monitoring.entries import Entry
from monitoring.records import Decision, Record
from polymart.errors import MonitoringError
from polymart.files import read_json

REPORT_VERSION: Literal[2] = 2
ColumnKind = Literal["numeric", "categorical", "text", "score"]
SignalKind = Literal[
    "text",
    "image",
    "prediction",
    "label",
    "categories",
    "missing",
    "frozen",
    "creep",
    "mix",
    "volume",
    "skew",
    "service",
    "performance",
    "estimate",
]


class Distribution(Record):
    """A column's buckets and the share of the known values in each; what the report draws."""

    buckets: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


class ColumnDrift(Record):
    """Drift of one column in one window."""

    name: str
    kind: ColumnKind
    psi: float | None = None
    """Population stability index, 0 or more; None where the column was not judged."""
    threshold: float | None = None
    """PSI from which the column counts as drifted."""
    ks: float | None = None
    """Largest distance of the two distribution functions, 0 to 1; None for categories."""
    ks_threshold: float | None = None
    """KS distance from which the column counts as drifted, too: it sees what moves inside a bucket of PSI."""
    dependence: float | None = None
    """Share of the scores' variance that goes with the column in the reference, 0 to 1; None where it is unknown."""
    note: str = ""
    """Why the column was not judged."""
    distribution: Distribution | None = None
    """Of a drifted column; None elsewhere, so that the report stays small."""

    @property
    def strength(self) -> float:
        """Distance in units of its threshold, the larger of PSI and KS; 0 where it was not judged."""
        distances = ((self.psi, self.threshold), (self.ks, self.ks_threshold))
        return max((value / bound for value, bound in distances if value is not None and bound), default=0.0)

    @property
    def drifted(self) -> bool:
        return self.strength >= 1


class QualityFinding(Record):
    """One broken or doubtful thing in a window's data."""

    column: str
    """The column; empty when the whole window is meant."""
    rule: str
    failed: bool
    """True: the data are broken and drift must not be believed. False: worth a look."""
    message: str


class Signal(Record):
    """One thing watched beside the columns' drift, in one window of one task.

    ``value`` and ``threshold`` are distances, so that every signal reads alike; ``now`` and ``usual`` are the
    quantities behind them, in the unit that the name tells.
    """

    name: str
    kind: SignalKind
    task: str
    slice: str = ""
    """Group of rows, as ``<slice>: <group>``; empty for the whole task."""
    column: str = ""
    """Column that is watched; empty where no single one is."""
    value: float | None = None
    """Distance from the reference, 0 or more; None where it was not judged."""
    threshold: float | None = None
    """Distance from which the signal counts as moved."""
    now: float | None = None
    usual: float | None = None
    rows: int = 0
    """Rows of the window that it was measured on."""
    since: datetime | None = None
    """Start of the first window of the unbroken run of moved windows; None where it has not moved."""
    hurts: float | None = None
    """Estimated relative loss of the task's metric; negative is a gain, None where the signal cannot tell."""
    note: str = ""
    """What moved in words, or why it was not judged."""

    @property
    def moved(self) -> bool:
        return self.strength >= 1

    @property
    def strength(self) -> float:
        """Distance in units of its threshold; 0 where it was not judged."""
        return self.value / self.threshold if self.value is not None and self.threshold else 0.0

    @property
    def title(self) -> str:
        """The signal by its full name, which is unique in a window."""
        return " of ".join(part for part in (self.name, self.column, self.slice) if part)


class Estimate(Record):
    """Performance expected before labels arrive (`monitoring.signals.estimate`)."""

    metric: str
    rows: int
    value: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    reference: float
    """The estimate of the reference rows."""
    higher_is_better: bool
    truth: float | None = None
    """The labelled performance of the same rows; None until their labels arrive."""

    @property
    def error(self) -> float | None:
        """How far the estimate was off; None until labels arrive."""
        return None if self.truth is None else self.value - self.truth

    @property
    def loss(self) -> float:
        """Expected relative loss against the reference; negative is a gain."""
        return relative_loss(self.value, self.reference, self.higher_is_better)


def relative_loss(value: float, reference: float | None, higher_is_better: bool) -> float:
    """Relative loss against the reference; negative is a gain, 0 where the reference is unknown or zero."""
    if not reference:
        return 0.0
    change = (value - reference) / abs(reference)
    return -change if higher_is_better else change


class Performance(Record):
    """Labelled performance of one window beside the reference."""

    metric: str
    rows: int
    value: float
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval; None where there are too few clusters for one."""
    reference: float | None
    higher_is_better: bool

    @property
    def loss(self) -> float:
        """Relative loss against the reference; negative is a gain, 0 where it is unknown."""
        return relative_loss(self.value, self.reference, self.higher_is_better)


class WindowReport(Record):
    """What one window of one task looks like beside the reference."""

    start: datetime
    end: datetime
    rows: int
    columns: tuple[ColumnDrift, ...] = ()
    quality: tuple[QualityFinding, ...] = ()
    performance: Performance | None = None
    estimate: Estimate | None = None
    signals: tuple[Signal, ...] = ()

    @property
    def moved_signals(self) -> tuple[Signal, ...]:
        """Signals that moved, strongest first."""
        moved = (signal for signal in self.signals if signal.moved)
        return tuple(sorted(moved, key=lambda signal: (-signal.strength, signal.title)))

    @property
    def judged(self) -> tuple[ColumnDrift, ...]:
        return tuple(column for column in self.columns if column.psi is not None)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        return tuple(sorted((c for c in self.columns if c.drifted), key=lambda c: (-(c.psi or 0), c.name)))

    @property
    def failures(self) -> tuple[str, ...]:
        return tuple(finding.message for finding in self.quality if finding.failed)

    @property
    def share(self) -> float:
        """Drifted share of the judged columns, 0 to 1."""
        return len(self.drifted) / len(self.judged) if self.judged else 0.0


class MovedColumn(Record):
    """A column that drifted in the newest window."""

    name: str
    psi: float
    since: datetime
    """Start of the first window of the unbroken run of drifted windows."""


class TaskReport(Record):
    """All windows of one task, oldest first."""

    name: str
    kind: str
    data_origin: str
    reference_rows: int
    windows: tuple[WindowReport, ...]
    moved: tuple[MovedColumn, ...] = ()
    notes: tuple[str, ...] = ()
    html: str = ""
    """Evidently page of the newest window, relative to the report; empty where none was written."""
    json_file: str = ""
    estimate_error: float | None = None
    """Mean absolute error of the estimated performance over the windows whose labels arrived; None without one."""

    @property
    def newest(self) -> WindowReport:
        return self.windows[-1]


class DriftReport(Record):
    """What moved, since when, which task it hurts; tasks most hurt first."""

    version: Literal[2] = REPORT_VERSION
    suite: str
    suite_digest: str
    data_digest: str
    """Digest of the example tables: what a retraining would learn from."""
    inputs_digest: str
    """Digest of everything the report was computed from."""
    newest_event: datetime | None
    """The report's clock: newest event time of all tasks, naive UTC."""
    tasks: tuple[TaskReport, ...]
    notes: tuple[str, ...] = ()
    """One line per task or table that was left out."""
    decision: Decision | None = None
    log: tuple[Entry, ...] = ()
    """The ledger as it stood before this decision: earlier decisions, retrainings, outcomes and holds."""


def read_report(path: Path) -> DriftReport:
    """The report that ``report.json`` holds.

    Raises:
        MonitoringError: it is of another version, or no report.
        StorageError: it is no JSON.
    """
    written = read_json(path)
    version = written.get("version") if isinstance(written, dict) else None
    if version != REPORT_VERSION:
        raise MonitoringError(
            f"{path} must be a report of version {REPORT_VERSION}, found version {version}",
            remedy="run `polymart monitor` again over the same tables: it writes the present version",
        )
    try:
        return DriftReport.model_validate(written)
    except ValidationError as error:
        raise MonitoringError(
            f"{path} is not a drift report: {error}", remedy="run `polymart monitor` again over the same tables"
        ) from error
