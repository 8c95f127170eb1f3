"""What a checkpoint says of the rows of an example table, as metrics read it.

Shape suffixes: B rows, S scores, K ranked items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from polymart.config import Task
from polymart.data.examples import read_examples
from polymart.evaluation.metric import Metric
from polymart.evaluation.metrics import metric_of
from polymart.evaluation.retrieval import TOP
from polymart.files import atomic_path
from polymart.model.predictor import Predictor

Advance = Callable[[int], None]
"""Called with the number of rows done after each batch."""


@dataclass(frozen=True)
class TestRows:
    """What a metric of a task's test rows is computed from."""

    metric: Metric
    label: np.ndarray
    scores: np.ndarray
    cluster: pd.Series


def score_test_rows(predictor: Predictor, task: Task, examples: Path) -> TestRows:
    """Scores and labels of a task's test rows, as its gated metric takes them.

    Raises:
        TableError: the folder holds no such table.
    """
    frame = read_examples(examples, task.name)
    test = frame[frame["split"] == "test"].reset_index(drop=True)
    kind, labels = predictor.kinds[task.name], predictor.checkpoint.tasks[task.name].labels
    scores = kind.metric_scores(predictions_of(predictor, task, test).scores)
    return TestRows(
        metric_of(task.metric, task.kind), kind.metric_label(test, task, labels), scores, test[task.cluster]
    )


@dataclass(frozen=True)
class Predictions:
    """A model's word on some rows, each of length B."""

    scores: np.ndarray
    """Scores on their natural scale (B, S), or positions of the best items of a retrieval task (B, K)."""
    prediction: np.ndarray
    """What was predicted, by name; items are told by id: who reads predictions has no item table."""
    score: np.ndarray
    """The score of that."""


def predictions_of(
    predictor: Predictor, task: Task, frame: pd.DataFrame, advance: Advance | None = None
) -> Predictions:
    """Score the rows of ``frame``."""
    if task.kind == "retrieval":
        ranked_BK, shares_BK = predictor.top_items(task.name, frame, TOP, advance=advance)
        return Predictions(ranked_BK, predictor.catalogues[task.name].ids_I[ranked_BK[:, 0]], shares_BK[:, 0])
    scores_BS = predictor.scores(task.name, frame, advance=advance)
    labels = predictor.checkpoint.tasks[task.name].labels
    return Predictions(scores_BS, *predictor.kinds[task.name].summary(scores_BS, labels))


def predictions_by_split(
    predictor: Predictor, task: Task, frame: pd.DataFrame, advance: Advance | None = None
) -> Predictions:
    """As `predictions_of`, but each split's rows in batches of their own.

    The last digits of a score depend on the rows it is computed beside. Rivals are scored on the test rows alone, so
    that a model held against itself gains exactly nothing only where the candidate's test rows are alone too.
    """
    rows_of = [np.flatnonzero(frame["split"] == split) for split in frame["split"].unique()]
    parts = [predictions_of(predictor, task, frame.iloc[rows], advance) for rows in rows_of]
    order = np.argsort(np.concatenate(rows_of))
    columns = zip(*((part.scores, part.prediction, part.score) for part in parts), strict=True)
    return Predictions(*(np.concatenate(column)[order] for column in columns))


def write_predictions(
    path: Path, predictor: Predictor, task: Task, frame: pd.DataFrame, predictions: Predictions
) -> None:
    """Write `prediction_table` as parquet, atomically."""
    label = frame[task.label]
    if task.kind == "retrieval":
        label = label.map(lambda items: predictor.catalogues[task.name].ids_I[items])
    with atomic_path(path) as temporary:
        table = prediction_table(task, frame, label, predictions.prediction, predictions.score)
        table.to_parquet(temporary, coerce_timestamps="us")


def prediction_table(
    task: Task, frame: pd.DataFrame, label: pd.Series, prediction: np.ndarray, score: np.ndarray
) -> pd.DataFrame:
    """Columns example_id, cluster, event_timestamp, split, label, prediction, score; what monitoring reads."""
    table = pd.DataFrame({"example_id": frame["example_id"].astype(str), "cluster": frame[task.cluster].astype(str)})
    table["event_timestamp"] = frame.get("event_timestamp", pd.NaT)
    table["event_timestamp"] = table["event_timestamp"].astype("datetime64[us]")
    return table.assign(split=frame["split"], label=label, prediction=prediction, score=score)


def rival_scores(rival: Predictor, candidate: Predictor, task: Task, frame: pd.DataFrame) -> np.ndarray | None:
    """What metrics of the candidate's task read of another model; None where it has no such task.

    The other model may know other labels or items: its answers are moved to the candidate's positions. A label that
    it does not know gets the score 0, an item that the candidate does not know can never be right.

    Raises:
        TableError: the other model reads a column that the example table lacks.
    """
    theirs = next((other for other in rival.checkpoint.suite.tasks if other.name == task.name), None)
    if theirs is None or (theirs.kind, theirs.label) != (task.kind, task.label):
        return None
    scores = predictions_of(rival, theirs, frame).scores
    if task.kind == "retrieval":
        return _moved(scores, rival.catalogues[task.name].ids_I, candidate.catalogues[task.name].ids_I)
    scores_BS = rival.kinds[task.name].metric_scores(scores)
    known, wanted = rival.checkpoint.tasks[task.name].labels, candidate.checkpoint.tasks[task.name].labels
    return scores_BS if known == wanted else _aligned(scores_BS, known or (), wanted or ())


def _moved(ranked_BK: np.ndarray, theirs_I: np.ndarray, ours_I: np.ndarray) -> np.ndarray:
    """Positions in their catalogue as positions in ours; an unknown item lies behind our last one."""
    place_I = pd.Index(ours_I).get_indexer(theirs_I)
    return np.where(place_I < 0, len(ours_I), place_I)[ranked_BK]


def _aligned(scores_BS: np.ndarray, known: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    aligned_BS = np.zeros((len(scores_BS), len(wanted)), scores_BS.dtype)
    place = pd.Index(known).get_indexer(pd.Index(wanted))
    aligned_BS[:, place >= 0] = scores_BS[:, place[place >= 0]]
    return aligned_BS
