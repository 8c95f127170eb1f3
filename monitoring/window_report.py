"""One window beside the reference: quality first, then drift of the sound columns, then labels."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.performance import compare
from monitoring.profile import Column, Profile, distance
from monitoring.psi import ks_threshold, psi_threshold
from monitoring.quality import check_column, check_rows
from monitoring.reference import Reference
from monitoring.schema import ColumnDrift, ColumnKind, Distribution, QualityFinding, WindowReport
from monitoring.task_tables import TaskTables, within
from monitoring.window import Window

MIN_OBSERVATIONS = 30
"""A column with fewer independent observations in a window, or in the reference, is not judged."""


def compare_window(tables: TaskTables, window: Window, profile: Profile) -> WindowReport:
    """Compare one window of a task with its reference.

    Args:
        tables: the task's tables and reference.
        window: its bounds.
        profile: its rows.
    """
    findings = check_rows(profile.rows, empty_is_usual=tables.empty_is_usual(window))
    columns, found = compare_profiles(tables.reference, profile, tables.kinds) if profile.rows else ((), [])
    predicted = within(tables.predictions.current, window)
    return WindowReport(
        start=window.start,
        end=window.end,
        rows=profile.rows,
        columns=columns,
        quality=(*findings, *found),
        performance=compare(tables.task.kind, tables.predictions.reference, predicted),
    )


def compare_profiles(
    reference: Reference, current: Profile, kinds: Mapping[str, ColumnKind]
) -> tuple[tuple[ColumnDrift, ...], list[QualityFinding]]:
    """Drift and quality of the watched columns of a window.

    Args:
        reference: what the window is compared with.
        current: the window, with at least one row.
        kinds: the watched columns.
    """
    compared = [_compare_column(reference, current, name, kind) for name, kind in kinds.items()]
    return tuple(column for column, _ in compared), [finding for _, found in compared for finding in found]


def _compare_column(
    reference: Reference, current: Profile, name: str, kind: ColumnKind
) -> tuple[ColumnDrift, list[QualityFinding]]:
    """Check one column and, if it can be judged, measure how far it moved."""
    usual, now = reference.profile.columns.get(name), current.columns.get(name)
    if usual is None or now is None:
        message = f"{name}: the column is absent from the table"
        return (
            ColumnDrift(name=name, kind=kind, note="absent"),
            [QualityFinding(column=name, rule="absent", failed=True, message=message)],
        )
    reference_n, current_n = (reference.observations(name, side) for side in (usual, now))
    varies = min(reference_n, current_n) >= MIN_OBSERVATIONS
    findings = check_column(name, kind, usual, now, ranged=varies) if now.rows else []
    if any(finding.failed for finding in findings):
        return ColumnDrift(name=name, kind=kind, note="broken, see quality"), findings
    if not varies:
        note = (
            f"{current_n} independent observations in the window, {reference_n} in the reference; "
            f"{MIN_OBSERVATIONS} are needed"
        )
        return ColumnDrift(name=name, kind=kind, note=note), findings
    drift = _measure(name, kind, (usual, now), (reference_n, current_n))
    return drift.model_copy(update={"dependence": reference.dependence.get(name)}), findings


def _measure(
    name: str, kind: ColumnKind, columns: tuple[Column, Column], num_observations: tuple[int, int]
) -> ColumnDrift:
    moved = distance(*columns)
    if moved is None:
        return ColumnDrift(name=name, kind=kind, note="no known values, or a column of another kind")
    return ColumnDrift(
        name=name,
        kind=kind,
        psi=round(moved.psi, 6),
        threshold=round(psi_threshold(len(moved.buckets), *num_observations), 4),
        ks=None if moved.ks is None else round(moved.ks, 6),
        ks_threshold=None if moved.ks is None else round(ks_threshold(*num_observations), 4),
        distribution=Distribution(buckets=moved.buckets, reference=moved.reference, current=moved.current),
    )
