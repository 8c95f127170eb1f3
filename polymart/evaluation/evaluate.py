"""Score a checkpoint on the test examples of every task, against floor and classical baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from polymart.config import Suite, Task
from polymart.data.examples import read_examples, read_examples_index
from polymart.errors import DataError
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.bootstrap import Comparison, compare
from polymart.evaluation.classical import classical_scores
from polymart.evaluation.metrics import METRICS, METRICS_OF_KIND, metric_of
from polymart.evaluation.records import Evaluation, Score, TaskEvaluation
from polymart.files import atomic_path
from polymart.model.predictor import Predictor
from polymart.tasks import kind_of

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
        scores_BO = predictor.scores(task.name, scored, advance=_advance(report, task.name, len(scored)))
        with atomic_path(predictions / f"{task.name}.parquet") as path:
            prediction_table(task, scored, scores_BO, state.labels).to_parquet(path, coerce_timestamps="us")
        tasks.append(_evaluate_task(task, frame, scored, scores_BO, state.labels, state.data_origin, suite))
    return Evaluation(
        suite=suite.name,
        checkpoint=predictor.checkpoint.digest,
        confidence=suite.gates.confidence,
        resamples=suite.gates.resamples,
        tasks=tasks,
        skipped=index.skipped,
    )


def prediction_table(
    task: Task, frame: pd.DataFrame, scores_BO: np.ndarray, labels: Sequence[str] | None
) -> pd.DataFrame:
    """Columns example_id, cluster, event_timestamp, split, label, prediction, score; what monitoring reads."""
    prediction, score = kind_of(task.kind).summary(scores_BO, labels)
    table = pd.DataFrame({"example_id": frame["example_id"].astype(str), "cluster": frame[task.cluster].astype(str)})
    table["event_timestamp"] = frame.get("event_timestamp", pd.NaT)
    table["event_timestamp"] = table["event_timestamp"].astype("datetime64[us]")
    return table.assign(split=frame["split"], label=frame[task.label], prediction=prediction, score=score)


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
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    scores_BO: np.ndarray,
    labels: list[str] | None,
    data_origin: str,
    suite: Suite,
) -> TaskEvaluation:
    chosen = (scored["split"] == "test").to_numpy()
    if not chosen.any():
        raise DataError(
            f"task {task.name!r} has no test rows among {len(frame)}",
            remedy="move split.test_from, or bring data of that period",
        )
    train, test, scores = frame[frame["split"] == "train"], scored[chosen], scores_BO[chosen]
    metric = metric_of(task.metric, task.kind)
    label = kind_of(task.kind).encode_labels(test[task.label], labels, task.name)

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

    floor = against(floor_of(task.floor)(task, train, test, labels))
    classical = classical_scores(task, train, test, labels, suite.seed)
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
        data_origin=data_origin,
        others={name: METRICS[name].value(label, scores) for name in METRICS_OF_KIND[task.kind] if name != task.metric},
    )
