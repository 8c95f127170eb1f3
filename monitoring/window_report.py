"""One window beside the reference: quality first, then drift of the sound columns, then labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring.columns import clean
from monitoring.performance import compare
from monitoring.psi import psi_threshold, psi_values, run_evidently
from monitoring.quality import check_column, check_rows
from monitoring.schema import ColumnDrift, Distribution, QualityFinding, WindowReport
from monitoring.task_tables import TaskTables
from monitoring.window import Window, sample_rows
from polymart.config import Suite, Task

MIN_OBSERVATIONS = 30
"""A column with fewer independent observations in a window, or in the reference, is not judged."""


def compare_window(
    task: Task, tables: TaskTables, window: Window, suite: Suite
) -> tuple[WindowReport, Comparison | None]:
    """Compare one window with the reference.

    Returns:
        The window's report and what Evidently can plot of it (None where no column could be judged).
    """
    policy = suite.monitoring
    rows = sample_rows(window.rows, policy.max_rows, suite.seed)
    predicted = _within(tables.predictions.current, window)
    sources = {
        name: sample_rows(predicted, policy.max_rows, suite.seed) if name == "score" else rows for name in tables.kinds
    }
    findings = check_rows(len(rows), empty_is_usual=tables.empty_is_usual(policy.window_days))
    columns: dict[str, ColumnDrift] = {}
    values: dict[str, pd.Series] = {}
    for name in tables.kinds if len(rows) else ():
        column, found = _prepare(tables, name, sources[name], values)
        columns[name] = column
        findings += found
    comparison = _measure(tables, columns, values)
    report = WindowReport(
        start=window.start.to_pydatetime(),
        end=window.end.to_pydatetime(),
        rows=len(window.rows),
        columns=tuple(columns.values()),
        quality=tuple(findings),
        performance=compare(task.kind, tables.predictions.reference, predicted),
    )
    return report, comparison


def _within(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    times = rows["event_timestamp"]
    return rows[(times >= window.start) & (times < window.end)]


def _prepare(
    tables: TaskTables, name: str, rows: pd.DataFrame, values: dict[str, pd.Series]
) -> tuple[ColumnDrift, list[QualityFinding]]:
    """Check one column and, if it can be judged, put its cleaned values into ``values``."""
    kind = tables.kinds[name]
    if name not in rows or name not in tables.reference:
        message = f"{name}: the column is absent from the table"
        return (
            ColumnDrift(name=name, kind=kind, note="absent"),
            [QualityFinding(column=name, rule="absent", failed=True, message=message)],
        )
    cleaned, reference = clean(rows[name], kind), tables.reference[name]
    current_n, reference_n = tables.observations(rows, name, cleaned), tables.reference_observations[name]
    varies = reference_n >= MIN_OBSERVATIONS and current_n >= MIN_OBSERVATIONS
    findings = check_column(name, kind, reference, cleaned, ranged=varies) if len(rows) else []
    if any(finding.failed for finding in findings):
        return ColumnDrift(name=name, kind=kind, note="broken, see quality"), findings
    if not varies or name not in tables.buckets:
        note = (
            f"{current_n} independent observations in the window, {reference_n} in the reference; "
            f"{MIN_OBSERVATIONS} are needed"
        )
        return ColumnDrift(name=name, kind=kind, note=note), findings
    values[name] = cleaned
    bound = psi_threshold(tables.buckets[name].num_buckets, reference_n, current_n)
    return ColumnDrift(name=name, kind=kind, threshold=round(bound, 4)), findings


@dataclass(frozen=True)
class Comparison:
    """What Evidently compares in one window: both sides as bucket names, and each judged column's threshold."""

    reference: pd.DataFrame
    current: pd.DataFrame
    thresholds: dict[str, float]

    def snapshot(self, at: datetime) -> Any:
        """Evidently's snapshot with its plots; slow."""
        return run_evidently(self.reference, self.current, self.thresholds, at)


def _measure(tables: TaskTables, columns: dict[str, ColumnDrift], values: dict[str, pd.Series]) -> Comparison | None:
    """Fill in the PSI of every column in ``values``; None where there is none."""
    if not values:
        return None
    current = pd.DataFrame(
        {name: tables.buckets[name].assign(series).reset_index(drop=True) for name, series in values.items()}
    )
    thresholds = {name: columns[name].threshold or 0.0 for name in values}
    for name, psi in psi_values(tables.bucketed, current, thresholds).items():
        columns[name] = columns[name].model_copy(update={"psi": psi})
        if columns[name].drifted:
            shares = _distribution(tables.bucketed[name], current[name], ranked=bool(tables.buckets[name].names))
            columns[name] = columns[name].model_copy(update={"distribution": shares})
    return Comparison(tables.bucketed, current, thresholds)


def _distribution(reference: pd.Series, current: pd.Series, *, ranked: bool) -> Distribution:
    """Shares of the buckets of both sides: categories by their share in the reference, numbers in their own order."""
    counted = {"reference": reference, "current": current}
    shares = pd.DataFrame({name: side.value_counts(normalize=True) for name, side in counted.items()})
    sides = shares.fillna(0.0).round(4).sort_index()
    if ranked:
        sides = sides.sort_values("reference", ascending=False, kind="stable")
    return Distribution(
        buckets=tuple(sides.index), reference=tuple(sides["reference"]), current=tuple(sides["current"])
    )
