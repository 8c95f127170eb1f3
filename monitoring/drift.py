"""Drift of every task that has event time, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitoring.left_out import describe_left_out, tasks_with_time
from monitoring.reference import REFERENCES
from monitoring.schema import DriftReport, MovedColumn, TaskReport, WindowReport
from monitoring.signals.gather import add_signals
from monitoring.signals.sources import Sources
from monitoring.snapshot import save_snapshot, window_snapshot
from monitoring.task_tables import TaskTables, load_task
from monitoring.window import Window, cut_windows
from monitoring.window_report import compare_window
from polymart.config import Suite, Task
from polymart.errors import MonitoringError
from polymart.files import atomic_folder, digest_text, digest_tree

MAX_WINDOWS = 12
"""Newest windows compared; older ones no longer bear on a decision and only cost time."""
MATERIAL_LOSS = 0.1
"""Relative loss of labelled performance from which a task counts as hurt; less is within a window's noise."""
EVIDENTLY_FOLDER = "evidently"


def detect_drift(
    examples: Path,
    predictions: Path,
    suite: Suite,
    out: Path,
    *,
    data_origin: Mapping[str, str] | None = None,
    sources: Sources | None = None,
    references: Path | None = None,
) -> DriftReport:
    """Compare each task's test windows with its reference and write Evidently's page of the newest window.

    Args:
        examples: folder of ``<task>.parquet`` example tables.
        predictions: folder of ``<task>.parquet`` prediction tables; absent ones are noted.
        suite: tasks, seed and monitoring policy.
        out: folder for ``evidently/<task>.html`` and ``.json``.
        data_origin: origin of each task's data, shown beside every number.
        sources: what signals read beside the tables; those whose source is absent are absent.
        references: folder of the release's reference profiles; by default ``profiles`` beside its predictions. A task
            without one is compared with the reference rows of its own tables.

    Raises:
        MonitoringError: no example tables, or one that breaks its contract.
        StorageError: ``out`` cannot be written.
    """
    timed, notes = tasks_with_time(examples, predictions, suite)
    references = references or predictions / REFERENCES
    loaded = [(task, load_task(task, examples, predictions, suite, references)) for task in timed]
    with atomic_folder(out / EVIDENTLY_FOLDER) as folder:
        reports = [
            _report_task(task, tables, suite, folder, (data_origin or {}).get(task.name, "unknown"))
            for task, tables in loaded
        ]
    reports = [
        add_signals(report, task, examples, predictions, suite, sources)
        for report, (task, _) in zip(reports, loaded, strict=True)
    ]
    data_digest = digest_tree(examples, suffixes=(".parquet",))
    predictions_digest = digest_tree(predictions, suffixes=(".parquet",)) if predictions.is_dir() else ""
    references_digest = digest_tree(references) if references.is_dir() else ""
    ends = [window.end for report in reports for window in report.windows]
    sources_digest = sources.digest(max(ends)) if sources and ends else ""
    inputs_digest = digest_text(
        "\n".join([data_digest, predictions_digest, references_digest, sources_digest, suite.digest])
    )
    newest = [tables.newest for _, tables in loaded if tables.newest is not None]
    return DriftReport(
        suite=suite.name,
        suite_digest=suite.digest,
        data_digest=data_digest,
        inputs_digest=inputs_digest,
        newest_event=max(newest) if newest else None,
        tasks=tuple(sorted(reports, key=_hurt, reverse=True)),
        notes=(*notes, *describe_left_out(examples, suite)),
    )


def _hurt(report: TaskReport) -> tuple[bool, float, float]:
    """Order of tasks by harm: broken data, then material labelled loss, then drifted share."""
    newest = report.newest
    loss = newest.performance.loss if newest.performance else 0.0
    return bool(newest.failures), loss if loss >= MATERIAL_LOSS else 0.0, newest.share


def _windows(task: Task, tables: TaskTables, suite: Suite) -> list[Window]:
    days = suite.monitoring.window_days
    if tables.origin is None:
        raise MonitoringError(
            f"task {task.name!r} has no test rows with event time and no split to place windows by",
            remedy="give the task a split in the suite, or rows of the test period",
        )
    until = tables.newest if tables.newest is not None else tables.origin
    return cut_windows(tables.origin, days, until=until)[-max(MAX_WINDOWS, suite.monitoring.of_windows) :]


def _report_task(task: Task, tables: TaskTables, suite: Suite, folder: Path, origin: str) -> TaskReport:
    windows = _windows(task, tables, suite)
    compared = [
        compare_window(tables, window, profile)
        for window, profile in zip(windows, tables.profiles(windows), strict=True)
    ]
    html = json_file = ""
    if compared[-1].judged:
        html, json_file = (f"{EVIDENTLY_FOLDER}/{task.name}.{suffix}" for suffix in ("html", "json"))
        save_snapshot(window_snapshot(compared[-1]), *(folder / Path(file).name for file in (html, json_file)))
    reports = [_slim(report) for report in compared]
    return TaskReport(
        name=task.name,
        kind=task.kind,
        data_origin=origin,
        reference_rows=tables.reference.profile.rows,
        windows=tuple(reports),
        moved=moved_columns(reports),
        notes=tables.notes,
        html=html,
        json_file=json_file,
    )


def _slim(window: WindowReport) -> WindowReport:
    """The window with the distributions of drifted columns alone, so that reports stay small."""
    columns = (c if c.drifted else c.model_copy(update={"distribution": None}) for c in window.columns)
    return window.model_copy(update={"columns": tuple(columns)})


def moved_columns(windows: list[WindowReport]) -> tuple[MovedColumn, ...]:
    """Columns that drifted in the newest window, most moved first, with the start of their unbroken run."""
    moved = []
    for column in windows[-1].drifted:
        since = windows[-1].start
        for window in reversed(windows):
            if column.name not in {one.name for one in window.drifted}:
                break
            since = window.start
        moved.append(MovedColumn(name=column.name, psi=column.psi or 0.0, since=since))
    return tuple(moved)
