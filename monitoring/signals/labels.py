"""Labels that arrive late, joined to logged answers: by prediction id from feedback, and by entity and time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from monitoring.performance import NAMING
from monitoring.signals.performance import watch_performance
from monitoring.signals.rows import Found, Rows, cut
from monitoring.window import Window
from polymart.config import Task

TOLERANCE = pd.Timedelta(days=7)
"""Longest time from a labelled moment to an answer that gets its label."""


def watch_feedback(task: Task, log: Path, reference: pd.DataFrame, spans: Sequence[Window]) -> Iterator[Found]:
    """Performance of answers that somebody reacted to (`serving.events.labels`).

    Args:
        task: the task.
        log: folder of the prediction log, with its feedback.
        reference: validation rows of the prediction table.
        spans: the windows' event times.
    """
    from serving.events.labels import late_labels

    # Without a label map what was taken stays a name, as predictions are.
    told = late_labels(log, {task.name: task.kind}, {}).get(task.name)
    if told is not None:
        yield from watch_performance(task, Rows(reference, cut(told, spans)), source="by feedback")


def watch_outcomes(
    task: Task,
    windows: Sequence[pd.DataFrame],
    examples: pd.DataFrame,
    keys: Sequence[str],
    reference: pd.DataFrame,
) -> Iterator[Found]:
    """Performance of answers whose outcome the example tables tell.

    Args:
        task: the task.
        windows: rows of the prediction log with ``cluster``.
        examples: example rows with ``keys``, ``event_timestamp`` and ``label``.
        keys: columns that name the entity in both.
        reference: validation rows of the prediction table.
    """
    labelled = tuple(_as_predicted(task, join_by_entity(part, examples, keys)) for part in windows)
    yield from watch_performance(task, Rows(reference, labelled), source="by outcome")


def _as_predicted(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """The log writes every prediction as text; a number is its score."""
    return rows if task.kind in NAMING else rows.assign(prediction=rows["score"])


def join_by_entity(
    answers: pd.DataFrame, labels: pd.DataFrame, keys: Sequence[str], tolerance: pd.Timedelta = TOLERANCE
) -> pd.DataFrame:
    """Answers with the label of the entity's last labelled moment before them.

    A label that was decided before the answer (``label_end``) does not count: the answer spoke of what came later.

    Args:
        answers: rows of the prediction log: ``keys`` and ``event_timestamp``.
        labels: label rows of the same columns, ``label`` and perhaps ``label_end``.
        keys: columns that name the entity.
        tolerance: longest time between the two.

    Returns:
        ``answers`` in its order, with ``label`` (missing where it is not known yet).
    """
    asked = answers.drop(columns="label", errors="ignore").reset_index(drop=True)
    known = labels.dropna(subset=[*keys, "event_timestamp", "label"])
    known = known[[name for name in (*keys, "event_timestamp", "label", "label_end") if name in known]]
    ready = asked.dropna(subset=[*keys, "event_timestamp"])
    if ready.empty or known.empty:
        return asked.assign(label=pd.Series(None, index=asked.index, dtype=object))
    ready, known = (_plain_keys(side, keys).sort_values("event_timestamp") for side in (ready.reset_index(), known))
    joined = pd.merge_asof(ready, known, on="event_timestamp", by=list(keys), tolerance=tolerance).set_index("index")
    label = joined["label"]
    if "label_end" in joined:
        label = label.where(joined["label_end"] > joined["event_timestamp"])
    return asked.assign(label=label.reindex(asked.index))


def _plain_keys(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Keys as text (a column with gaps holds floats, the same ids elsewhere are integers), times in one unit."""
    plain = {key: rows[key].map(_plain) for key in keys}
    return rows.assign(event_timestamp=rows["event_timestamp"].astype("datetime64[us]"), **plain)


def _plain(key: object) -> str:
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)
