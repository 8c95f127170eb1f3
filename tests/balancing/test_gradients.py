"""Clipping, conflict and affinity: what is done with the gradients of single tasks."""

import math
import re
from pathlib import Path

import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import tiny_suite, write_tiny_examples
from hypothesis import given
from hypothesis import strategies as st

from polymart.balancing.affinity import affinities
from polymart.balancing.clipping import trunk_contribution
from polymart.balancing.conflict import conflict_cosines


def random_rows(rows: int = 3) -> torch.Tensor:
    return torch.randn(rows, 7, generator=torch.Generator().manual_seed(0))


def clipped_sum(rows: torch.Tensor, limit: float | None, weights=(1.0, 0.5, 3.0)) -> list[torch.Tensor]:
    return [trunk_contribution(row, weight, limit)[0] for row, weight in zip(rows, weights, strict=True)]


@pytest.mark.parametrize("limit", [None, math.inf])
def test_no_limit_is_the_plain_weighted_sum(limit):
    rows = random_rows()
    expected = rows * torch.tensor([[1.0], [0.5], [3.0]])
    assert torch.equal(torch.stack(clipped_sum(rows, limit)), expected)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-6, 1e6))
def test_a_contribution_keeps_its_direction_and_its_bound(limit, weight, scale):
    row = random_rows()[0] * scale
    found, norm = trunk_contribution(row, torch.tensor(weight), limit)
    assert float(norm) == pytest.approx(float(row.norm()))
    assert float(found.norm()) == pytest.approx(weight * min(limit, float(norm)), rel=1e-5)
    torch.testing.assert_close(found / found.norm(), row / row.norm())


def test_one_task_gone_wild_leaves_the_other_contributions_bit_equal():
    rows = random_rows()
    calm = clipped_sum(rows, 1.0)
    wild = clipped_sum(rows * torch.tensor([[1e6], [1.0], [1.0]]), 1.0)
    assert torch.equal(wild[1], calm[1])
    assert torch.equal(wild[2], calm[2])
    assert float(wild[0].norm()) == pytest.approx(1.0)


def test_a_gradient_of_zeros_stays_one():
    found, norm = trunk_contribution(torch.zeros(4), 2.0, 1.0)
    assert found.tolist() == [0.0] * 4
    assert norm == 0.0


def test_a_broken_gradient_is_not_hidden():
    assert trunk_contribution(torch.tensor([math.nan, 1.0]), 1.0, 1.0)[0].isnan().all()


def test_cosines_of_agreeing_opposed_and_absent_gradients():
    rows = torch.tensor([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = conflict_cosines(rows)
    assert found[0].tolist() == pytest.approx([1, 1, -1, math.sqrt(0.5), 0])
    torch.testing.assert_close(found, found.T)


def test_affinity_of_quadratics_is_two_eta_minus_eta_squared():
    theta = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    losses = {"first": lambda: 0.5 * (theta**2).sum(), "second": lambda: 2 * (theta**2).sum()}
    found = affinities([theta], lambda name: losses[name](), list(losses), 0.1)
    assert found["first"] == pytest.approx(dict.fromkeys(losses, 2 * 0.1 - 0.1**2), rel=1e-5)
    assert found["second"] == pytest.approx(dict.fromkeys(losses, 2 * 0.4 - 0.4**2), rel=1e-5)
    assert theta.tolist() == [1.0, -2.0]


def test_affinity_of_opposed_tasks_is_negative_and_of_strangers_zero():
    theta, other = torch.nn.Parameter(torch.tensor(0.0)), torch.nn.Parameter(torch.tensor(0.0))
    losses = {"up": lambda: (theta - 1) ** 2, "down": lambda: (theta + 1) ** 2, "apart": lambda: (other - 1) ** 2}
    found = affinities([theta, other], lambda name: losses[name](), list(losses), 0.05)
    assert found["up"]["up"] > 0 > found["up"]["down"]
    assert found["up"]["apart"] == found["apart"]["up"] == 0.0


def test_the_example_of_the_page_on_training_prints_every_pair(tmp_path, capsys):
    page = (Path(__file__).parents[2] / "docs/training.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    suite, examples = tiny_suite(), write_tiny_examples(tmp_path / "examples")
    exec(example, {"suite": suite, "examples": examples, "encoder": write_tiny_encoder(tmp_path / "encoder")})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [task.name for task in suite.tasks]
    assert all(task.name in line for line in lines for task in suite.tasks)
