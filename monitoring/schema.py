"""The written form of a drift report: ``report.json``, version 1."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from monitoring.records import Decision, Record

REPORT_VERSION: Literal[1] = 1
ColumnKind = Literal["numeric", "categorical", "text", "score"]


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
    note: str = ""
    """Why the column was not judged."""
    distribution: Distribution | None = None
    """Of a drifted column; None elsewhere, so that the report stays small."""

    @property
    def drifted(self) -> bool:
        return self.psi is not None and self.threshold is not None and self.psi >= self.threshold


class QualityFinding(Record):
    """One broken or doubtful thing in a window's data."""

    column: str
    """The column; empty when the whole window is meant."""
    rule: str
    failed: bool
    """True: the data are broken and drift must not be believed. False: worth a look."""
    message: str


class Performance(Record):
    """Labelled performance of one window beside the reference."""

    metric: str
    rows: int
    value: float
    reference: float | None
    higher_is_better: bool

    @property
    def loss(self) -> float:
        """Relative loss against the reference; negative is a gain, 0 where it is unknown."""
        if not self.reference:
            return 0.0
        change = (self.value - self.reference) / abs(self.reference)
        return -change if self.higher_is_better else change


class WindowReport(Record):
    """What one window of one task looks like beside the reference."""

    start: datetime
    end: datetime
    rows: int
    columns: tuple[ColumnDrift, ...] = ()
    quality: tuple[QualityFinding, ...] = ()
    performance: Performance | None = None

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

    @property
    def newest(self) -> WindowReport:
        return self.windows[-1]


class DriftReport(Record):
    """What moved, since when, which task it hurts; tasks most hurt first."""

    version: Literal[1] = REPORT_VERSION
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
