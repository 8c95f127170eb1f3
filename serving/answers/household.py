"""``/household``: what each behaviour head says of a household."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from serving.contract import HouseholdRequest
from serving.scoring import Scorer

CHURN, RETURN, REPURCHASE = HEADS = "churn", "next_action", "repurchase_7d"


def foresee(scorer: Scorer, request: HouseholdRequest) -> dict[str, Any]:
    """Field of the response by head; None where the release has no such head.

    Raises:
        UnknownTaskError: the release has none of them.
        UnknownEntityError, FeaturesUnavailableError: see `Scorer.rows`.
    """
    if not any(head in scorer.tasks for head in HEADS):
        raise scorer.absent(f"is called {', '.join(HEADS[:-1])} or {HEADS[-1]}")
    household = {"household_id": request.household_id}
    answers: dict[str, Any] = dict.fromkeys(HEADS)
    for head in (CHURN, RETURN):
        if head in scorer.tasks:
            answers[head] = float(scorer.scores(head, scorer.rows(head, [household]))[0, 0])
    if REPURCHASE in scorer.tasks:
        categories = list(dict.fromkeys(request.category_ids))
        answers[REPURCHASE] = _repurchases(scorer, household, categories) if categories else []
    return answers


def _repurchases(scorer: Scorer, household: dict[str, int], categories: list[int]) -> list[dict[str, Any]]:
    rows = scorer.rows(REPURCHASE, [{**household, "category_id": category} for category in categories])
    scores_B = scorer.scores(REPURCHASE, rows)[:, 0]
    best_first = np.argsort(-scores_B, kind="stable")
    return [{"category_id": categories[i], "score": float(scores_B[i])} for i in best_first]


def logged(answers: dict[str, Any]) -> Iterator[tuple[str, float, dict[str, int]]]:
    """Task, score and further keys of each line that the prediction log gets."""
    yield from ((head, answers[head], {}) for head in (CHURN, RETURN) if answers[head] is not None)
    for item in answers[REPURCHASE] or []:
        yield REPURCHASE, item["score"], {"category_id": item["category_id"]}
