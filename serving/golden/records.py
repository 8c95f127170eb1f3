"""What a golden request is, and how far an answer is from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from polymart.config import Task
from polymart.model.predictor import Predictor
from serving.features import Features

Scores = dict[str, dict[str, float]]
"""Per task: name of each score (label, campaign, quantile) to its value."""


@dataclass(frozen=True)
class Golden:
    """One request and the scores it must be answered with."""

    endpoint: str
    body: dict[str, Any]
    expected: Scores
    exhaustive: bool = True
    """Whether the answer must hold the best of the expected scores; a search only ranks what it found."""


@dataclass(frozen=True)
class Reference:
    """What golden requests are made with: the trainer's predictor and the features that the service reads, too."""

    predictor: Predictor
    features: Features

    @property
    def tasks(self) -> list[Task]:
        """The tasks of the release."""
        return self.predictor.checkpoint.suite.tasks


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of the service, as the probe knows it."""

    serves: Callable[[Task], bool]
    """Whether the endpoint answers with this task's head."""
    requests: Callable[[Reference, str, pd.DataFrame], Iterator[Golden]]
    """Requests for a task that it serves, from the task's example table; none for rows that the store knows not."""
    scores: Callable[[dict[str, Any]], Scores]
    """The scores in an answer, named as in `Golden.expected`."""
    needs: str = ""
    """Another task of the release, without which it cannot answer."""


def named_scores(answer: dict[str, Any]) -> dict[str, float]:
    """The named scores of any kind of answer, see `TaskKind.decode`."""
    if "scores" in answer:
        return dict(answer["scores"])
    if "items" in answer:
        return {str(item.get("label", item.get("item_id"))): item["score"] for item in answer["items"]}
    return {name: value for name, value in answer.items() if isinstance(value, float)}


def difference(found: dict[str, float], expected: dict[str, float], *, exhaustive: bool = True) -> float:
    """Largest |found - expected| / max(1, |expected|); infinite when a score is foreign, absent or out of rank.

    A response may hold only the best scores: then none that it leaves out may be better than one that it holds, unless
    it is not ``exhaustive``.
    """
    if not found or not found.keys() <= expected.keys():
        return float("inf")
    gaps = [abs(value - expected[name]) / max(1.0, abs(expected[name])) for name, value in found.items()]
    left_out = [value for name, value in expected.items() if name not in found]
    if left_out and exhaustive:
        gaps.append(max(left_out) - min(expected[name] for name in found))
    return max(gap if gap == gap else float("inf") for gap in gaps)  # NaN differs from everything
