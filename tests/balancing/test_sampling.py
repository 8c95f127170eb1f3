import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from polymart.balancing.sampling import TaskSampler, temperature_probabilities

SIZES = {"a": 10**6, "b": 10**4, "c": 10**2}
size_tables = st.dictionaries(st.text(max_size=3), st.integers(1, 10**9), min_size=1, max_size=6)


def test_known_answer():
    found = temperature_probabilities(SIZES, 2.0)
    assert [round(found[name], 4) for name in SIZES] == [0.9009, 0.0901, 0.0090]


@given(size_tables)
def test_temperature_one_is_proportional(sizes):
    found = temperature_probabilities(sizes, 1.0)
    assert found == {name: pytest.approx(n / sum(sizes.values())) for name, n in sizes.items()}


@given(size_tables, st.sampled_from([1e9, math.inf]))
def test_infinite_temperature_is_uniform(sizes, temperature):
    found = temperature_probabilities(sizes, temperature)
    assert list(found.values()) == pytest.approx([1 / len(sizes)] * len(sizes))


@given(size_tables, st.floats(1, 100), st.floats(1, 100))
def test_a_higher_temperature_never_takes_from_the_smallest_task(sizes, first, second):
    low, high = sorted((first, second))
    smallest = min(sizes, key=sizes.get)
    cold, hot = temperature_probabilities(sizes, low), temperature_probabilities(sizes, high)
    assert sum(hot.values()) == pytest.approx(1)
    assert hot[smallest] >= cold[smallest] - 1e-12


def test_counts_beyond_the_cap_do_not_matter():
    assert temperature_probabilities({"a": 10**6, "b": 500}, 2.0, cap=500) == {"a": 0.5, "b": 0.5}


def test_draws_follow_the_probabilities():
    probabilities = temperature_probabilities({"a": 900, "b": 90, "c": 10}, 2.0)
    sampler = TaskSampler(probabilities, seed=3)
    drawn = [name for _ in range(4000) for name in sampler.draw(5)]
    observed = [drawn.count(name) for name in probabilities]
    assert chisquare(observed, np.array(list(probabilities.values())) * len(drawn)).pvalue > 0.01


def test_the_same_seed_and_step_give_the_same_draws_so_that_a_run_resumes():
    probabilities = temperature_probabilities(SIZES, 4.0)
    whole = TaskSampler(probabilities, seed=5)
    steps = [whole.draw(6) for _ in range(10)]
    resumed = TaskSampler(probabilities, seed=5, step=4)
    assert [resumed.draw(6) for _ in range(6)] == steps[4:]
    assert resumed.step == 10
    assert len(set(map(tuple, steps))) > 1
    assert [TaskSampler(probabilities, seed=6).draw(6) for _ in range(1)] != steps[:1]
