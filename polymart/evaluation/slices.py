"""Groups of a task's test rows, each measured by itself and compared with what the whole task is compared with.

The resamples are the task's own: a cluster that is drawn twice counts twice in every group, so that groups which
share households or stores move together, in their comparisons and in the gaps between them.

Shape suffixes: N examples, R resamples, G groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from polymart.config.gates import Slice
from polymart.evaluation.bootstrap import Bootstrap, Measured, quantiles
from polymart.evaluation.groups import groups_of
from polymart.evaluation.metric import Metric
from polymart.evaluation.records import Score, SliceEvaluation, SliceGap


@dataclass(frozen=True)
class Reference:
    """What every group is compared with."""

    name: str
    scores: np.ndarray
    margin: float
    """How much worse a group may be, in metric units."""


@dataclass(frozen=True)
class Sliced:
    """A task's test rows in all that a group is measured from."""

    metric: Metric
    label: np.ndarray
    scores: np.ndarray
    bootstrap: Bootstrap


def evaluate_slices(
    slices: list[Slice], test: pd.DataFrame, rows: Sliced, reference: Reference, min_examples: int
) -> tuple[list[SliceEvaluation], list[SliceGap]]:
    """Every group of every slice, and the gap between the groups of each.

    Args:
        slices: the task's.
        test: the test rows, with the slices' columns.
        rows: labels, scores and resamples of the same rows.
        reference: champion or floor.
        min_examples: smaller groups are measured, and left out of the gap.
    """
    evaluated, gaps = [], []
    for slice_ in slices:
        measured: dict[str, Measured] = {}
        for group, chosen_N in _members(groups_of(test, slice_)):
            found, model = _evaluate_group(slice_.name, group, chosen_N, rows, reference)
            evaluated.append(found)
            if len(chosen_N) >= min_examples and not np.isnan(model.value):
                measured[group] = model
        if len(measured) > 1:
            gaps.append(_gap(slice_.name, measured, rows))
    return evaluated, gaps


def _members(groups: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """Each group that has rows, and their positions."""
    for code, group in enumerate(groups.cat.categories):
        chosen_N = np.flatnonzero(groups.cat.codes == code)
        if len(chosen_N):
            yield group, chosen_N


def _evaluate_group(
    name: str, group: str, chosen_N: np.ndarray, rows: Sliced, reference: Reference
) -> tuple[SliceEvaluation, Measured]:
    bootstrap, metric = rows.bootstrap, rows.metric
    model = bootstrap.measure(metric, rows.label, rows.scores, chosen_N)
    found = bootstrap.compare(metric, model, bootstrap.measure(metric, rows.label, reference.scores, chosen_N))
    evaluation = SliceEvaluation(
        slice=name,
        group=group,
        num_examples=len(chosen_N),
        num_clusters=len(np.unique(bootstrap.cluster_N[chosen_N])),
        score=found.model,
        reference=reference.name,
        gain=found.difference,
        p_value=found.p_not_worse(reference.margin),
    )
    return evaluation, model


def _gap(name: str, measured: dict[str, Measured], rows: Sliced) -> SliceGap:
    """The gap between best and worst group, less how far chance alone spreads groups that are alike.

    The errors of the groups are their draws minus their values. Their range holds for every pair of groups at once,
    so its quantile allows for best and worst having been chosen by looking (as Tukey's range test does, here without
    studentisation).
    """
    sign = 1.0 if rows.metric.greater_is_better else -1.0
    value_G = pd.Series({group: sign * model.value for group, model in measured.items()})
    errors_RG = np.stack([model.draws_R - model.value for model in measured.values()], 1)
    range_R = np.nanmax(errors_RG, 1) - np.nanmin(errors_RG, 1)
    confidence = rows.bootstrap.confidence
    one_sided, two_sided = quantiles(range_R, confidence, (1 + confidence) / 2)
    gap = float(value_G.max() - value_G.min())
    return SliceGap(
        slice=name,
        best=str(value_G.idxmax()),
        worst=str(value_G.idxmin()),
        gap=Score(value=gap, low=max(gap - two_sided, 0.0), high=gap + two_sided),
        lower_bound=gap - one_sided,
    )
