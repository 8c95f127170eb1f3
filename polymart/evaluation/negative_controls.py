"""Two controls with labels that are known to be wrong: shuffled ones, and those of the window before.

Both train linear heads (ridge regression) on all that a task reads but label histories: the trunk's vectors of its
texts, its pictures shrunk to a few pixels, its numbers and categories.

Shape suffixes: B rows, D inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from polymart.config import Suite, Task
from polymart.evaluation.baselines import floor_of
from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.classical import columns_of, linear_columns
from polymart.evaluation.encodings import encode_texts
from polymart.evaluation.metrics import METRICS, metric_of
from polymart.evaluation.records import LeakageFinding
from polymart.model.image import decode_images
from polymart.model.predictor import Predictor
from polymart.tasks import kind_of

SHUFFLES = 20
SHUFFLE_CONFIDENCE = 0.999
"""Of the bound over shuffles: among the twenty tasks of a suite no honest one may be accused once in fifty runs."""
THUMBNAIL = 8
"""Pixels of each side of a picture."""
SHIFT_METRICS = {"binary": "roc_auc", "multiclass": "accuracy", "count": "wape", "regression": "pearson"}
"""Kinds whose label may be told of another time, and the metric without units in which both times are compared."""
SHIFT_CONFIDENCE, SHIFT_LIMIT = 0.99, 0.02
"""Of the bound over clusters, and by how much it may let the window to come be told better than the one before."""


def shuffled_labels(
    task: Task, predictor: Predictor, train: pd.DataFrame, test: pd.DataFrame, seed: int
) -> LeakageFinding:
    """Heads trained on shuffled labels must do no better than the floor, nor than their own scores dealt at random.

    A single head of shuffled labels says little: its direction is random, and where the features agree (who comes
    often also buys much) a random direction may rank as well as a trained one, or as badly. So the mean over many
    shuffles is bounded. Chance is a reference beside the floor because for some metrics a floor lies below it: one
    class for everybody has half the macro F1 of guesses of every class.

    What it shows: nothing that has not seen the labels gets past metric and floor. It fires where a metric rewards
    scores that follow the features in any direction, or where the evaluation hands labels on. What the features know
    it cannot show, for the heads never learn it; the other probes ask that.
    """
    kind, labels = predictor.kinds[task.name], predictor.checkpoint.tasks[task.name].labels
    metric, generator = metric_of(task.metric, task.kind), np.random.default_rng(seed)
    sign = 1.0 if metric.greater_is_better else -1.0
    label = kind.metric_label(test, task, labels)
    floor = sign * metric.value(label, floor_of(task.floor)(task, train, test, labels))
    x, x_test = inputs_of(task, predictor, train, test)
    target, gains = _targets(task, train[task.label], labels), []
    for _ in range(SHUFFLES):
        scores = _head(task, x, generator.permutation(target), x_test)
        dealt = sign * metric.value(label, generator.permutation(scores))
        gains.append(sign * metric.value(label, scores) - max(floor, dealt))
    error = np.std(gains, ddof=1) / np.sqrt(SHUFFLES)
    bound = float(np.mean(gains) - stats.t.ppf(SHUFFLE_CONFIDENCE, SHUFFLES - 1) * error)
    return LeakageFinding(
        probe="shuffled_labels",
        number=bound,
        limit=0.0,
        leaks=bound > 0,
        rule=f"{SHUFFLE_CONFIDENCE:.1%} lower bound of the mean gain in {task.metric} over {task.floor} and over chance"
        f", of {SHUFFLES} heads trained on shuffled labels, <= 0",
    )


def shifted_labels(
    task: Task, predictor: Predictor, learnt: pd.DataFrame, scored: pd.DataFrame, suite: Suite
) -> LeakageFinding:
    """The features must tell the label of the window before about as well as that of the window to come, or better.

    At the time of a decision the features have seen the window before; the one to come they have not. Where a head
    that learns the label to come does better than the same head that learns the label before, on the same rows, the
    features have seen the window to come: a join that reads one window late, a count that includes its own event.

    What it cannot show: features that know the future honestly (a calendar of offers) are accused; a leak into one of
    many columns that all know the past well may stay unseen. See docs/gates.md for what it found on the shop's tables.

    Args:
        task: a task of one of `SHIFT_METRICS`.
        predictor: its trunk encodes the texts.
        learnt: rows that the heads learn from, with the column ``label_before`` (see `labels_before`).
        scored: rows of other clusters and the same period.
        suite: number of resamples and seed.
    """
    name = SHIFT_METRICS[task.kind]
    metric, labels = METRICS[name], predictor.checkpoint.tasks[task.name].labels
    x, x_scored = inputs_of(task, predictor, learnt, scored)
    bootstrap = Bootstrap(
        scored[task.cluster], resamples=suite.gates.resamples, confidence=SHIFT_CONFIDENCE, seed=suite.seed
    )
    to_come, before = (
        bootstrap.measure(
            metric,
            kind_of(task.kind).encode_labels(scored[column], labels, task.name),
            _head(task, x, _targets(task, learnt[column], labels), x_scored),
        )
        for column in (task.label, "label_before")
    )
    bound = bootstrap.compare(metric, to_come, before).lower_bound
    return LeakageFinding(
        probe="shifted_labels",
        number=bound,
        limit=SHIFT_LIMIT,
        leaks=bound > SHIFT_LIMIT,
        rule=f"{SHIFT_CONFIDENCE:.0%} lower bound of how much better ({name}) the window to come is told than the one "
        f"before <= {SHIFT_LIMIT:g}",
    )


def labels_before(task: Task, frame: pd.DataFrame) -> pd.Series:
    """The label of the same entity whose window ended last before each decision, by at most the length of a window.

    Missing where there is none; an entity is all columns that end in ``_id``, and the cluster.

    Args:
        task: the task.
        frame: rows of all splits with ``event_timestamp`` (the decision) and ``label_end``.
    """
    times = frame[["event_timestamp", "label_end"]].astype("datetime64[us]")
    frame = frame.assign(**times)
    ids = [name for name in frame.columns if name.endswith("_id") and name != "example_id"]
    keys = list(dict.fromkeys([*ids, task.cluster]))
    decisions = frame[[*keys, "event_timestamp"]].rename_axis("row").reset_index().sort_values("event_timestamp")
    known = frame[[*keys, "label_end"]].assign(label_before=frame[task.label]).sort_values("label_end")
    window = pd.Timedelta((frame["label_end"] - frame["event_timestamp"]).median())
    joined = pd.merge_asof(decisions, known, left_on="event_timestamp", right_on="label_end", by=keys, tolerance=window)
    return joined.set_index("row")["label_before"].reindex(frame.index)


def inputs_of(
    task: Task, predictor: Predictor, train: pd.DataFrame, test: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """What a linear head reads of training and test rows, shape (B, D) each, on the scale of the training rows."""
    inputs, frame, parts = task.inputs, pd.concat([train, test]), []
    if inputs.numeric or inputs.categorical:
        columns = linear_columns(inputs).set_output(transform="default").fit(columns_of(train, inputs))
        parts.append(columns.transform(columns_of(frame, inputs)))
    if encoded := encode_texts(predictor, task.name, frame):
        text_BD = encoded.vectors_UD[encoded.text_index_B]
        pair_BD = 1.0 if encoded.pair_index_B is None else encoded.vectors_UD[encoded.pair_index_B]
        parts.append(text_BD * pair_BD)
    if inputs.image:
        parts.append(decode_images(frame[inputs.image], THUMBNAIL).reshape(len(frame), -1))
    dense = [part.toarray() if hasattr(part, "toarray") else part for part in parts]
    x_BD = np.concatenate(dense, 1) if dense else np.zeros((len(frame), 1))
    x_BD = StandardScaler().fit(x_BD[: len(train)]).transform(x_BD)
    return x_BD[: len(train)], x_BD[len(train) :]


def _targets(task: Task, column: pd.Series, labels: Sequence[str] | None) -> np.ndarray:
    """Labels as ridge regression learns them, shape (B, O)."""
    target = kind_of(task.kind).encode_labels(column, labels, task.name)
    if task.kind == "multiclass":
        return np.eye(len(labels or ()))[target]
    return (np.log1p(target) if task.kind == "count" else target).reshape(len(target), -1)


def _head(task: Task, x_BD: np.ndarray, target_BO: np.ndarray, x_test_BD: np.ndarray) -> np.ndarray:
    """Scores of the test rows as metrics read them, shape (B, O)."""
    scores_BO = Ridge(alpha=10.0).fit(x_BD, target_BO).predict(x_test_BD).reshape(len(x_test_BD), -1)
    if task.kind == "count":
        return np.expm1(scores_BO.clip(0, 20))
    # A tag applies from 0.5; here it shall from its base rate.
    return scores_BO - target_BO.mean(0) + 0.5 if task.kind == "tagging" else scores_BO
