"""The tables of one task, read and split into reference and current rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from monitoring.columns import Buckets, add_text_columns, clean, watched_kinds
from monitoring.observations import intraclass_correlation, observations
from monitoring.performance import score_rows
from monitoring.schema import ColumnKind
from monitoring.window import REFERENCE_SPLITS, Sides, read_table, sample_rows, split_sides, window_origin
from polymart.config import Suite, Task
from polymart.files import read_json

_KEYS = ["example_id", "split"]


@dataclass(frozen=True)
class TaskTables:
    """Example and prediction rows of one task.

    Attributes:
        task: the task.
        examples: input rows; the reference is sampled, text is measured.
        predictions: prediction rows, with ``score`` and ``label``; empty where there is no table.
        notes: one line each on what was left out.
    """

    task: Task
    examples: Sides
    predictions: Sides
    notes: tuple[str, ...]

    @cached_property
    def newest(self) -> pd.Timestamp | None:
        """Newest event time of the current rows; None without rows."""
        return self.examples.current["event_timestamp"].max() if len(self.examples.current) else None

    @cached_property
    def origin(self) -> pd.Timestamp | None:
        """Start of the first window."""
        return window_origin(self.task, self.examples.current)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """Watched columns with their kind; the score only where there are predictions."""
        kinds = watched_kinds(self.task)
        if self.predictions.reference.empty:
            kinds.pop("score")
        return kinds

    def side(self, name: str) -> pd.DataFrame:
        """The reference rows that hold a column."""
        return self.predictions.reference if name == "score" else self.examples.reference

    @cached_property
    def reference(self) -> dict[str, pd.Series]:
        """Cleaned reference values of every watched column that the example table has."""
        return {
            name: clean(self.side(name)[name], kind) for name, kind in self.kinds.items() if name in self.side(name)
        }

    @cached_property
    def buckets(self) -> dict[str, Buckets]:
        """Buckets of every column with a known reference value."""
        return {
            name: Buckets.fit(values, self.kinds[name])
            for name, values in self.reference.items()
            if values.notna().any()
        }

    @cached_property
    def bucketed(self) -> pd.DataFrame:
        """Reference as bucket names. Inputs and scores come from different rows, so columns are padded to one
        length; each is compared by itself."""
        return pd.DataFrame(
            {name: self.buckets[name].assign(self.reference[name]).reset_index(drop=True) for name in self.buckets}
        )

    @cached_property
    def correlations(self) -> dict[str, float]:
        """Intraclass correlation of each column by event time, from the reference: one window holds too few times."""
        return {name: self._correlation(name) for name in self.buckets}

    def _correlation(self, name: str) -> float:
        rows = self.side(name)
        if "event_timestamp" not in rows:
            return 0.0
        known = self.reference[name].notna() & rows["event_timestamp"].notna()
        return intraclass_correlation(
            self.buckets[name].assign(self.reference[name][known]), rows.loc[known, "event_timestamp"]
        )

    @cached_property
    def reference_observations(self) -> dict[str, int]:
        """Independent observations behind each column's reference values."""
        return {name: self.observations(self.side(name), name, values) for name, values in self.reference.items()}

    def observations(self, rows: pd.DataFrame, name: str, values: pd.Series) -> int:
        """Independent observations behind the cleaned ``values`` of ``rows``."""
        cluster = "cluster" if name == "score" else self.task.cluster
        return observations(rows[values.notna()], cluster, self.correlations.get(name, 0.0))

    def empty_is_usual(self, window_days: int) -> bool:
        """Whether the reference itself went without rows for as long as a window (campaigns, say)."""
        times = self.examples.reference.get("event_timestamp", pd.Series(dtype="datetime64[us]")).dropna()
        return bool((times.sort_values().diff() > pd.Timedelta(days=window_days)).any())


def load_task(task: Task, examples: Path, predictions: Path, suite: Suite) -> TaskTables:
    """Read one task's tables.

    Raises:
        MonitoringError: a table breaks its written contract.
    """
    text = [task.inputs.text] if task.inputs.text else []
    inputs = [*task.inputs.numeric, *task.inputs.categorical, *text, task.cluster]
    table = read_table(examples / f"{task.name}.parquet", _KEYS, ["event_timestamp", *inputs])
    sides = split_sides(table, f"examples of {task.name}", REFERENCE_SPLITS["examples"])
    policy = suite.monitoring
    reference = sample_rows(sides.reference, policy.max_rows, suite.seed)
    current = sides.current
    reference, current = add_text_columns(task, reference, current)
    notes = [f"{sides.undated} test rows have no event time and fall in no window"] if sides.undated else []
    examples_sides = Sides(reference, current, sides.undated)
    predicted = load_predictions(task, predictions, label_names(examples, task.name))
    if predicted.reference["label"].notna().any() and score_rows(task.kind, predicted.reference) is None:
        notes.append("labelled performance is unknown: labels and predictions of the val rows cannot be compared")
    return TaskTables(task, examples_sides, predicted, tuple(notes))


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
