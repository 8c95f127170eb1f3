"""Missing values, categories never seen, and categories that vanished: a renamed category leaves both of the latter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from monitoring.psi import CHANCE
from monitoring.schema import Signal
from monitoring.signals.means import Change, compare_means
from monitoring.signals.rows import Found, Rows
from polymart.config import Task

MISSING_FLOOR = 0.05
"""Rise of a column's missing share that matters; `monitoring.quality` calls the data broken from four times this."""
UNSEEN_FLOOR = 0.02
"""Rise of the share of unseen categories that matters."""
VANISHED_FLOOR = 0.05
"""Share of the reference whose categories may be gone."""
COVERED = 0.8
"""Share of the days of the reference's windows that a window must cover before a category may be missed."""
SHOWN = 3


def watch_categories(task: Task, rows: Rows) -> Iterator[Found]:
    """Missing shares of all inputs; unseen and vanished names of the categorical ones.

    Args:
        task: the task.
        rows: example rows; ``split`` tells the training rows, whose categories are known.
    """
    inputs = task.inputs
    named = [inputs.text, inputs.text_pair, inputs.image, *inputs.numeric, *inputs.categorical]
    for column in (name for name in named if name is not None and rows.has(name)):
        for number, change in compare_means(_absent(rows, column), "absent", MISSING_FLOOR, sign=1):
            yield (
                number,
                Signal(name="missing share", kind="missing", task=task.name, column=column, **change._asdict()),
            )
        if column in inputs.categorical:
            yield from _watch_names(task.name, column, rows)


def _absent(rows: Rows, column: str) -> Rows:
    return rows.map(lambda part: part.assign(absent=part[column].isna().astype(float)))


def _watch_names(task: str, column: str, rows: Rows) -> Iterator[Found]:
    train = rows.reference["split"] == "train"
    known = set(rows.reference.loc[train, column].dropna().astype(str))
    if not known:
        return
    named = rows.map(lambda part: part[part[column].notna()].assign(name=lambda kept: kept[column].astype(str)))
    marked = named.map(lambda part: part.assign(unseen=(~part["name"].isin(known)).astype(float)))
    for number, change in compare_means(marked.held_out, "unseen", UNSEEN_FLOOR, sign=1):
        window = marked.windows[number]
        new = window.loc[window["unseen"] == 1, "name"].value_counts().index[:SHOWN]
        change = change._replace(note=change.note or _listed(new, "new"))
        yield number, Signal(name="unseen categories", kind="categories", task=task, column=column, **change._asdict())
    for number, change in _vanished(named):
        signal = Signal(name="vanished categories", kind="categories", task=task, column=column, **change._asdict())
        yield number, signal


def _vanished(rows: Rows) -> Iterator[tuple[int, Change]]:
    """The share of the reference whose categories are gone though chance would have shown them.

    A category of share p is missed by n clusters with a chance of (1 - p)^n; only those count whose chance, times the
    number of categories, is below `CHANCE`, and which no window of the reference lacked.
    """
    share = rows.reference["name"].value_counts(normalize=True)
    usual = [_days(part) for part in rows.past_windows]
    steady = [name for name in share.index if all(name in set(part["name"]) for part in rows.past_windows)]
    for number, window in enumerate(rows.windows):
        clusters = window["cluster"].nunique()
        expected = [name for name in steady if (1 - share[name]) ** clusters * len(share) < CHANCE]
        over = not usual or _days(window) >= COVERED * float(np.median(usual))
        if not (expected and over):
            note = "too few rows to miss any category" if over else "too few days to miss any category"
            yield number, Change(None, None, None, None, len(window), note)
            continue
        gone = share[expected][~share[expected].index.isin(window["name"])]
        lost = float(gone.sum())
        yield number, Change(lost, VANISHED_FLOOR, lost, 0.0, len(window), _listed(gone.index[:SHOWN], "gone"))


def _days(rows: pd.DataFrame) -> float:
    """Days from the first to the last row; a window that has just begun has seen no Sunday yet."""
    times = rows["event_timestamp"]
    return (times.max() - times.min()) / pd.Timedelta(days=1) if len(times.dropna()) else 0.0


def _listed(names: pd.Index, what: str) -> str:
    return f"{what}: {', '.join(str(name)[:40] for name in names)}" if len(names) else ""
