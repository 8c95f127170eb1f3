"""The tables of one task: its reference, its current rows by window, its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from monitoring.columns import SCORE, examples_source, predictions_source, watched_kinds
from monitoring.performance import score_rows
from monitoring.profile import Profile, Source, profile_windows
from monitoring.profile.source import event_span
from monitoring.reference import Reference, profile_reference, read_reference
from monitoring.samples import words_of
from monitoring.schema import ColumnKind
from monitoring.window import REFERENCE_SPLITS, Sides, Window, read_table, split_sides, window_origin
from polymart.config import Suite, Task
from polymart.files import read_json

_KEYS = ["example_id", "split"]


@dataclass(frozen=True)
class TaskTables:
    """Example and prediction rows of one task.

    Attributes:
        task: the task.
        reference: what windows are compared with.
        rows: the current rows of the example table.
        scores: the current scores; None where there is no prediction table.
        predictions: prediction rows, with ``score`` and ``label``; empty where there is no table.
        oldest: first event time of the current rows; None without rows.
        newest: last event time of the current rows.
        notes: one line each on what was left out.
    """

    task: Task
    reference: Reference
    rows: Source
    scores: Source | None
    predictions: Sides
    oldest: datetime | None
    newest: datetime | None
    notes: tuple[str, ...]

    @property
    def origin(self) -> datetime | None:
        """Start of the first window."""
        return window_origin(self.task, self.oldest)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """Watched columns with their kind; the score only where there are predictions."""
        kinds = watched_kinds(self.task)
        if SCORE not in self.reference.profile.columns:
            kinds.pop(SCORE)
        return kinds

    def profiles(self, windows: Sequence[Window]) -> list[Profile]:
        """The profile of each window, scores included."""
        inputs = profile_windows(self.rows, windows, words_of(self.reference.profile))
        if self.scores is None:
            return inputs
        scores = profile_windows(self.scores, windows)
        return [
            replace(rows, columns={**rows.columns, **scored.columns})
            for rows, scored in zip(inputs, scores, strict=True)
        ]

    def empty_is_usual(self, window: Window) -> bool:
        """Whether the reference itself went without rows for as long as a window (campaigns, say)."""
        return self.reference.longest_silence_s > (window.end - window.start).total_seconds()


def load_task(task: Task, examples: Path, predictions: Path, suite: Suite, references: Path) -> TaskTables:
    """Look at one task's tables.

    Args:
        task: the task.
        examples: folder of example tables.
        predictions: folder of prediction tables.
        suite: monitoring policy.
        references: folder of reference profiles; a task without one there is profiled from its tables.

    Raises:
        MonitoringError: a table or a reference breaks its written contract.
    """
    table, scored = examples / f"{task.name}.parquet", predictions / f"{task.name}.parquet"
    kept = references / f"{task.name}.json"
    reference = read_reference(kept) if kept.is_file() else profile_reference(task, examples, predictions, suite)
    rows = examples_source(task, table, ("test",))
    span = event_span(rows)
    notes = [f"{span.undated} test rows have no event time and fall in no window"] if span.undated else []
    predicted = load_predictions(task, predictions, label_names(examples, task.name))
    if predicted.reference["label"].notna().any() and score_rows(task.kind, predicted.reference) is None:
        notes.append("labelled performance is unknown: labels and predictions of the val rows cannot be compared")
    scores = predictions_source(scored, ("test",)) if scored.is_file() else None
    return TaskTables(task, reference, rows, scores, predicted, span.oldest, span.newest, tuple(notes))


def within(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows whose event time lies in a window."""
    times = rows["event_timestamp"]
    return rows[(times >= window.start) & (times < window.end)]


def label_names(examples: Path, task: str) -> list[str] | None:
    """A task's label map from ``examples.json``, by position; None without the file or the map."""
    path = examples / "examples.json"
    return read_json(path).get("tasks", {}).get(task, {}).get("labels") if path.is_file() else None


def load_predictions(task: Task, predictions: Path, names: list[str] | None) -> Sides:
    """Prediction rows of a task; none where there is no table.

    Args:
        task: the task.
        predictions: folder of prediction tables.
        names: the label map, where the task has one.

    Raises:
        MonitoringError: the table breaks its written contract.
    """
    path = predictions / f"{task.name}.parquet"
    columns = [*_KEYS, "cluster", "event_timestamp", "label", "prediction", "score"]
    table = read_table(path, columns, []) if path.is_file() else pd.DataFrame(columns=columns)
    if task.kind in ("multilabel", "tagging") and names:
        named = [_named(label, names) for label in table["label"]]
        table["label"] = pd.Series(named, index=table.index, dtype=object)
    return split_sides(table, f"predictions of {task.name}", REFERENCE_SPLITS["predictions"])


def _named(label: object, names: list[str]) -> list[object] | None:
    """Labels by name: labels are positions in the label map, predictions are its names."""
    if not isinstance(label, list | np.ndarray):
        return None
    return [names[i] if isinstance(i, int | np.integer) and 0 <= i < len(names) else i for i in label]
