"""Reads what signals are measured on: example and prediction rows of a task, sampled and cut into windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from monitoring.signals.rows import Rows, Span, cut
from monitoring.task_tables import label_names, load_predictions
from monitoring.window import REFERENCE_SPLITS, Sides, read_table, sample_rows, split_sides
from polymart.config import Suite, Task

_KEYS = ["example_id", "split"]


@dataclass(frozen=True)
class Sources:
    """What signals read beside example and prediction tables; each may be absent."""


def task_rows(task: Task, examples: Path, predictions: Path, suite: Suite, spans: list[Span]) -> tuple[Rows, Rows]:
    """Example rows and prediction rows of a task, at most ``max_rows`` in each part.

    Prediction rows know the columns of the task's slices, and a label that the example table knows where they have
    none: labels arrive late.

    Raises:
        MonitoringError: a table breaks its written contract.
    """
    sides = _read_examples(task, examples)
    predicted = load_predictions(task, predictions, label_names(examples, task.name))
    known = pd.concat([sides.reference, sides.current], ignore_index=True)
    joined = [_join(part, known, task) for part in (predicted.reference, predicted.current)]
    return (
        _rows(sides, spans, suite),
        _rows(Sides(joined[0], joined[1], predicted.undated), spans, suite),
    )


def _read_examples(task: Task, examples: Path) -> Sides:
    inputs = task.inputs
    named = [inputs.text, inputs.text_pair, inputs.image, task.cluster, task.label]
    columns = [*inputs.numeric, *inputs.categorical, *(slice_.column for slice_ in task.slices)]
    optional = [name for name in (*named, *columns) if name is not None]
    table = read_table(examples / f"{task.name}.parquet", _KEYS, ["event_timestamp", *optional])
    table["cluster"] = table[task.cluster if task.cluster in table else "example_id"].astype(str)
    return split_sides(table, f"examples of {task.name}", REFERENCE_SPLITS["examples"])


def _join(rows: pd.DataFrame, examples: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Prediction rows with the slices' columns and late labels of the examples of the same id."""
    slices = {slice_.column for slice_ in task.slices if slice_.column in examples and slice_.column not in rows}
    late = {task.label: "late_label"} if task.label in examples else {}
    wanted = examples[["example_id", *sorted(slices)]].assign(**{new: examples[old] for old, new in late.items()})
    joined = rows.merge(wanted.drop_duplicates("example_id"), on="example_id", how="left")
    if late:
        joined["label"] = joined["label"].where(joined["label"].notna(), joined.pop("late_label"))
    return joined


def _rows(sides: Sides, spans: list[Span], suite: Suite) -> Rows:
    most, seed = suite.monitoring.max_rows, suite.seed
    reference = sides.reference
    if "event_timestamp" not in reference:
        reference = reference.assign(event_timestamp=pd.Series(pd.NaT, reference.index, dtype="datetime64[us]"))
    windows = tuple(sample_rows(rows, most, seed) for rows in cut(sides.current, spans))
    return Rows(sample_rows(reference, most, seed), windows, suite.monitoring.window_days)
