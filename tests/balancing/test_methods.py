"""What every balancing method must do: live with absent tasks, and resume as if it had never stopped."""

import json
from typing import get_args

import pytest
import torch
from fixtures.shop_tasks import task
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.balancing import make_balancer
from polymart.config import Balancing

METHODS = get_args(Balancing.model_fields["method"].annotation)
TASKS = [task("units", "count"), task("mood", weight=2.0), task("reply", "binary"), task("value", "regression")]
NAMES = [t.name for t in TASKS]
present = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
losses = st.floats(1e-3, 1e3)
steps = st.lists(
    st.tuples(
        present.flatmap(lambda names: st.fixed_dictionaries({n: st.tuples(losses, losses) for n in names})),
        st.booleans(),
        st.integers(0, 2**31),
    ),
    min_size=2,
    max_size=8,
)


def make(method: str, tasks=TASKS):
    return make_balancer(Balancing(method=method), tasks, seed=3)


def play(balancer, history) -> list:
    """Everything that a method answers along ``history``, exactly."""
    answers = []
    for pairs, epoch_ends, seed in history:
        before = {name: torch.tensor(pair[0]) for name, pair in pairs.items()}
        after = {name: torch.tensor(pair[1]) for name, pair in pairs.items()}
        gradients = torch.randn(len(before), 5, generator=torch.Generator().manual_seed(seed))
        coefficients = balancer.coefficients(before)
        answers.append({name: value.item() for name, value in coefficients.items()})
        answers.append(balancer.aggregate(gradients).tolist())
        balancer.update(before, after if balancer.needs_losses_after else None)
        if epoch_ends:
            balancer.end_epoch()
    return answers


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(history=steps, data=st.data())
def test_resuming_is_exact(method, history, data):
    cut = data.draw(st.integers(1, len(history) - 1))
    whole = make(method)
    first = play(whole, history[:cut])
    text = json.dumps(whole.state_dict(), sort_keys=True)
    rest = play(whole, history[cut:])
    resumed = make(method)
    resumed.load_state_dict(json.loads(text))
    assert play(resumed, history[cut:]) == rest
    assert resumed.state_dict() == whole.state_dict()
    assert play(make(method), history) == first + rest


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(history=steps)
def test_only_present_tasks_get_a_factor(method, history):
    balancer = make(method)
    for pairs, epoch_ends, _ in history:
        before = {name: torch.tensor(pair[0]) for name, pair in pairs.items()}
        found = balancer.coefficients(before)
        assert list(found) == list(before)
        assert all(value.shape == () and 0 <= value < 1e9 for value in found.values())
        play(balancer, [(pairs, epoch_ends, 0)])


@pytest.mark.parametrize("method", METHODS)
def test_the_static_weight_multiplies_what_a_method_finds(method):
    plain = make(method, [task("one"), task("two")])
    heavy = make(method, [task("one", weight=3.0), task("two")])
    seen = {"one": torch.tensor(0.7), "two": torch.tensor(1.3)}
    ratios = {n: float(heavy.coefficients(seen)[n] / plain.coefficients(seen)[n]) for n in seen}
    assert ratios == {"one": pytest.approx(3.0), "two": pytest.approx(1.0)}


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_agree_are_summed(method):
    rows = torch.tensor([[1.0, 2.0, 0.0], [0.5, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert make(method).aggregate(rows).tolist() == [1.5, 2.0, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_the_global_random_state_is_left_alone(method):
    before = torch.random.get_rng_state()
    play(make(method), [({name: (1.0, 0.5) for name in NAMES}, True, 0)])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_state_does_not_move_with_the_training(method):
    balancer = make(method)
    play(balancer, [({name: (2.0, 1.0) for name in NAMES}, False, 0)])
    state = balancer.state_dict()
    text = json.dumps(state)
    play(balancer, [({name: (3.0, 1.0) for name in NAMES}, True, 0)])
    assert json.dumps(state) == text
