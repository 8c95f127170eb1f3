"""The queue that a tail is compared with, held against the formulas of queueing theory."""

from __future__ import annotations

import numpy as np
import pytest

from bench._queue import cores_needed, queue_tail


def test_one_core_with_exponential_times_has_the_tail_of_mm1() -> None:
    # M/M/1: the time in the system is exponential with rate (1 - busy) / mean, so p99 is ln(100) mean / (1 - busy)
    times = np.random.default_rng(3).exponential(10.0, 200_000)
    expected = np.log(100) * times.mean() / (1 - 0.6) / np.median(times)
    assert queue_tail(times, 1, 0.6, requests=400_000) == pytest.approx(expected, rel=0.07)


def test_equal_requests_evenly_spaced_never_wait() -> None:
    assert queue_tail([20.0], 2, 0.9, even=True) == pytest.approx(1.0)


@pytest.mark.parametrize("even", [False, True])
def test_more_cores_at_the_same_share_shorten_the_tail(even: bool) -> None:
    times = np.random.default_rng(5).uniform(5, 50, 1000)
    tails = [queue_tail(times, cores, 0.7, even=even) for cores in (1, 2, 4, 8)]
    assert tails == sorted(tails, reverse=True)


def test_random_times_make_a_longer_tail_than_even_ones() -> None:
    times = np.random.default_rng(5).uniform(5, 50, 1000)
    assert queue_tail(times, 2, 0.7) > queue_tail(times, 2, 0.7, even=True)


def test_the_cores_needed_are_the_fewest_that_suffice() -> None:
    times = np.random.default_rng(5).uniform(5, 50, 1000)
    cores = cores_needed(times, 0.7, 4.0)
    assert queue_tail(times, cores, 0.7) <= 4.0 < queue_tail(times, cores - 1, 0.7)


def test_a_request_far_longer_than_the_goal_is_beyond_any_number_of_cores() -> None:
    assert cores_needed([1.0] * 9 + [100.0], 0.7, 5.0) == 0
