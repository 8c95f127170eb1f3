import math

import numpy as np
import pytest
import torch
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st

from polymart.tasks import TargetStatistics, kind_of
from polymart.tasks.probability import TEMPERATURES, best_temperature

TASK = tiny_suite().tasks[0]
KINDS = ("binary", "multiclass", "tagging")


def calibrated(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels in which every probability is exactly the share that comes true."""
    if kind == "multiclass":
        shares = [(7, 2, 1), (1, 1, 8), (3, 4, 3)]
        logits = [torch.tensor(share).log() for share in shares for _ in range(10)]
        return torch.stack(logits), torch.tensor([c for share in shares for c in range(3) for _ in range(share[c])])
    rates = torch.tensor([k for k in range(1, 10) for _ in range(10)]) / 10
    label = torch.tensor([i < k for k in range(1, 10) for i in range(10)]).float()
    if kind == "binary":
        return rates.logit()[:, None], label
    return torch.stack([rates.logit(), -rates.logit()], 1), torch.stack([label, 1 - label], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrated_head_keeps_its_temperature(kind):
    assert best_temperature(kind_of(kind), *calibrated(kind)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.4, 1.7, 5.0])
def test_a_head_that_is_too_sure_by_a_factor_is_found_out(kind, factor):
    logits, label = calibrated(kind)
    temperature = best_temperature(kind_of(kind), logits * factor, label)
    assert temperature == pytest.approx(factor, rel=2e-3)
    scaled = kind_of(kind).bind(TASK, TargetStatistics(temperature=temperature)).activate(logits * factor)
    torch.testing.assert_close(scaled, kind_of(kind).activate(logits), atol=2e-3, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), temperature=st.floats(*TEMPERATURES))
def test_no_order_of_probabilities_changes(kind, seed, temperature):
    logits = torch.from_numpy(np.random.default_rng(seed).permutation(28).reshape(7, 4) / 20)
    bound = kind_of(kind).bind(TASK, TargetStatistics(temperature=temperature))
    assert torch.equal(bound.activate(logits).argsort(-1), kind_of(kind).activate(logits).argsort(-1))
    if kind != "multiclass":
        assert torch.equal(bound.activate(logits).argsort(0), kind_of(kind).activate(logits).argsort(0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_does_not_know_the_temperature(kind):
    logits, label = calibrated(kind)
    bound = kind_of(kind).bind(TASK, TargetStatistics(temperature=3.0))
    torch.testing.assert_close(bound.loss(logits, label), kind_of(kind).loss(logits, label))


def test_rows_without_a_mistake_stop_at_the_bound():
    temperature = best_temperature(kind_of("binary"), torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, 0.0]))
    assert temperature == pytest.approx(TEMPERATURES[0], rel=1e-3)
    assert math.isfinite(temperature)
