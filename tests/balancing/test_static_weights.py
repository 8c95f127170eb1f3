import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.balancing.static import StaticWeights

quadratics = st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-5, 5)), min_size=1, max_size=5)


@settings(max_examples=30)
@given(quadratics)
def test_the_optimum_of_weighted_quadratics_is_the_weighted_mean(tasks):
    """1/2 c (theta - a)^2 under weights w has its optimum at sum(w c a) / sum(w c)."""
    balance = StaticWeights({f"t{i}": w for i, (w, _, _) in enumerate(tasks)})
    stiffness = sum(w * c for w, c, _ in tasks)
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(60):
        losses = {f"t{i}": 0.5 * c * (theta - a) ** 2 for i, (_, c, a) in enumerate(tasks)}
        (gradient,) = torch.autograd.grad(balance.combine(losses), theta)
        theta = (theta - 0.5 * gradient / stiffness).detach().requires_grad_()
    assert theta.item() == pytest.approx(sum(w * c * a for w, c, a in tasks) / stiffness, abs=1e-6)


def test_only_the_tasks_of_the_step_count():
    balance = StaticWeights({"a": 2.0, "b": 3.0})
    assert float(balance.combine({"b": torch.tensor(5.0)})) == 15.0
    assert float(balance.combine({"a": torch.tensor(1.0), "b": torch.tensor(5.0)})) == 17.0


def test_a_task_without_a_weight_is_a_mistake():
    with pytest.raises(KeyError):
        StaticWeights({"a": 1.0}).combine({"b": torch.tensor(1.0)})
