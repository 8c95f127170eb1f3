"""Reads what signals are measured on: example and prediction rows of a task, sampled and cut into windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from monitoring.signals.mix import mark_new
from monitoring.signals.rows import Rows, cut
from monitoring.task_tables import label_names, load_predictions
from monitoring.window import REFERENCE_SPLITS, Sides, Window, read_table, split_sides
from polymart.config import Suite, Task

ENTITIES = ("household_id", "campaign_id", "category_id", "store_id")
_KEYS = ["example_id", "split"]


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task.

    Attributes:
        examples: example rows with inputs, label, entity keys and the slices' columns.
        predictions: prediction rows with the slices' columns; a label that only the examples know is filled in, for
            labels arrive late.
        moments: event times of each window's example rows, before sampling.
        newest: newest event time of the example rows; None without rows.
        labels: label map, where the task has one.
    """

    examples: Rows
    predictions: Rows
    moments: tuple[pd.Series, ...]
    newest: datetime | None
    labels: list[str] | None


def task_rows(task: Task, examples: Path, predictions: Path, suite: Suite, spans: list[Window]) -> TaskRows:
    """The rows of a task, at most ``max_rows`` in each part.

    Raises:
        MonitoringError: a table breaks its written contract.
    """
    shown, labels = _read_examples(task, examples), label_names(examples, task.name)
    told = load_predictions(task, predictions, labels)
    known = pd.concat([shown.reference, shown.current], ignore_index=True)
    predicted = replace(
        told, reference=_join(told.reference, known, task, labels), current=_join(told.current, known, task, labels)
    )
    times = shown.current["event_timestamp"]
    return TaskRows(
        examples=_rows(shown, spans, suite),
        predictions=_rows(predicted, spans, suite),
        moments=tuple(rows["event_timestamp"] for rows in cut(shown.current, spans)),
        newest=times.max().to_pydatetime() if len(times) else None,
        labels=labels,
    )


def hashed(clusters: pd.Series) -> np.ndarray:
    """Names of clusters as numbers, which compare faster; the same name gives the same number."""
    return pd.util.hash_array(clusters.astype(str).to_numpy(object))


def sample_clusters(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most ``most`` rows, in whole clusters (what follows what within one must stay), whatever the table's order."""
    if len(rows) <= most:
        return rows
    names = rows["cluster"].drop_duplicates()
    order = names.sort_values()
    sizes = rows["cluster"].value_counts().reindex(order).cumsum()
    # The first cluster stays even if it alone is too large.
    return rows[rows["cluster"].isin(order[: max(1, int((sizes <= most).sum()))])].iloc[:most]


def _read_examples(task: Task, examples: Path) -> Sides:
    inputs = task.inputs
    named = [inputs.text, inputs.text_pair, inputs.image, task.cluster, task.label]
    columns = [*inputs.numeric, *inputs.categorical, *(slice_.column for slice_ in task.slices)]
    optional = [name for name in (*named, *columns, *ENTITIES, "label_end") if name is not None]
    table = read_table(examples / f"{task.name}.parquet", _KEYS, ["event_timestamp", *optional])
    table["cluster"] = hashed(table[task.cluster if task.cluster in table else "example_id"])
    return split_sides(mark_new(table), f"examples of {task.name}", REFERENCE_SPLITS["examples"])


def _join(rows: pd.DataFrame, examples: pd.DataFrame, task: Task, labels: list[str] | None) -> pd.DataFrame:
    """Prediction rows with the slices' columns, and with late labels, of the examples of the same id."""
    slices = {slice_.column for slice_ in task.slices if slice_.column in examples and slice_.column not in rows}
    wanted = examples[["example_id", *sorted(slices)]]
    if late := rows["label"].isna().any() and task.label in examples:
        wanted = wanted.assign(late_label=named_labels(examples[task.label], labels))
    joined = rows.merge(wanted.drop_duplicates("example_id"), on="example_id", how="left")
    if late:
        joined["label"] = joined["label"].where(joined["label"].notna(), joined.pop("late_label"))
    return joined.assign(cluster=hashed(joined["cluster"]))


def named_labels(column: pd.Series, labels: list[str] | None) -> pd.Series:
    """Lists of positions in the label map become lists of names, as predictions tell them; others stay."""
    if labels is None:
        return column
    return column.map(
        lambda value: [labels[place] for place in value] if isinstance(value, list | np.ndarray) else value
    )


def _rows(sides: Sides, spans: list[Window], suite: Suite) -> Rows:
    most = suite.monitoring.max_rows
    reference = sides.reference
    if "event_timestamp" not in reference:
        reference = reference.assign(event_timestamp=pd.Series(pd.NaT, reference.index, dtype="datetime64[us]"))
    windows = tuple(sample_clusters(rows, most) for rows in cut(sides.current, spans))
    return Rows.of(sample_clusters(reference, most), windows, suite.monitoring.window_days)
