import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from sklearn.metrics import log_loss

from polymart.tasks import KINDS
from polymart.tasks.base import TargetStatistics

BINARY, MULTICLASS = KINDS["binary"], KINDS["multiclass"]


@given(st.lists(st.tuples(st.floats(-15, 15), st.integers(0, 1)), min_size=1, max_size=30))
def test_binary_loss_is_log_loss_in_units_of_a_coin(rows):
    logits, labels = map(list, zip(*rows, strict=True))
    outputs_BO = torch.tensor(logits, dtype=torch.float64)[:, None]
    scores = BINARY.activate(outputs_BO).numpy()[:, 0]
    loss = BINARY.loss(outputs_BO, torch.tensor(labels, dtype=torch.float64)).mean()
    assert float(loss) == pytest.approx(log_loss(labels, scores, labels=[0, 1]) / math.log(2), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.5, 1.0])
def test_binary_base_output_is_the_logit_of_the_rate(rate):
    target = (torch.arange(100) < round(100 * rate)).float()
    base = BINARY.base_outputs(target, 1)
    assert base.shape == (1,)
    assert float(base.sigmoid()) == pytest.approx(rate, abs=2e-4)  # a rate of 0 or 1 must stay finite


def test_binary_labels_may_come_as_booleans_texts_or_floats():
    for column in ([True, False], ["1", "0"], [1.0, 0.0], np.array([1, 0], np.int8)):
        assert BINARY.encode_labels(pd.Series(column), None, "t").tolist() == [1.0, 0.0]


@given(st.integers(2, 9), st.integers(0, 1000))
def test_multiclass_loss_is_log_loss_in_units_of_a_blind_guess(num, seed):
    generator = np.random.default_rng(seed)
    outputs_BO = torch.from_numpy(generator.normal(size=(6, num)) * 3)
    labels = generator.integers(0, num, 6)
    expected = log_loss(labels, MULTICLASS.activate(outputs_BO).numpy(), labels=range(num)) / math.log(num)
    assert float(MULTICLASS.loss(outputs_BO, torch.from_numpy(labels)).mean()) == pytest.approx(expected, rel=1e-9)


def test_multiclass_labels_are_positions_in_the_map():
    labels = MULTICLASS.encode_labels(pd.Series(["z", "a", "z"], index=[5, 5, 9]), ["z", "a"], "t")
    assert labels.tolist() == [0, 1, 0]
    assert labels.dtype == np.int64


def test_multiclass_base_outputs_keep_a_class_that_training_never_shows_possible():
    base = MULTICLASS.base_outputs(torch.tensor([0, 0, 1]), 3)
    assert base.softmax(0).tolist() == pytest.approx([2 / 3, 1 / 3, 1e-6], abs=1e-6)
    assert torch.isfinite(base).all()


@given(st.sampled_from(["binary", "multiclass", "ranking", "tagging"]), st.integers(2, 6), st.integers(0, 1000))
def test_disagreement_is_the_mean_of_both_divergences_in_units_of_the_loss(name, num, seed):
    generator = np.random.default_rng(seed)
    count = {"binary": 1, "ranking": 3}.get(name, num)
    z, w = (torch.from_numpy(generator.normal(0, 3, (5, count))) for _ in range(2))
    kind = KINDS[name].bind(None, TargetStatistics(scale=0.4, temperature=2.0))
    p, q = ((x.softmax(1) if name == "multiclass" else x.sigmoid()).numpy() for x in (z, w))
    parts = (rel_entr(p, q) + rel_entr(q, p)) / 2
    if name != "multiclass":
        parts = parts + (rel_entr(1 - p, 1 - q) + rel_entr(1 - q, 1 - p)) / 2
    expected = {
        "binary": parts.sum(1) / math.log(2),
        "multiclass": parts.sum(1) / math.log(num),
        "ranking": parts.mean(1) / math.log(2),
        "tagging": parts.mean(1) / 0.4,
    }[name]
    np.testing.assert_allclose(kind.disagreement(z, w), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(kind.disagreement(w, z), expected, rtol=1e-6, atol=1e-9)
    assert not kind.disagreement(z, z).any()
