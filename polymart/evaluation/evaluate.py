"""Score a checkpoint on the test examples of every task, against floor and classical baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from polymart.config import Suite, Task
from polymart.data.examples import read_examples, read_examples_index
from polymart.errors import DataError
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.bootstrap import Comparison, compare
from polymart.evaluation.classical import classical_scores
from polymart.evaluation.metric import Metric
from polymart.evaluation.metrics import METRICS_OF_KIND, metric_of
from polymart.evaluation.records import Evaluation, Score, TaskEvaluation
from polymart.evaluation.retrieval import TOP, bm25, retrieval_floor
from polymart.files import atomic_path
from polymart.model.predictor import Predictor
from polymart.tasks import TaskKind
from polymart.training.checkpoint import TaskState

Report = Callable[[str, int, int], None]
"""Called with (task, rows done, rows in all)."""


def evaluate_suite(
    examples: Path, checkpoint: Path, suite: Suite, predictions: Path, report: Report | None = None
) -> Evaluation:
    """Evaluate every trained task on its test rows and write validation and test predictions.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        checkpoint: checkpoint folder.
        suite: gates and seed.
        predictions: folder for ``<task>.parquet`` (see `prediction_table`).
        report: progress callback.

    Raises:
        DataError: a task has no test rows.
        CheckpointError: the checkpoint does not match its manifest.
    """
    predictor, index = Predictor.load(checkpoint), read_examples_index(examples)
    predictions.mkdir(parents=True, exist_ok=True)
    tasks = []
    for task in predictor.checkpoint.suite.tasks:
        state = predictor.checkpoint.tasks[task.name]
        frame = read_examples(examples, task.name)
        scored = frame[frame["split"].isin(("val", "test"))].reset_index(drop=True)
        advance = _advance(report, task.name, len(scored))
        scores_BO, label, prediction, score = _scored(predictor, task, scored, advance)
        with atomic_path(predictions / f"{task.name}.parquet") as path:
            table = prediction_table(task, scored, label, prediction, score)
            table.to_parquet(path, coerce_timestamps="us")
        kind, items = predictor.kinds[task.name], predictor.checkpoint.items.get(task.items or "")
        tasks.append(_evaluate_task(task, kind, frame, scored, scores_BO, state, items, suite))
    return Evaluation(
        suite=suite.name,
        checkpoint=predictor.checkpoint.digest,
        confidence=suite.gates.confidence,
        resamples=suite.gates.resamples,
        tasks=tasks,
        skipped=index.skipped,
    )


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
    scores = kind.metric_scores(_scored(predictor, task, test, None)[0])
    return TestRows(
        metric_of(task.metric, task.kind), kind.metric_label(test, task, labels), scores, test[task.cluster]
    )


def _scored(
    predictor: Predictor, task: Task, frame: pd.DataFrame, advance: Callable[[int], None] | None
) -> tuple[np.ndarray, pd.Series, np.ndarray, np.ndarray]:
    """What metrics read (scores, or the positions of the best items), and the columns label, prediction and score.

    Items are told by id: whoever reads the predictions has no item table.
    """
    if task.kind == "retrieval":
        ranked_BK, shares_BK = predictor.top_items(task.name, frame, TOP, advance=advance)
        ids_I = predictor.catalogues[task.name].ids_I
        return ranked_BK, frame[task.label].map(lambda items: ids_I[items]), ids_I[ranked_BK[:, 0]], shares_BK[:, 0]
    scores_BO = predictor.scores(task.name, frame, advance=advance)
    prediction, score = predictor.kinds[task.name].summary(scores_BO, predictor.checkpoint.tasks[task.name].labels)
    return scores_BO, frame[task.label], prediction, score


def prediction_table(
    task: Task, frame: pd.DataFrame, label: pd.Series, prediction: np.ndarray, score: np.ndarray
) -> pd.DataFrame:
    """Columns example_id, cluster, event_timestamp, split, label, prediction, score; what monitoring reads."""
    table = pd.DataFrame({"example_id": frame["example_id"].astype(str), "cluster": frame[task.cluster].astype(str)})
    table["event_timestamp"] = frame.get("event_timestamp", pd.NaT)
    table["event_timestamp"] = table["event_timestamp"].astype("datetime64[us]")
    return table.assign(split=frame["split"], label=label, prediction=prediction, score=score)


def _advance(report: Report | None, task: str, total: int) -> Callable[[int], None] | None:
    if report is None:
        return None
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        report(task, done, total)

    return advance


def _evaluate_task(
    task: Task,
    kind: TaskKind,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    scores_BO: np.ndarray,
    state: TaskState,
    items: pd.DataFrame | None,
    suite: Suite,
) -> TaskEvaluation:
    chosen = (scored["split"] == "test").to_numpy()
    if not chosen.any():
        raise DataError(
            f"task {task.name!r} has no test rows among {len(frame)}",
            remedy="move split.test_from, or bring data of that period",
        )
    train, val = (frame[frame["split"] == split] for split in ("train", "val"))
    test, scores = scored[chosen], kind.metric_scores(scores_BO[chosen])
    metric, label = metric_of(task.metric, task.kind), kind.metric_label(test, task, state.labels)

    def against(reference: np.ndarray) -> Comparison:
        return compare(
            metric,
            label,
            scores,
            reference,
            test[task.cluster],
            resamples=suite.gates.resamples,
            confidence=suite.gates.confidence,
            seed=suite.seed,
        )

    if items is not None:
        floor = against(retrieval_floor(task.floor)(task, train, test, items))
        classical = None if task.floor == "bm25" else ("bm25", bm25(task, train, test, items))
    else:
        floor = against(floor_of(task.floor)(task, train, test, state.labels))
        classical = classical_scores(task, train, val, test, state.labels, suite.seed)
    return TaskEvaluation(
        task=task.name,
        kind=task.kind,
        metric=task.metric,
        greater_is_better=metric.greater_is_better,
        score=Score(**asdict(floor.model)),
        floor=task.floor,
        floor_score=Score(**asdict(floor.reference)),
        gain=Score(**asdict(floor.difference)),
        gain_lower_bound=floor.lower_bound,
        baseline=classical[0] if classical else None,
        baseline_score=Score(**asdict(against(classical[1]).reference)) if classical else None,
        num_examples=len(test),
        num_clusters=floor.num_clusters,
        data_origin=state.data_origin,
        others={
            name: metric_of(name, task.kind).value(label, scores)
            for name in METRICS_OF_KIND[task.kind]
            if name != task.metric
        },
    )
