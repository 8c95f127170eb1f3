"""Rows of a small shop with customers who come back, for signals: reference of 24 weeks, 9 windows of 14 days."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.gather import gather_signals
from monitoring.signals.mix import mark_new
from monitoring.signals.rows import Rows, cut
from monitoring.signals.sources import Sources
from monitoring.signals.tables import TaskRows
from monitoring.window import Window
from polymart.config import Inputs, Slice, Suite, Task

START, DAYS, REFERENCE_WEEKS, NUM_WINDOWS = datetime(2024, 1, 1), 14, 24, 9
FIRST = START + timedelta(weeks=REFERENCE_WEEKS)
SPANS = [Window(FIRST + n * timedelta(days=DAYS), FIRST + (n + 1) * timedelta(days=DAYS)) for n in range(NUM_WINDOWS)]
NEWEST = NUM_WINDOWS - 1
TASK = Task(
    name="returns",
    kind="binary",
    source="returns",
    inputs=Inputs(text="review", numeric=["price", "visits"], categorical=["aisle"]),
    metric="roc_auc",
    floor="majority",
    cluster="household_id",
    slices=[Slice(name="age", column="age")],
)
SUITE = Suite(name="tiny", tasks=[TASK])
TEXT = "the of and shoe shirt is was good bad very in red blue fits well too small not a it with soft"
WORDS = np.array(re.findall(r"\w+", TEXT))
Change = Callable[[pd.DataFrame, pd.Series], object]


def make_rows(seed: int = 0, households: int = 150) -> pd.DataFrame:
    """One row a household and week; ``score`` is the chance of ``label``."""
    random = np.random.default_rng(seed)
    weeks = REFERENCE_WEEKS + 2 * NUM_WINDOWS
    count = households * weeks
    household = np.tile(np.arange(households), weeks)
    week = np.repeat(np.arange(weeks), households)
    times = pd.Timestamp(START) + pd.to_timedelta(week * 7 * 86_400 + random.integers(0, 7 * 86_400, count), unit="s")
    usual_price = random.lognormal(1, 0.5, households)
    score = random.beta(2, 3, count)
    return pd.DataFrame({
        "example_id": [f"e{n:06d}" for n in range(count)],
        "household_id": household,
        "cluster": household,
        "event_timestamp": times,
        "split": np.select([week < REFERENCE_WEEKS - 8, week < REFERENCE_WEEKS], ["train", "val"], "test"),
        "price": usual_price[household] * random.lognormal(0, 0.3, count),
        "visits": random.poisson(4, count).astype(float),
        "aisle": random.choice(["dairy", "bread", "wine", "tea"], count, p=[0.4, 0.3, 0.2, 0.1]),
        "age": random.choice(["young", "old"], households)[household],
        "review": [" ".join(random.choice(WORDS, random.integers(4, 12))) for _ in range(count)],
        "score": score,
        "prediction": score,
        "label": (random.random(count) < score).astype(float),
    })  # fmt: skip


def since(rows: pd.DataFrame, windows: int) -> pd.Series:
    """Rows of the newest ``windows`` windows."""
    return rows["event_timestamp"] >= SPANS[NUM_WINDOWS - windows].start


def task_rows_of(rows: pd.DataFrame) -> TaskRows:
    """The rows as the pass reads them from tables."""
    rows = mark_new(rows)
    current = rows[rows["split"] == "test"]
    windows = cut(current, SPANS)
    return TaskRows(
        examples=Rows.of(rows[rows["split"] != "test"], windows, DAYS),
        predictions=Rows.of(rows[rows["split"] == "val"], windows, DAYS),
        moments=tuple(part["event_timestamp"] for part in windows),
        newest=current["event_timestamp"].max().to_pydatetime(),
        labels=None,
    )


def watched(change: Change | None = None, windows: int = 2, seed: int = 0) -> list[tuple[Signal, ...]]:
    """All signals of all windows, after ``change(rows, chosen)`` of the newest ``windows`` windows."""
    rows = make_rows(seed)
    if change is not None:
        changed = change(rows, since(rows, windows))
        rows = changed if isinstance(changed, pd.DataFrame) else rows
    return gather_signals(TASK, task_rows_of(rows), SUITE, SPANS, Sources())


def moved(signals: tuple[Signal, ...]) -> set[str]:
    """Titles of the signals that moved."""
    return {signal.title for signal in signals if signal.moved}
