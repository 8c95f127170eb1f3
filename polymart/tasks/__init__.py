"""Kinds of task: one file per kind with label encoding, loss and decoding."""

from __future__ import annotations

from polymart.errors import SuiteError
from polymart.tasks.base import TargetStatistics, TaskKind
from polymart.tasks.binary import Binary
from polymart.tasks.count import Count
from polymart.tasks.multiclass import Multiclass
from polymart.tasks.multilabel import Multilabel
from polymart.tasks.ranking import Ranking
from polymart.tasks.regression import Regression
from polymart.tasks.retrieval import Retrieval
from polymart.tasks.tagging import Tagging

KINDS: dict[str, TaskKind] = {
    kind.name: kind
    for kind in (Binary(), Multiclass(), Multilabel(), Tagging(), Count(), Regression(), Ranking(), Retrieval())
}
"""Every kind by the name that a suite file uses."""


def kind_of(name: str) -> TaskKind:
    """The kind called ``name``; `TaskKind.bind` gives it a task's settings and what was learned from its labels.

    Raises:
        SuiteError: no such kind.
    """
    if name not in KINDS:
        raise SuiteError(f"task kind {name!r} is unknown", remedy=f"use one of: {', '.join(KINDS)}")
    return KINDS[name]


__all__ = ["KINDS", "TargetStatistics", "TaskKind", "kind_of"]
