import json
import math

import numpy as np
import pytest
from fixtures.shop_tasks import task
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from polymart.balancing.sampling import TaskSampler, annealed_temperature, temperature_probabilities
from polymart.config import Balancing

SIZES = {"big": 10**6, "middle": 10**4, "small": 10**2}
TASKS = [task(name) for name in SIZES]
size_tables = st.dictionaries(st.text(max_size=3), st.integers(1, 10**9), min_size=1, max_size=6)


def sampler(seed: int = 5, max_steps: int = 100, tasks=TASKS, **settings) -> TaskSampler:
    return TaskSampler(tasks, SIZES, Balancing(**settings), max_steps, seed)


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


def test_a_share_multiplies_the_odds_of_its_task():
    plain = temperature_probabilities(SIZES, 2.0)
    shared = temperature_probabilities(SIZES, 2.0, shares={"big": 1.0, "middle": 3.0, "small": 1.0})
    assert shared["middle"] / shared["big"] == pytest.approx(3 * plain["middle"] / plain["big"])
    assert shared["small"] / shared["big"] == pytest.approx(plain["small"] / plain["big"])
    of_tasks = sampler(tasks=[task("big"), task("middle", share=3.0), task("small")])
    assert of_tasks.probabilities() == shared


def test_annealing_goes_from_proportional_to_an_exponent_of_one_fifth():
    assert annealed_temperature(0, 50) == 1.0
    assert annealed_temperature(49, 50) == pytest.approx(5.0)
    assert 1 / annealed_temperature(24, 49) == pytest.approx(0.6)
    assert annealed_temperature(0, 1) == 1.0
    annealed = sampler(max_steps=3, sampling="annealed", cap=10**5)
    seen = []
    for _ in range(3):
        seen.append(annealed.probabilities())
        annealed.draw(1)
    assert seen == [temperature_probabilities(SIZES, 1 / alpha, 10**5) for alpha in (1.0, 0.6, 1 - 0.8)]


def test_draws_follow_the_probabilities():
    found = sampler(seed=3)
    probabilities = found.probabilities()
    drawn = [name for _ in range(4000) for name in found.draw(5)]
    observed = [drawn.count(name) for name in probabilities]
    assert chisquare(observed, np.array(list(probabilities.values())) * len(drawn)).pvalue > 0.01
    assert found.probabilities() == probabilities


@pytest.mark.parametrize("sampling", ["temperature", "annealed"])
def test_the_same_seed_and_step_give_the_same_draws_so_that_a_run_resumes(sampling):
    whole = sampler(sampling=sampling, max_steps=10)
    steps = [whole.draw(6) for _ in range(4)]
    step = json.loads(json.dumps(whole.step))
    steps += [whole.draw(6) for _ in range(6)]
    resumed = sampler(sampling=sampling, max_steps=10)
    resumed.step = step
    assert [resumed.draw(6) for _ in range(6)] == steps[4:]
    assert resumed.step == 10
    assert len(set(map(tuple, steps))) > 1
    other = sampler(seed=6, sampling=sampling, max_steps=10)
    assert [other.draw(6) for _ in range(10)] != steps
