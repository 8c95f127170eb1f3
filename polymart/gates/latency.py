"""Gate ``latency``: nearly every customer must be answered in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.stats import quantile_test

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, GateResult, Score
from polymart.gates.base import decide, result, shown, with_interval


def model_latency(evaluation: Evaluation, suite: Suite) -> Iterator[GateResult]:
    """A model whose median answer is late needs no bento to be refused; the bento decides about the rest."""
    limit, found = suite.gates.latency_ms, evaluation.latency
    if limit is None or found is None:
        return
    yield result(
        "latency",
        "",
        decide(found.p50_ms <= limit, found.p50_ms > limit),
        found.p50_ms,
        f"median answer of the model alone, for its slowest task, within {limit:g} ms, of {found.num_requests}",
        f"half of the model's answers{f' for {found.task}' if found.task else ''} take longer than "
        f"{shown(found.p50_ms)} ms (99th percentile {shown(found.p99_ms)} ms), before any server; {limit:g} ms are "
        "allowed",
    )


def latency(probe: Mapping[str, Any], suite: Suite) -> Iterator[GateResult]:
    """One result of the started bento where ``gates.latency_ms`` is set.

    It passes iff the one-sided upper bound of the 99th percentile is within the limit, and fails iff the lower bound
    exceeds it. The bounds are order statistics, which suppose nothing about the durations' distribution; fewer than
    299 requests have no upper bound at 95 %.

    Args:
        probe: as `probe_bento` writes it; ``durations_ms`` of every request.
        suite: limit and confidence.
    """
    limit = suite.gates.latency_ms
    if limit is None:
        return
    durations_ms = np.asarray(probe["durations_ms"], float)
    found = _percentile_99(durations_ms, suite.gates.confidence)
    outcome = decide(found.high <= limit, found.low > limit)
    too_late = f"{limit:g} ms are allowed, {len(durations_ms)} requests were asked"
    yield result(
        "latency",
        "",
        outcome,
        found.value,
        f"{suite.gates.confidence:.0%} upper bound of the 99th percentile of a request to the started bento <= "
        f"{limit:g} ms",
        f"the 99th percentile of a request to the bento is {with_interval(found)} ms; {too_late}"
        if len(durations_ms)
        else f"the bento answered no request; {too_late}",
        found,
    )


def _percentile_99(durations_ms: np.ndarray, confidence: float) -> Score:
    """The 99th percentile with a one-sided bound at each end; NaN where there are too few durations for one."""
    if not len(durations_ms):
        return Score(value=float("nan"), low=float("nan"), high=float("nan"))
    tested = quantile_test(durations_ms, q=0, p=0.99)
    low, high = tested.confidence_interval(confidence_level=2 * confidence - 1)
    return Score(value=float(np.percentile(durations_ms, 99)), low=float(low), high=float(high))
