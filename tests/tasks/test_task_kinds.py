"""Properties that every kind of task must have."""

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from polymart.config import Task
from polymart.errors import LabelError, SuiteError
from polymart.tasks import KINDS, TaskKind, kind_of
from polymart.tasks.probability import LogitKind

LABELS = ["a", "b", "c", "d"]
COLUMNS = {
    "binary": pd.Series([0, 1] * 8),
    "multiclass": pd.Series(LABELS * 4),
    "multilabel": pd.Series([[i % 4] for i in range(16)]),
    "tagging": pd.Series([[i % 4, (i + 1) % 4][: i % 3] for i in range(24)]),
    "count": pd.Series(np.expm1(np.random.default_rng(0).normal(5.0, 1.0, 400))),
    "regression": pd.Series(np.random.default_rng(0).normal(300.0, 20.0, 4000)),
    "ranking": pd.Series([0, 1, 2, 3] * 4),
}
FOREIGN = {
    "binary": [(0.5, "0.5"), (2, "2"), (-1, "-1"), (np.nan, "nan"), (None, "none"), ("yes", "'yes'")],
    "multiclass": [("e", "'e'"), (np.nan, "'nan'"), (None, "'None'"), (3, "'3'")],
    "multilabel": [([4], "4"), ([0, -1], "-1"), (None, "None"), (np.nan, "nan"), ("ab", "'ab'"), ([1.5], "1.5")],
    "tagging": [([4], "4"), (None, "None"), ("ab", "'ab'"), ([1.5], "1.5")],
    "regression": [(np.nan, "nan"), (np.inf, "inf"), (None, "none"), ("few", "'few'")],
    "ranking": [(4, "4"), (-1, "-1"), (1.5, "1.5"), (np.nan, "nan"), ("exact", "'exact'")],
    "count": [(-1.0, "-1"), (np.nan, "nan"), (np.inf, "inf"), (None, "none"), ("few", "'few'")],
}
each_kind = pytest.mark.parametrize("name", COLUMNS)
TASK = tiny_suite().tasks[0]


def targets(name: str) -> torch.Tensor:
    return torch.from_numpy(KINDS[name].encode_labels(COLUMNS[name], LABELS, "t"))


def fitted(name: str) -> TaskKind:
    """The kind as training uses it."""
    return KINDS[name].bind(TASK, KINDS[name].fit(targets(name)))


def base(name: str) -> torch.Tensor:
    """What an uninformed head says of every example."""
    target = targets(name)
    base_O = KINDS[name].base_outputs(target, KINDS[name].num_outputs(LABELS))
    return base_O.expand(len(target), -1).clone()


def test_every_kind_is_tested_here():
    # The loss of a retrieval task reads sampled candidates: test_retrieval_kind.py.
    assert set(COLUMNS) == set(FOREIGN) == set(KINDS) - {"retrieval"}
    assert all(kind_of(name) is kind for name, kind in KINDS.items())


@pytest.mark.parametrize("name", KINDS)
def test_a_suite_asks_for_consistency_where_two_passes_can_be_compared(name):
    def accepts(**about: object) -> bool:
        try:
            return bool(Task.model_validate(TASK.model_dump(exclude_unset=True) | {"kind": name, **about}))
        except ValidationError:
            return False

    more = {"items": "products"} if name == "retrieval" else {}
    assert accepts(**more)
    assert accepts(consistency=1.0, **more) == isinstance(KINDS[name], LogitKind)


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"(?s)'survival' is unknown.*use one of: binary, multiclass"):
        kind_of("survival")


@each_kind
def test_an_uninformed_head_starts_at_unit_loss(name):
    loss_B = fitted(name).loss(base(name), targets(name))
    assert loss_B.shape == (len(COLUMNS[name]),)
    expected, tolerance = {
        # A normal of unit deviation on the log scale costs E|e| + 2 * 0.1755 = 1.149 with perfect quantiles.
        "count": (1.149, 0.1),
        # E[z^2; |z| < 1] + E[2|z| - 1; |z| > 1] of a normal.
        "regression": (0.849, 0.03),
        # Grades above 0, 1 and 2 hold for three, two and one of four rows.
        "ranking": ((0.8113 + 1 + 0.8113) / 3, 1e-4),
    }.get(name, (1.0, 1e-4))
    assert float(loss_B.mean()) == pytest.approx(expected, abs=tolerance)


@each_kind
def test_no_constant_beats_the_base_rate(name):
    target, outputs_BO = targets(name), base(name)
    best = fitted(name).loss(outputs_BO, target).mean()
    for direction in torch.eye(outputs_BO.shape[1]):
        for size in (-0.3, 0.3):
            assert fitted(name).loss(outputs_BO + size * direction, target).mean() > best


@each_kind
def test_a_step_against_the_gradient_lowers_the_loss_of_the_examples(name):
    target = targets(name)
    outputs_BO = (base(name) + 0.1).requires_grad_()
    before = fitted(name).loss(outputs_BO, target)
    before.sum().backward()
    after = fitted(name).loss(outputs_BO - 0.01 * outputs_BO.grad, target)
    assert after.mean() < before.mean()
    if name != "count":  # a step across a quantile overshoots
        assert bool((after <= before).all())


@each_kind
def test_the_loss_of_an_example_ignores_its_neighbours(name):
    outputs_BO = base(name) + torch.randn(base(name).shape, generator=torch.Generator().manual_seed(0))
    whole = fitted(name).loss(outputs_BO, targets(name))
    alone = torch.cat([fitted(name).loss(outputs_BO[i : i + 1], targets(name)[i : i + 1]) for i in range(len(whole))])
    torch.testing.assert_close(whole, alone)


@each_kind
def test_extreme_outputs_cost_much_but_not_infinity(name):
    outputs_BO = torch.full_like(base(name), -80.0)
    outputs_BO[:, 0] = 80.0
    for signed in (outputs_BO, -outputs_BO):
        assert torch.isfinite(fitted(name).loss(signed, targets(name))).all()
        assert torch.isfinite(fitted(name).activate(signed)).all()


@pytest.mark.parametrize(
    ("name", "label", "shown"), [(name, *case) for name, cases in FOREIGN.items() for case in cases]
)
def test_a_foreign_label_is_named_with_task_and_count(name, label, shown):
    good = COLUMNS[name].head(3).tolist()
    column = pd.Series([*good, label, label], index=list("vwxyz"), dtype=object)
    with pytest.raises(LabelError) as caught:
        KINDS[name].encode_labels(column, LABELS, "basket")
    assert "task 'basket': 2 label" in caught.value.message
    assert shown.lower() in caught.value.message.lower()
    assert caught.value.remedy


@each_kind
def test_an_empty_column_has_no_targets(name):
    assert len(KINDS[name].encode_labels(COLUMNS[name].head(0), LABELS, "t")) == 0


@each_kind
@given(seed=st.integers(0, 10_000), top=st.integers(1, 6))
def test_answers_are_one_per_row_and_json_ready(name, seed, top):
    kind = fitted(name)
    outputs_BO = torch.randn(5, kind.num_outputs(LABELS), generator=torch.Generator().manual_seed(seed)) * 3
    scores_BO = kind.activate(outputs_BO).numpy()
    answers = kind.decode(scores_BO, LABELS, top)
    prediction, score = kind.summary(scores_BO, LABELS)
    assert len(answers) == len(prediction) == len(score) == 5
    for answer, row in zip(answers, scores_BO, strict=True):
        numbers = {
            "binary": lambda a: [a["score"]],
            "count": lambda a: [a["q50"], a["q90"]],
            "multiclass": lambda a: list(a["scores"].values()),
            "multilabel": lambda a: [item["score"] for item in a["items"]],
            "tagging": lambda a: list(a["scores"].values()),
            "regression": lambda a: [a["score"]],
            "ranking": lambda a: [a["score"]],
        }[name](answer)
        assert all(type(number) is float for number in numbers)
        ordered = sorted(numbers, reverse=name != "count")
        assert numbers == ordered
        if name in ("multiclass", "multilabel", "tagging"):
            assert numbers == sorted(map(float, row), reverse=True)[:top]


def test_ranking_and_summary_name_the_same_label():
    scores_BO = np.array([[0.1, 0.6, 0.3, 0.0], [0.25, 0.25, 0.25, 0.25]], np.float32)
    multiclass = KINDS["multiclass"].decode(scores_BO, LABELS, 2)
    assert multiclass[0] == {
        "label": "b",
        "score": pytest.approx(0.6),
        "scores": {"b": pytest.approx(0.6), "c": pytest.approx(0.3)},
    }
    items = KINDS["multilabel"].decode(scores_BO, LABELS, 3)
    assert [[item["label"] for item in answer["items"]] for answer in items] == [["b", "c", "a"], ["a", "b", "c"]]
    for name in ("multiclass", "multilabel"):
        assert KINDS[name].summary(scores_BO, LABELS)[0].tolist() == ["b", "a"]
