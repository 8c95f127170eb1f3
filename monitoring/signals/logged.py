"""Signals of the prediction log: the service, skew of its features, and labels that arrive for its answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc

from monitoring.signals.labels import watch_feedback, watch_outcomes
from monitoring.signals.rows import Found, cut
from monitoring.signals.service import log_rows, watch_service
from monitoring.signals.skew import store_lookup, watch_skew
from monitoring.signals.sources import Sources
from monitoring.signals.tables import ENTITIES, TaskRows, named_labels
from monitoring.window import Window
from polymart.config import Suite, Task

SLOW_MS = 300.0
"""Slow answers begin here where the suite's gates name no bound."""
BEFORE = 4
"""Windows before the first one that make the reference of the service."""


def watch_log(task: Task, rows: TaskRows, suite: Suite, spans: list[Window], sources: Sources) -> Iterator[Found]:
    """All that the log tells of one task.

    Raises:
        ServingError: there is no log in the folder.
        MonitoringError: the feature store cannot tell the features of the task.
    """
    assert sources.log is not None
    days = suite.monitoring.window_days
    answers = read_answers(sources.log, task.name, spans, days)
    if answers.empty:
        return
    served = log_rows(answers, spans, days)
    newest = answers["event_timestamp"].max().to_pydatetime()
    yield from watch_service(task, served, spans, newest, suite.gates.latency_ms or SLOW_MS)
    windows = cut(answers, spans)
    examples = pd.concat([rows.examples.reference, *rows.examples.windows], ignore_index=True)
    if sources.store is not None:
        households = examples["household_id"].unique().tolist() if "household_id" in examples else []
        yield from watch_skew(task, windows, store_lookup(sources.store, sources.key or b"", households))
    reference = rows.predictions.reference
    if reference.empty:
        return
    yield from watch_feedback(task, sources.log, reference, spans)
    keys = [name for name in ENTITIES if name in examples]
    if keys and task.label in examples and (sources.key is not None or "household_id" not in keys):
        known = _told(examples, task, rows.labels, sources.key)
        keys = ["household" if key == "household_id" else key for key in keys]
        yield from watch_outcomes(task, windows, known, keys, reference)


def read_answers(log: Path, task: str, spans: list[Window], days: int) -> pd.DataFrame:
    """A task's answers in the windows and shortly before them, without those of a shadow; ``cluster`` is who asked."""
    from serving.log.reading import read_log

    since, until = spans[0].start - BEFORE * timedelta(days=days), spans[-1].end
    answers = read_log(log, rows=pc.field("task") == task, since=since, until=until)
    answers = answers[answers["shadow"].astype("boolean").fillna(value=False) == False]  # noqa: E712 - a column
    return answers.assign(cluster=answers["household"].fillna(answers["prediction_id"]))


def _told(examples: pd.DataFrame, task: Task, labels: list[str] | None, key: bytes | None) -> pd.DataFrame:
    """Example rows as the log names them: households by pseudonym, labels by name."""
    from serving.log.render import pseudonym

    told = examples.assign(label=named_labels(examples[task.label], labels))
    if "household_id" in told and key is not None:
        names = {one: pseudonym(int(one), key) for one in told["household_id"].dropna().unique()}
        told["household"] = told["household_id"].map(names)
    return told
