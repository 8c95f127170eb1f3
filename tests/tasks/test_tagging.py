import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from polymart.evaluation.metrics import METRICS
from polymart.tasks import TargetStatistics
from polymart.tasks.tagging import Tagging, best_thresholds

TASK = tiny_suite().tasks[0]
LABELS = ["anger", "joy", "love"]


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_no_other_threshold_gives_a_higher_f1(seed, rows):
    numbers = np.random.default_rng(seed)
    target = (numbers.random((rows, 3)) < 0.4).astype(np.float32)
    scores = (numbers.integers(0, 8, (rows, 3)) / 8).astype(np.float32)
    for truth, score, threshold in zip(target.T, scores.T, best_thresholds(target, scores), strict=True):
        if truth.any():
            tried = [f1_score(truth, score >= other, zero_division=0) for other in np.unique(score)]
            assert f1_score(truth, score >= threshold) == pytest.approx(max(tried))
        else:
            assert threshold == 0.5


def test_a_threshold_lies_between_two_scores():
    target, scores = np.array([[1.0], [1.0], [0.0]]), np.array([[0.9], [0.4], [0.1]], np.float32)
    assert best_thresholds(target, scores) == [pytest.approx(0.25)]


def test_thresholds_decide_the_answer_and_the_metric():
    kind = Tagging().bind(TASK, TargetStatistics(thresholds=[0.9, 0.2, 0.5]))
    scores = np.array([[0.8, 0.3, 0.1], [0.1, 0.05, 0.2]], np.float32)
    first, second = kind.decode(scores, LABELS, top=2)
    assert (first["labels"], first["label"], first["score"]) == (["joy"], "anger", pytest.approx(0.8))
    assert list(first["scores"]) == ["anger", "joy"]
    assert (second["labels"], second["label"]) == ([], "love")
    truth = np.array([[0, 1, 0], [0, 0, 0]], np.float32)
    assert METRICS["macro_f1"].value(truth, kind.metric_scores(scores)) == 1.0
    assert METRICS["macro_f1"].value(truth, Tagging().metric_scores(scores)) == 0.0


@given(st.integers(0, 10_000))
def test_moving_scores_to_their_thresholds_keeps_average_precision(seed):
    numbers = np.random.default_rng(seed)
    target = np.eye(3)[numbers.integers(0, 3, 20)]
    scores = numbers.random((20, 3)).astype(np.float32)
    moved = Tagging(thresholds=numbers.random(3)).metric_scores(scores)
    metric = METRICS["average_precision"]
    assert metric.value(target, moved) == pytest.approx(metric.value(target, scores))


def test_a_row_without_tags_teaches_that_none_applies():
    kind = Tagging()
    target = torch.from_numpy(kind.encode_labels(pd.Series([[], [], np.array([1])]), LABELS, "t"))
    outputs_BO = torch.zeros(3, 3, requires_grad=True)
    kind.loss(outputs_BO, target)[0].backward()
    assert (outputs_BO.grad[0] > 0).all()
    assert not outputs_BO.grad[1:].any()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_tags_that_never_or_always_apply_leave_the_loss_finite(rate):
    target = torch.full((10, 3), rate)
    kind = Tagging().bind(TASK, Tagging().fit(target))
    assert torch.isfinite(kind.loss(Tagging().base_outputs(target, 3).expand(10, -1), target)).all()


def test_rare_tags_start_at_one_too():
    target = (torch.rand(20_000, 28, generator=torch.Generator().manual_seed(0)) < 0.04).float()
    kind = Tagging().bind(TASK, Tagging().fit(target))
    loss = kind.loss(kind.base_outputs(target, 28).expand(len(target), -1), target)
    assert float(loss.mean()) == pytest.approx(1.0, abs=1e-4)
