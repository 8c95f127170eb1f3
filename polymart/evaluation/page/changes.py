"""What changed against the champion: gains, and what its suite said differently."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, Rival, Score, TaskEvaluation
from polymart.files import canonical_json


class Change(NamedTuple):
    """One key of the suite."""

    key: str
    before: str
    after: str


def by_gain(evaluation: Evaluation) -> list[tuple[TaskEvaluation, Rival]]:
    """Tasks that the champion has too, the largest loss first.

    Metrics differ in their units, so gains are ordered in units of their margins.
    """
    compared = [(task, task.champion) for task in evaluation.tasks if task.champion]
    return sorted(compared, key=lambda pair: _first_if_unknown(in_margins(pair[1]).value))


def in_margins(rival: Rival) -> Score:
    """The gain over a rival in units of its margin: below -1 the task has lost more than is allowed."""
    value, low, high = (number / rival.margin for number in (rival.gain.value, rival.gain.low, rival.gain.high))
    return Score(value=value, low=low, high=high)


def _first_if_unknown(gain: float) -> float:
    return -math.inf if math.isnan(gain) else gain


def direction(gain: Score) -> str:
    """What an interval of a gain says in a word."""
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no clear change"


def suite_changes(before: Suite, after: Suite) -> list[Change]:
    """Keys that differ, in the order of the new suite; a task that only one of them has is one change."""
    old, new = (_named_tasks(suite) for suite in (before, after))
    return list(_differences("", old, new))


def _named_tasks(suite: Suite) -> dict[str, Any]:
    found = suite.model_dump(mode="json")
    return found | {"tasks": {task["name"]: task for task in found["tasks"]}}


def _differences(key: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _differences(f"{key}.{name}".strip("."), old.get(name), new.get(name))
    elif old != new:
        yield Change(key, _short(old), _short(new))


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return "present" if isinstance(value, dict) else canonical_json(value)
