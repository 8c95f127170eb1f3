"""Score a checkpoint on the test examples of every task, against its floors and the models that it must hold up to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polymart.config import Suite, Task
from polymart.data.example_index import read_examples, read_examples_index, task_digest
from polymart.errors import DataError
from polymart.evaluation.evaluate_task import ScoredTask, evaluate_task
from polymart.evaluation.feature_age import feature_ages
from polymart.evaluation.integrity import open_checkpoint
from polymart.evaluation.kept import Kept
from polymart.evaluation.latency import measure_latency, requests_of, size_mb
from polymart.evaluation.leakage import find_leaks
from polymart.evaluation.records import Evaluation
from polymart.evaluation.rivals import Champion
from polymart.evaluation.scoring import Advance, predictions_by_split, write_predictions
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import checkpoint_digest

Report = Callable[[str, int, int], None]
"""Called with (task, rows done, rows in all)."""


def evaluate_suite(
    examples: Path,
    checkpoint: Path,
    suite: Suite,
    predictions: Path,
    report: Report | None = None,
    *,
    champion: Champion | None = None,
    baselines: Path | None = None,
    kept: Path | None = None,
) -> Evaluation:
    """Evaluate every trained task on its test rows and write validation and test predictions.

    A checkpoint with a defect is not scored: the evaluation then tells the defects and no task.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        checkpoint: checkpoint folder.
        suite: tasks as they are to be measured, gates and seed.
        predictions: folder for ``<task>.parquet`` (see `prediction_table`).
        report: progress callback.
        champion: the model of the release that runs; scored on the same test rows.
        baselines: folder with ``<task>/``, a checkpoint of that task alone; scored on the same test rows.
        kept: folder that keeps what every candidate meets again (scores of classical baselines); None keeps nothing.

    Raises:
        DataError: a task has no test rows.
        CheckpointError: the checkpoint of a champion or baseline does not match its manifest.
    """
    predictions.mkdir(parents=True, exist_ok=True)
    predictor, defects = open_checkpoint(checkpoint, examples, suite)
    evaluation = Evaluation(
        suite=suite.name,
        checkpoint=checkpoint_digest(checkpoint),
        confidence=suite.gates.confidence,
        resamples=suite.gates.resamples,
        tasks=[],
        champion=champion.release if champion else "",
        defects=defects,
        size_mb=size_mb(checkpoint),
        feature_age=feature_ages(examples, suite),
        skipped=read_examples_index(examples).skipped,
    )
    if predictor is None:
        return evaluation
    released = champion.load() if champion else None
    tasks, requests = [], {}
    for name in [task.name for task in predictor.checkpoint.suite.tasks]:
        task = suite.task(name)
        scored = _score(predictor, task, examples, predictions, Kept(kept, task_digest(examples, task)), report)
        rivals = {"champion": (champion.release, released)} if champion and released else {}
        if baselines and (baselines / name).is_dir():
            rivals["single_task"] = ("single_task", Predictor.load(baselines / name))
        leakage = find_leaks(examples, task, predictor, suite) if suite.gates.leakage else []
        tasks.append(evaluate_task(scored, rivals, suite).model_copy(update={"leakage": leakage}))
        requests[name] = requests_of(scored.test, suite.seed)
    return evaluation.model_copy(update={"tasks": tasks, "latency": measure_latency(predictor, requests)})


def _score(
    predictor: Predictor, task: Task, examples: Path, predictions: Path, kept: Kept, report: Report | None
) -> ScoredTask:
    """Score validation and test rows, and write what was predicted."""
    frame = read_examples(examples, task.name)
    if not frame["split"].eq("test").any():
        raise DataError(
            f"task {task.name!r} has no test rows among {len(frame)}",
            remedy="move split.test_from, or bring data of that period",
        )
    scored = frame[frame["split"].isin(("val", "test"))].reset_index(drop=True)
    found = predictions_by_split(predictor, task, scored, _advance(report, task.name, len(scored)))
    write_predictions(predictions / f"{task.name}.parquet", predictor, task, scored, found)
    chosen = scored["split"].eq("test").to_numpy()
    return ScoredTask(task, predictor, frame, scored[chosen].reset_index(drop=True), found.scores[chosen], kept)


def _advance(report: Report | None, task: str, total: int) -> Advance | None:
    if report is None:
        return None
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        report(task, done, total)

    return advance
