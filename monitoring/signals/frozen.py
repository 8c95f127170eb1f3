"""Frozen features: values that no longer change from one row of a customer to the next.

A pipe that broke serves yesterday's values for ever: their distribution hardly moves, so PSI is blind for weeks. What
moves at once is the share of rows whose value equals the one in the row before of whom the row is about: a household
with a category where rows of the pair come back, else the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows
from monitoring.signals.tables import ENTITIES
from polymart.config import Task

FLOOR = 0.1
"""Rise of the share of unchanged values that matters."""
COMES_BACK = 0.1
"""Least share of the reference rows that have a row before of the same entities, for these to be compared."""


def watch_frozen(task: Task, rows: Rows) -> Iterator[Found]:
    """Signals of the numeric inputs of tasks whose clusters come back.

    Args:
        task: the task.
        rows: example rows with event times.
    """
    parts = [rows.reference, *rows.windows]
    columns = [name for name in task.inputs.numeric if rows.has(name)]
    numbered = [part.assign(part=number) for number, part in enumerate(parts)]
    dated = pd.concat(numbered, ignore_index=True).dropna(subset=["event_timestamp"])
    if dated.empty or not columns:
        return
    about = _about(rows)
    dated = dated.sort_values([*about, "event_timestamp"], kind="stable")
    again = (dated[about] == dated[about].shift()).all(axis=1)
    for column in columns:
        value = dated[column]
        both = again & value.notna() & value.shift().notna()
        compared = dated.assign(same=(value == value.shift()).astype(float).where(both))
        cut = [compared[compared["part"] == number] for number in range(len(parts))]
        pairs = Rows(cut[0], tuple(cut[1:]))
        for number, change in compare_means(pairs, "same", FLOOR, sign=1):
            yield (
                number,
                Signal(name="unchanged values", kind="frozen", task=task.name, column=column, **change._asdict()),
            )


def _about(rows: Rows) -> list[str]:
    """Columns that name whom a row is about."""
    entities = ["cluster", *(name for name in ENTITIES if rows.has(name))]
    return entities if rows.reference.duplicated(entities).mean() >= COMES_BACK else ["cluster"]
