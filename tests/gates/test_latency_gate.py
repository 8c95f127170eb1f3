"""The 99th percentile with bounds that suppose nothing about its distribution."""

import numpy as np
import pytest
from fixtures.judged import evaluation, results, suite_of, task

from polymart.evaluation.records import Latency
from polymart.gates.latency import latency

SUITE = suite_of(latency_ms=300.0)


def judged(durations_ms):
    (found,) = latency({"durations_ms": list(durations_ms)}, SUITE)
    return found


def requests(slow: int, count: int = 1000) -> np.ndarray:
    return np.r_[np.full(count - slow, 20.0), np.full(slow, 400.0)]


@pytest.mark.parametrize(
    ("durations_ms", "expected"),
    [
        (requests(0), "pass"),
        (requests(4), "pass"),
        (requests(11), "inconclusive"),
        (requests(40), "fail"),
        (requests(0, 298), "inconclusive"),  # 0.99 ** 298 > 0.05: nothing slow may still be luck
        (requests(0, 299), "pass"),
        ([], "inconclusive"),
        ([20.0], "inconclusive"),
    ],
)
def test_the_rule(durations_ms, expected):
    assert judged(durations_ms).outcome == expected


def test_the_bounds_hold_as_often_as_they_say():
    numbers, truth, held = np.random.default_rng(0), -np.log(0.01), []
    for _ in range(400):
        found = judged(numbers.exponential(size=500))
        assert found.low <= found.number <= found.high
        held.append((found.low <= truth, found.high >= truth))
    assert (np.mean(held, 0) > 0.93).all()


def test_the_cause_tells_percentile_limit_and_requests():
    found = judged(requests(40))
    assert found.cause == (
        "the 99th percentile of a request to the bento is 400.000 [400.000, 400.000] ms; 300 ms are allowed, "
        "1000 requests were asked"
    )
    assert judged([]).cause.startswith("the bento answered no request; 300 ms are allowed")


def test_without_a_limit_nothing_is_judged():
    assert list(latency({"durations_ms": [9e9]}, suite_of())) == []


@pytest.mark.parametrize(("p50_ms", "expected"), [(300.0, "pass"), (301.0, "fail"), (float("nan"), "inconclusive")])
def test_a_model_that_is_late_by_itself_needs_no_bento(p50_ms, expected):
    found = evaluation(task(), latency=Latency(p50_ms=p50_ms, p99_ms=500.0, num_requests=200))
    (said,) = results("latency", found, SUITE)
    assert said.outcome == expected
    assert results("latency", evaluation(task()), SUITE) == results("latency", found, suite_of()) == []
