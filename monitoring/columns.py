"""Watched columns of a task, and where they are profiled from."""

from __future__ import annotations

from pathlib import Path

from monitoring.profile import Source
from monitoring.profile.scan import TEXT_LENGTH, TEXT_UNSEEN
from monitoring.schema import ColumnKind
from monitoring.window import column_names
from polymart.config import Task

SCORE = "score"


def watched_kinds(task: Task) -> dict[str, ColumnKind]:
    """Input columns of a task that are watched, with their kind; the prediction score comes last."""
    kinds: dict[str, ColumnKind] = dict.fromkeys(task.inputs.numeric, "numeric")
    kinds |= dict.fromkeys(task.inputs.categorical, "categorical")
    if task.inputs.text is not None:
        kinds |= dict.fromkeys((TEXT_LENGTH, TEXT_UNSEEN), "text")
    return kinds | {SCORE: "score"}


def examples_source(task: Task, table: Path, splits: tuple[str, ...]) -> Source:
    """The watched inputs of a task's example table; columns that the table lacks are left out.

    Raises:
        MonitoringError: the table cannot be read, or breaks its contract.
    """
    present = column_names(table, ["example_id", "split"])
    inputs, text = task.inputs, task.inputs.text or ""
    return Source(
        table,
        numeric=[name for name in inputs.numeric if name in present],
        categorical=[name for name in inputs.categorical if name in present],
        text=text if text in present else "",
        cluster=task.cluster if task.cluster in present else "",
        time="event_timestamp" if "event_timestamp" in present else "",
        id="example_id",
        where=_in_splits(splits),
    )


def predictions_source(table: Path, splits: tuple[str, ...]) -> Source:
    """The scores of a prediction table.

    Raises:
        MonitoringError: the table cannot be read, or breaks its contract.
    """
    column_names(table, ["example_id", "split", "cluster", "event_timestamp", SCORE])
    return Source(table, numeric=[SCORE], cluster="cluster", id="example_id", where=_in_splits(splits))


def _in_splits(splits: tuple[str, ...]) -> str:
    return f"split IN ({', '.join(repr(split) for split in splits)})"
