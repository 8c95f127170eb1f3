import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polymart.tasks.multilabel import Multilabel

MULTILABEL = Multilabel()
LABELS = [f"l{i}" for i in range(6)]
label_sets = st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=8)


@given(label_sets)
def test_targets_hold_exactly_the_labels(sets):
    target = MULTILABEL.encode_labels(pd.Series([sorted(s) for s in sets]), LABELS, "t")
    assert target.shape == (len(sets), 6)
    assert [set(np.flatnonzero(row)) for row in target] == sets


def test_labels_may_come_as_arrays_tuples_and_empty_lists():
    column = pd.Series([np.array([1, 3]), (2,), [], np.array([], float), [1, 1]])
    target = MULTILABEL.encode_labels(column, LABELS, "t")
    assert target.sum(1).tolist() == [2.0, 1.0, 0.0, 0.0, 1.0]


def test_an_example_without_labels_costs_nothing_and_teaches_nothing():
    outputs_BO = torch.randn(2, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.zeros(2, 6)
    target[1, 2] = 1.0
    loss_B = MULTILABEL.loss(outputs_BO, target)
    loss_B.sum().backward()
    assert loss_B[0] == 0
    assert not outputs_BO.grad[0].any()
    assert outputs_BO.grad[1].any()


@given(label_sets, st.integers(0, 1000))
def test_the_loss_is_the_mean_log_share_of_the_labels(sets, seed):
    outputs_BO = torch.randn(len(sets), 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    target = torch.from_numpy(MULTILABEL.encode_labels(pd.Series([sorted(s) for s in sets]), LABELS, "t")).double()
    share_BO = outputs_BO.exp() / outputs_BO.exp().sum(1, keepdim=True)
    expected = [-np.mean([math.log(share_BO[i, j]) for j in s]) / math.log(6) if s else 0.0 for i, s in enumerate(sets)]
    assert MULTILABEL.loss(outputs_BO, target).tolist() == pytest.approx(expected, rel=1e-9)


def test_base_outputs_are_shares_of_all_labels_even_where_there_is_none():
    target = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert MULTILABEL.base_outputs(target, 3).softmax(0).tolist() == pytest.approx([2 / 3, 1 / 3, 1e-6], abs=2e-6)
    assert torch.isfinite(MULTILABEL.base_outputs(torch.zeros(2, 3), 3)).all()


def test_a_foreign_id_is_named_with_the_range():
    with pytest.raises(Exception, match=r"1 label ids lie outside 0\.\.5, e\.g\. 6"):
        MULTILABEL.encode_labels(pd.Series([[0, 6]]), LABELS, "t")
