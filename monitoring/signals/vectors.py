"""Drift of vectors: what the shared encoder, or the shared image tower, makes of texts and pictures.

Two tests on a sample of each window and of the reference:

- *mean distance*: the distance of the two mean vectors, in units of the reference's total standard deviation. Its
  bound is the quantile of a gamma law that has the mean and variance of `PERMUTATIONS` relabelled samples.
- *domain classifier*: how well a linear classifier (discriminant analysis with Ledoit-Wolf shrinkage) tells the window
  from the reference, as area under the ROC curve in cross-validation; a text stands in one fold only, whichever side
  shows it. Its bound is that of Mann and Whitney's statistic under chance, never below 0.5 + `FLOOR`.

Both bounds are raised to what the reference's own newest windows reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy.stats import gamma, norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from monitoring.psi import CHANCE
from monitoring.schema import Signal, SignalKind
from monitoring.signals.means import MIN_CLUSTERS
from monitoring.signals.rows import Found, Rows, sample
from polymart.config import Task

SAMPLE = 200
"""Rows of each side that are encoded."""
PERMUTATIONS = 200
FOLDS = 4
FLOOR = 0.15
"""Area under the ROC curve above one half that matters."""
DISTANCE_FLOOR = 0.15
"""Distance of means that matters, in standard deviations."""
USUAL_WINDOWS = 3
"""Windows of the reference that show how far windows differ; each costs a sample's encoding."""


class Vectors(Protocol):
    """Whatever turns inputs into vectors, such as `monitoring.signals.encoder.EncoderVectors`."""

    def knows(self, task: str) -> bool:
        """Whether there is such a task."""

    def texts(self, task: str, texts: list[str]) -> np.ndarray:
        """Vectors of texts as ``task`` reads them, shape (texts, D)."""

    def images(self, pictures: list[bytes]) -> np.ndarray:
        """Vectors of encoded pictures, shape (pictures, D)."""


class _Sample(NamedTuple):
    keys: np.ndarray
    """What each row is a vector of, hashed."""
    clusters: int
    vectors: np.ndarray


def watch_vectors(task: Task, rows: Rows, vectors: Vectors, seed: int) -> Iterator[Found]:
    """Signals of the task's texts and pictures.

    Args:
        task: the task.
        rows: example rows.
        vectors: the encoder.
        seed: of the permutations.
    """
    inputs = task.inputs
    named = [column for column in (inputs.text, inputs.text_pair, inputs.image) if column is not None]
    if not any(rows.has(column) for column in named) or not vectors.knows(task.name):
        return
    encoders: list[tuple[str | None, SignalKind, Callable[[list], np.ndarray]]] = [
        (inputs.text, "text", lambda texts: vectors.texts(task.name, texts)),
        (inputs.text_pair, "text", lambda texts: vectors.texts(task.name, texts)),
        (inputs.image, "image", vectors.images),
    ]
    for column, kind, encode in encoders:
        if column is None or not rows.has(column):
            continue
        for number, name, value, threshold, note in _watch_column(rows, column, _Kept(encode), seed):
            yield number, Signal(
                name=name, kind=kind, task=task.name, column=column, value=value, threshold=threshold, note=note,
                rows=min(SAMPLE, len(rows.windows[number])),
            )  # fmt: skip


class _Kept:
    """Encodes each distinct input once: a catalogue's texts come back in every window."""

    def __init__(self, encode: Callable[[list], np.ndarray]) -> None:
        self._encode, self._known = encode, dict[object, np.ndarray]()

    def __call__(self, values: pd.Series) -> np.ndarray:
        new = [value for value in values.unique() if value not in self._known]
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        return np.stack([self._known[value] for value in values])


def _watch_column(
    rows: Rows, column: str, encode: _Kept, seed: int
) -> Iterator[tuple[int, str, float | None, float | None, str]]:
    reference = _sample(rows.reference, column, encode)
    if reference is None:
        return
    past = [part for part in rows.past_windows if part["cluster"].nunique() >= MIN_CLUSTERS][-USUAL_WINDOWS:]
    usual = [sample for part in past if (sample := _sample(part, column, encode))]
    farthest = max((mean_distance(reference.vectors, one.vectors) for one in usual), default=0.0)
    plainest = max(
        (classifier_auc(reference.keys, reference.vectors, one.keys, one.vectors) for one in usual), default=0.0
    )
    for number, window in enumerate(rows.windows):
        sample = _sample(window, column, encode)
        if sample is None:
            note = f"fewer than {MIN_CLUSTERS} clusters with this input"
            yield from ((number, name, None, None, note) for name in ("mean vector", "domain classifier"))
            continue
        distance = mean_distance(reference.vectors, sample.vectors)
        bound = max(DISTANCE_FLOOR, farthest, distance_bound(reference.vectors, sample.vectors, seed))
        yield number, "mean vector", distance, bound, ""
        auc = classifier_auc(reference.keys, reference.vectors, sample.keys, sample.vectors)
        bound = max(plainest - 0.5, auc_bound(len(reference.vectors), len(sample.vectors)))
        yield number, "domain classifier", max(0.0, auc - 0.5), bound, f"area under the ROC curve {auc:.2f}"


def _sample(rows: pd.DataFrame, column: str, encode: _Kept) -> _Sample | None:
    """Rows of a sample that depends on their ids alone; None for want of clusters."""
    known = rows[rows[column].notna()]
    if known["cluster"].nunique() < MIN_CLUSTERS:
        return None
    chosen = sample(known, SAMPLE)
    return _Sample(
        pd.util.hash_array(chosen[column].to_numpy(object)), chosen["cluster"].nunique(), encode(chosen[column])
    )


def mean_distance(reference_ND: np.ndarray, current_MD: np.ndarray) -> float:
    """Distance of the mean vectors, in units of the reference's total standard deviation."""
    total = float(np.sqrt(reference_ND.var(0).sum()))
    distance = float(np.linalg.norm(reference_ND.mean(0) - current_MD.mean(0)))
    return distance / total if total > 0 else 0.0


def distance_bound(reference_ND: np.ndarray, current_MD: np.ndarray, seed: int) -> float:
    """The mean distance that chance passes in one window of a thousand."""
    pooled = np.concatenate([reference_ND, current_MD])
    pooled = pooled - pooled.mean(0)
    total = float(reference_ND.var(0).sum())
    if total == 0:
        return 0.0
    random, count = np.random.default_rng(seed), len(reference_ND)
    side = np.stack([random.permutation(len(pooled)) < count for _ in range(PERMUTATIONS)]).astype(np.float64)
    before, now = side @ pooled / count, (1 - side) @ pooled / (len(pooled) - count)
    squared = ((before - now) ** 2).sum(1) / total
    mean, variance = float(squared.mean()), float(squared.var())
    return float(np.sqrt(gamma.ppf(1 - CHANCE, mean**2 / variance, scale=variance / mean))) if variance > 0 else 0.0


def classifier_auc(
    reference_keys: np.ndarray, reference_ND: np.ndarray, current_keys: np.ndarray, current_MD: np.ndarray
) -> float:
    """Area under the ROC curve of a linear classifier that tells the sides apart, in cross-validation."""
    vectors, side = np.concatenate([reference_ND, current_MD]), np.repeat([0, 1], [len(reference_ND), len(current_MD)])
    keys = np.concatenate([reference_keys, current_keys])
    if len(np.unique(keys)) < FOLDS:
        return 0.5
    found = []
    for fit, held in GroupKFold(FOLDS).split(vectors, side, keys):
        if len(np.unique(side[fit])) == 2 and len(np.unique(side[held])) == 2:
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(vectors[fit], side[fit])
            found.append(float(roc_auc_score(side[held], model.decision_function(vectors[held]))))
    return float(np.mean(found)) if found else 0.5


def auc_bound(num_reference: int, num_current: int) -> float:
    """The area above one half that chance passes in one window of a thousand, never below `FLOOR`."""
    deviation = np.sqrt((num_reference + num_current + 1) / (12 * num_reference * num_current))
    return max(FLOOR, float(norm.ppf(1 - CHANCE) * deviation))
