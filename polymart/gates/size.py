"""Gate ``size``: a checkpoint must fit where it is served and be copied in reasonable time."""

from __future__ import annotations

from collections.abc import Iterator

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult
from polymart.gates.base import decide, result


def size(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """One result where ``gates.size_mb`` is set."""
    limit, found = suite.gates.size_mb, evaluation.size_mb
    if limit is None:
        return
    rule = f"size of the checkpoint <= {limit:g} MB"
    if found is None:
        yield result("size", "", "inconclusive", float("nan"), rule, "the checkpoint's size was not measured")
        return
    cause = f"the checkpoint has {found:.1f} MB; {limit:g} MB are allowed"
    yield result("size", "", decide(found <= limit, found > limit), found, rule, cause)
