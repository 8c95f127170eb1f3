"""Gate ``feature_age``: a model that learned from features of long ago answers about a shop that is gone."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.base import decide, result


def feature_age(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result for each source of features, where ``gates.feature_age_days`` is set."""
    limit = suite.gates.feature_age_days
    if limit is None:
        return
    rule = f"newest features at most {limit} days older than the newest label"
    for found in evaluation.feature_age:
        table, newest = found.features or "its features", f"{found.newest_feature:%Y-%m-%d}"
        cause = (
            f"{found.source}: the newest row of {table}, of {newest}, is {found.age_days:.1f} days older than the "
            f"newest label, of {found.newest_label:%Y-%m-%d}; {limit} days are allowed"
        )
        outcome = decide(found.age_days <= limit, found.age_days > limit)
        yield result("feature_age", "", outcome, found.age_days, f"{found.source}: {rule}", cause)
    measured = {found.source for found in evaluation.feature_age}
    for task in evaluation.tasks:
        asked = suite.task(task.task)
        if asked.feature_service and asked.source not in measured:
            cause = f"{task.task}: the age of its features was not measured"
            yield result("feature_age", task.task, "inconclusive", float("nan"), rule, cause)
