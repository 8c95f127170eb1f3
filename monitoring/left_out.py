"""Which tasks are monitored, and one line for each that is not."""

from __future__ import annotations

from pathlib import Path

from monitoring.window import has_event_time, read_table
from polymart.config import Suite, Task
from polymart.errors import MonitoringError
from polymart.files import read_json


def tasks_with_time(examples: Path, predictions: Path, suite: Suite) -> tuple[list[Task], list[str]]:
    """Tasks that can be cut into windows, and a line for every other task.

    A task with a temporal split is monitored even if all event times are missing: that is broken data.

    Raises:
        MonitoringError: the folder holds no example table at all.
    """
    if not any(examples.glob("*.parquet")):
        raise MonitoringError(
            f"{examples} must hold one <task>.parquet per task, found none",
            remedy="give the examples folder that the retrieve_features step wrote",
        )
    timed, notes = [], []
    for task in suite.tasks:
        path = examples / f"{task.name}.parquet"
        if not path.is_file():
            notes.append(f"{task.name}: left out, no example table: {_skipped(examples, task.name)}")
        elif task.split is None and not has_event_time(read_table(path, [], ["event_timestamp"])):
            notes.append(f"{task.name}: left out, its rows have no event time, so there are no windows to compare")
        else:
            timed.append(task)
            if not (predictions / f"{task.name}.parquet").is_file():
                notes.append(f"{task.name}: no prediction table, so scores and labels were not compared")
    return timed, notes


def _skipped(examples: Path, name: str) -> str:
    path = examples / "examples.json"
    skipped = read_json(path).get("skipped", {}) if path.is_file() else {}
    return str(skipped.get(name, f"{name}.parquet is absent"))


def describe_left_out(examples: Path, suite: Suite) -> tuple[str, ...]:
    """A line for every example table that belongs to no task of the suite."""
    known = {task.name for task in suite.tasks}
    strays = sorted(path.stem for path in examples.glob("*.parquet") if path.stem not in known)
    return tuple(f"{name}: ignored, suite {suite.name!r} has no task of this name" for name in strays)
