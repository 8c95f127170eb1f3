import numpy as np
import pytest
import torch
from fixtures.tiny_suite import tiny_suite
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.tasks import TargetStatistics
from polymart.tasks.count import Count

COUNT = Count()
QUANTILES = COUNT.levels
units = st.lists(st.integers(0, 500).map(float), min_size=1, max_size=40)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=2), min_size=1, max_size=10))
def test_quantiles_ascend_and_are_never_negative(outputs):
    scores_BO = COUNT.activate(torch.tensor(outputs, dtype=torch.float64)).numpy()
    assert (np.diff(scores_BO, axis=1) >= 0).all()
    assert (scores_BO >= 0).all()
    assert np.isfinite(scores_BO).all()


@given(units)
def test_scores_are_in_units(values):
    target = torch.tensor(values, dtype=torch.float64)
    scores_BO = COUNT.activate(torch.log1p(target)[:, None].expand(-1, 2))
    torch.testing.assert_close(scores_BO, target[:, None].expand(-1, 2))


@settings(max_examples=40)
@given(units)
def test_the_best_constant_is_the_empirical_quantile(values):
    """Koenker & Bassett 1978: a minimiser of the pinball loss is a quantile, hence one of the observations."""
    target = torch.tensor(values)
    candidates = torch.log1p(target.unique())
    for level, column in zip(QUANTILES, range(2), strict=True):
        costs = []
        for candidate in candidates:
            outputs_BO = torch.zeros(len(target), 2)
            outputs_BO[:, column] = candidate
            costs.append(float(COUNT.loss(outputs_BO, target).double().sum()))
        best = min(costs)
        minimisers = [
            float(c.expm1()) for c, cost in zip(candidates, costs, strict=True) if cost <= best + 1e-4 * (1 + abs(best))
        ]
        lower, upper = (np.quantile(values, level, method=m) for m in ("inverted_cdf", "higher"))
        assert min(minimisers) <= upper + 1e-2
        assert max(minimisers) >= lower - 1e-2


def test_gradient_descent_on_a_constant_finds_the_quantiles():
    target = torch.from_numpy(np.random.default_rng(1).gamma(2.0, 10.0, 2001)).float()
    outputs_O = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([outputs_O], lr=0.5)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    for _ in range(500):
        optimizer.zero_grad()
        COUNT.loss(outputs_O.expand(len(target), 2), target).mean().backward()
        optimizer.step()
        schedule.step()
    found = COUNT.activate(outputs_O.detach()[None])[0]
    assert found.tolist() == pytest.approx(np.quantile(target, QUANTILES).tolist(), rel=0.02)


def test_the_loss_is_the_pinball_loss_times_four():
    outputs_BO = torch.log1p(torch.tensor([[5.0, 5.0]]))
    above, below = COUNT.loss(outputs_BO, torch.tensor([9.0])), COUNT.loss(outputs_BO, torch.tensor([2.0]))
    assert float(above) == pytest.approx(4 * (0.5 + 0.9) / 2 * np.log(10 / 6), rel=1e-5)
    assert float(below) == pytest.approx(4 * (0.5 + 0.1) / 2 * np.log(6 / 3), rel=1e-5)


def test_base_outputs_are_the_training_quantiles():
    target = torch.arange(101.0)
    assert COUNT.activate(COUNT.base_outputs(target, 2)[None])[0].tolist() == pytest.approx([50.0, 90.0], rel=1e-5)


def test_answers_name_their_quantiles():
    assert COUNT.decode(np.array([[1.0, 4.0]]), None) == [{"q50": 1.0, "q90": 4.0}]


@pytest.mark.parametrize(("quantile", "name"), [(0.95, "q95"), (0.55, "q55"), (0.975, "q97.5")])
def test_the_task_decides_the_upper_quantile(quantile, name):
    task = tiny_suite("units").task("units").model_copy(update={"quantile": quantile})
    kind, target = COUNT.bind(task, TargetStatistics()), torch.arange(101.0)
    scores = kind.activate(kind.base_outputs(target, 2)[None]).numpy()
    assert kind.decode(scores, None) == [{"q50": pytest.approx(50, rel=1e-4), name: pytest.approx(100 * quantile)}]
    missed = kind.loss(torch.zeros(1, 2), torch.tensor([1.0]))
    assert float(missed) == pytest.approx(4 * (0.5 + quantile) / 2 * np.log(2))
