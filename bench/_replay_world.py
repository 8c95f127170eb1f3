"""The shop week by week: example and prediction tables, and what a monitoring pass of some week finds of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from polymart.config import Suite, Task
from polymart.data.examples import read_examples
from polymart.evaluation.scoring import predictions_of, write_predictions
from polymart.files import atomic_folder
from polymart.model.predictor import Predictor

START = pd.Timestamp("2017-06-05")
"""Monday of the first watched week."""
REFERENCE_WEEKS = 22
"""Weeks before ``START`` that the reference covers: 2017-01-02 to 2017-06-04."""
NUM_WEEKS = 30
WEEK = pd.Timedelta(days=7)
REVIEWS_A_WEEK = 150
SEED = 17


def week_end(number: int) -> pd.Timestamp:
    """First moment after the watched week ``number``, counted from 0."""
    return START + (number + 1) * WEEK


@dataclass(frozen=True)
class World:
    """Everything that happened, and what the model said of it.

    Attributes:
        suite: tasks and monitoring policy.
        index: ``examples.json``, which holds the label maps.
        examples: task to its rows; dates of undated tasks are the drill's own.
        predictions: task to its prediction table; training rows are there, but monitoring never reads them.
    """

    suite: Suite
    index: Path
    examples: Mapping[str, pd.DataFrame]
    predictions: Mapping[str, pd.DataFrame]

    def only(self, *tasks: str) -> World:
        """The same world with some of its tasks."""
        return replace(self, suite=self.suite.model_copy(update={"tasks": [self.suite.task(name) for name in tasks]}))

    def with_rows(self, task: str, examples: pd.DataFrame, predictions: pd.DataFrame) -> World:
        """Other rows of one task."""
        return replace(
            self,
            examples={**self.examples, task: examples},
            predictions={**self.predictions, task: predictions},
        )

    def write(self, until: pd.Timestamp, folder: Path) -> None:
        """Write ``examples/`` and ``predictions/`` as they lie at ``until``: later rows and labels are unknown."""
        with atomic_folder(folder) as temporary:
            for part in ("examples", "predictions"):
                (temporary / part).mkdir()
            shutil.copy(self.index, temporary / "examples" / "examples.json")
            for task in self.suite.tasks:
                ends = label_ends(self.examples[task.name])
                for part, rows, label in (
                    ("examples", self.examples[task.name], task.label),
                    ("predictions", self.predictions[task.name], "label"),
                ):
                    known = rows[(rows["split"] != "test") | (rows["event_timestamp"] < until)]
                    late = known["example_id"].astype(str).map(ends).ge(until) & known["split"].eq("test")
                    table = known.assign(**{label: known[label].mask(late)}).drop(columns=_unwatched(known))
                    table.to_parquet(temporary / part / f"{task.name}.parquet", coerce_timestamps="us")


def _unwatched(rows: pd.DataFrame) -> list[str]:
    """Columns of lists other than the label: the model reads them, monitoring does not."""
    return [name for name in rows if name in ("category_ids", "category_count", "category_decayed", "category_gap")]


def label_ends(examples: pd.DataFrame) -> pd.Series:
    """When each example's label is known, by example id; empty where it is known at once."""
    if "label_end" not in examples:
        return pd.Series(dtype="datetime64[us]")
    return pd.Series(examples["label_end"].to_numpy(), index=examples["example_id"].astype(str))


def build_world(suite: Suite, examples: Path, predictor: Predictor, folder: Path) -> World:
    """Read the example tables, date what has no dates, and predict what was not predicted before.

    Args:
        suite: tasks to watch.
        examples: folder of their example tables.
        predictor: the model.
        folder: keeps the prediction tables.
    """
    tables, predictions = {}, {}
    for task in suite.tasks:
        rows = read_examples(examples, task.name)
        said = predict(predictor, task, rows, folder / f"{task.name}.parquet")
        if task.split is None:
            rows, said = dated(rows, said)
        predictions[task.name] = said
        tables[task.name] = rows[rows["event_timestamp"] < week_end(NUM_WEEKS - 1)]
    return World(suite, examples / "examples.json", tables, predictions)


def predict(predictor: Predictor, task: Task, rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The prediction table of ``rows``, kept at ``path``: the second time it is only read."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(path, predictor, task, rows, predictions_of(predictor, task, rows))
    return pd.read_parquet(path)


def dated(rows: pd.DataFrame, said: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a task without dates and their predictions, with dates that the drill gives.

    Test rows come again and again in the watched weeks, drawn with replacement; all others are spread evenly over the
    reference's weeks.
    """
    rng = np.random.default_rng(SEED)
    test = rows[rows["split"] == "test"].sample(NUM_WEEKS * REVIEWS_A_WEEK, replace=True, random_state=SEED)
    known = rows[rows["split"] != "test"]
    moments = START + WEEK / REVIEWS_A_WEEK * np.arange(len(test))
    before = START - REFERENCE_WEEKS * WEEK * rng.uniform(0, 1, len(known))
    out = pd.concat([known, test], ignore_index=True)
    source = out["example_id"].astype(str)
    times = pd.Series([*before, *moments]).astype("datetime64[us]")
    out = out.assign(example_id=source + "-" + out.index.astype(str), event_timestamp=times.to_numpy())
    return out, retold(said, source, out)


def retold(said: pd.DataFrame, source: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
    """The predictions of the examples ``source`` as those of ``rows``, which are the same at other times."""
    found = said.set_index("example_id").loc[source].reset_index(drop=True)
    told = {name: rows[name].to_numpy() for name in ("example_id", "event_timestamp", "split")}
    return found.assign(**told)
