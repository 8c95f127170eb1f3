"""A suite that would fail after the training is refused before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polymart.config import Slice, Suite, load_suite
from polymart.errors import SuiteError
from polymart.evaluation.checks import check_suite

QUICK = load_suite(Path(__file__).parents[2] / "suites" / "quick.yaml")


def changed(name: str, **fields: Any) -> Suite:
    tasks = [task.model_copy(update=fields) if task.name == name else task for task in QUICK.tasks]
    return QUICK.model_copy(update={"tasks": tasks})


def test_bars_and_slices_that_can_be_judged_are_sound() -> None:
    check_suite(changed("intent", bar=0.9, slices=[Slice(name="length", column="text", words=True, edges=[8.0])]))
    check_suite(changed("demand", bar=0.6, slices=[Slice(name="store", column="store_id", max_gap=2.0)]))


RANKING = {"kind": "ranking", "metric": "ndcg@10", "group": "query_id"}


def test_the_quick_suite_is_sound() -> None:
    check_suite(QUICK)


def test_new_kinds_with_their_floors_are_sound() -> None:
    pair = QUICK.task("sentiment").inputs.model_copy(update={"text_pair": "product"})
    check_suite(changed("sentiment", **RANKING, floor="bm25", inputs=pair))
    check_suite(changed("sentiment", **RANKING, floor="random_order"))
    check_suite(changed("sentiment", kind="tagging", metric="average_precision"))
    check_suite(changed("sentiment", kind="regression", metric="pearson"))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("demand", {"metric": "recal@10"}, "'recal@10' does not fit"),
        ("sentiment", {"metric": "wape"}, "'wape' does not fit"),
        ("intent", {"floor": "luck"}, "'luck' is unknown"),
        ("intent", {"floor": "personal_frequency"}, "needs inputs.label_history"),
        ("sentiment", {"inputs": QUICK.task("demand").inputs}, "inputs.baseline belongs to kind 'count'"),
        ("demand", {"inputs": QUICK.task("next_category").inputs}, "inputs.label_history belongs to kind 'multilabel'"),
        ("sentiment", {"group": "review_id"}, "kind 'ranking' and no other needs a group"),
        ("sentiment", {"kind": "ranking", "metric": "mrr"}, "needs a group; found kind 'ranking' and group None"),
        ("sentiment", {"floor": "random_order"}, "'random_order' orders the rows of a query"),
        ("sentiment", {**RANKING, "floor": "bm25"}, "compares inputs.text with inputs.text_pair"),
        ("intent", {"bar": 87.0}, "no model reaches a bar of 87 in accuracy: greater is better"),
        ("intent", {"bar": 1.0}, "a bar lies below 1"),
        ("demand", {"bar": 0.0}, "less is better and it starts at 0, so a bar lies above 0"),
        ("intent", {"slices": [Slice(name="age", column=" ")]}, "slice 'age' needs a column"),
        ("intent", {"slices": [Slice(name="age", column="a"), Slice(name="age", column="b")]}, "found twice: age"),
        ("intent", {"slices": [Slice(name="age", column="a", max_gap=5.0)]}, "allows a gap of 5, and accuracy ends at"),
    ],
)
def test_what_does_not_fit_is_named(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        check_suite(changed(name, **fields))
