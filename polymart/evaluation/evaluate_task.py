"""One task on its test rows: against its floor, the classical baseline, the champion and a model of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from polymart.config import Suite, Task
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.bootstrap import Bootstrap, Measured
from polymart.evaluation.calibration import calibration_of
from polymart.evaluation.classical import classical_scores
from polymart.evaluation.kept import Kept, Named
from polymart.evaluation.metric import Metric
from polymart.evaluation.metrics import METRICS_OF_KIND, metric_of
from polymart.evaluation.paired import margin_of
from polymart.evaluation.records import Rival, TaskEvaluation
from polymart.evaluation.retrieval import bm25, retrieval_floor
from polymart.evaluation.scoring import rival_scores
from polymart.evaluation.slices import Reference, Sliced, evaluate_slices
from polymart.model.predictor import Predictor
from polymart.tasks import TaskKind
from polymart.training.checkpoint import TaskState


@dataclass(frozen=True)
class ScoredTask:
    """A task's rows and what the candidate says of its test rows."""

    task: Task
    predictor: Predictor
    frame: pd.DataFrame
    """The rows of all splits."""
    test: pd.DataFrame
    scores: np.ndarray
    """Of the test rows, as `predictions_of` gives them."""
    kept: Kept
    """Where the scores of its classical baseline are kept."""

    @property
    def kind(self) -> TaskKind:
        return self.predictor.kinds[self.task.name]

    @property
    def state(self) -> TaskState:
        return self.predictor.checkpoint.tasks[self.task.name]

    @property
    def metric(self) -> Metric:
        return metric_of(self.task.metric, self.task.kind)

    @cached_property
    def label(self) -> np.ndarray:
        """As metrics take it."""
        return self.kind.metric_label(self.test, self.task, self.state.labels)

    @cached_property
    def metric_scores(self) -> np.ndarray:
        """As metrics take them."""
        return self.kind.metric_scores(self.scores)

    def split(self, name: str) -> pd.DataFrame:
        return self.frame[self.frame["split"] == name]


def evaluate_task(scored: ScoredTask, rivals: dict[str, tuple[str, Predictor]], suite: Suite) -> TaskEvaluation:
    """Measure one task; every comparison shares the same resamples.

    Args:
        scored: the task with the candidate's scores.
        rivals: ``champion`` and ``single_task``, where there are such: name shown and model.
        suite: gates and seed.
    """
    task, metric, gates = scored.task, scored.metric, suite.gates
    bootstrap = Bootstrap(
        scored.test[task.cluster], resamples=gates.resamples, confidence=gates.confidence, seed=suite.seed
    )
    model = bootstrap.measure(metric, scored.label, scored.metric_scores)
    floor_scores, classical = _references(scored, suite)
    floor = bootstrap.compare(metric, model, bootstrap.measure(metric, scored.label, floor_scores))
    baseline = bootstrap.measure(metric, scored.label, classical[1]) if classical else None
    arms = {field: _rival(scored, bootstrap, model, name, predictor) for field, (name, predictor) in rivals.items()}
    compared = {field: arm for field, arm in arms.items() if arm}
    reference = Reference(task.floor, floor_scores, task.margin)
    if "champion" in compared:
        record, theirs = compared["champion"]
        reference = Reference(record.name, theirs, record.margin)
    rows = Sliced(metric, scored.label, scored.metric_scores, bootstrap)
    slices, gaps = evaluate_slices(task.slices, scored.test, rows, reference, gates.min_examples)
    return TaskEvaluation(
        task=task.name,
        kind=task.kind,
        metric=task.metric,
        greater_is_better=metric.greater_is_better,
        score=floor.model,
        score_bound=bootstrap.bound(metric, model),
        floor=task.floor,
        floor_score=floor.reference,
        gain=floor.difference,
        gain_lower_bound=floor.lower_bound,
        baseline=classical[0] if classical else None,
        baseline_score=bootstrap.interval(baseline) if baseline else None,
        **{field: record for field, (record, _) in compared.items()},
        slices=slices,
        gaps=gaps,
        calibration=calibration_of(task.kind, scored.label, scored.scores, scored.state.target.temperature, bootstrap),
        num_examples=len(scored.test),
        num_clusters=floor.num_clusters,
        data_origin=scored.state.data_origin,
        others={
            name: metric_of(name, task.kind).value(scored.label, scored.metric_scores)
            for name in METRICS_OF_KIND[task.kind]
            if name != task.metric
        },
    )


def _references(scored: ScoredTask, suite: Suite) -> tuple[np.ndarray, Named | None]:
    """Scores of the floor, and name and scores of the classical baseline where the kind has one."""
    task, labels, test = scored.task, scored.state.labels, scored.test
    train, items = scored.split("train"), scored.predictor.checkpoint.items.get(task.items or "")
    if items is not None:
        floor = retrieval_floor(task.floor)(task, train, test, items)
        if task.floor == "bm25":
            return floor, None
        return floor, scored.kept.scores(task, None, suite.seed, lambda: ("bm25", bm25(task, train, test, items)))
    classical = scored.kept.scores(
        task,
        labels,
        suite.seed,
        lambda: classical_scores(task, train, scored.split("val"), test, labels, suite.seed),
    )
    return floor_of(task.floor)(task, train, test, labels), classical


def _rival(
    scored: ScoredTask, bootstrap: Bootstrap, model: Measured, name: str, predictor: Predictor
) -> tuple[Rival, np.ndarray] | None:
    """Another model's record and its scores; None where it has no such task."""
    task = scored.task
    theirs = rival_scores(predictor, scored.predictor, task, scored.test)
    if theirs is None:
        return None
    measured = bootstrap.measure(scored.metric, scored.label, theirs)
    found = bootstrap.compare(scored.metric, model, measured)
    record = Rival(
        name=name,
        checkpoint=predictor.checkpoint.digest,
        score=found.reference,
        gain=found.difference,
        gain_lower_bound=found.lower_bound,
        margin=task.regression_margin or margin_of(task.metric, np.array([measured.value])),
    )
    return record, theirs
