"""What `check_examples` says of the labels and groups of the kinds that the synthetic shop does not have."""

from typing import Any

import pandas as pd
import pytest
from fixtures.tiny_suite import tiny_suite

from polymart.config import Inputs, Task
from polymart.data.example_checks import check_examples
from polymart.errors import LabelError, TableError

GOOD = {
    "tagging": [[0], [], [0, 1], [1]],
    "regression": [-1.5, 2.0, 0.0, 7.0],
    "ranking": [0, 3, 1, 2],
    "binary": [0, 1, 1, 0],
    "multiclass": ["a", "b", "a", "b"],
}


def task_of(kind: str) -> Task:
    group = {"group": "query"} if kind == "ranking" else {}
    changes = {"kind": kind, "inputs": Inputs(text="text", text_pair="product"), "cluster": "query", **group}
    return tiny_suite("reply").tasks[0].model_copy(update=changes)


def table(labels: list[Any], **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "example_id": list("wxyz"),
            "split": ["train", "train", "val", "test"],
            "query": [1, 1, 2, 3],
            "text": "milk",
            "product": "bread",
            "label": pd.Series(labels, dtype=object),
            **columns,
        }
    )


@pytest.mark.parametrize("kind", GOOD)
def test_sound_labels_pass(kind):
    check_examples(table(GOOD[kind]), task_of(kind), ["a", "b"])


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        ("tagging", [2], r"lists of ids 0\.\.1"),
        ("tagging", None, r"lists of ids 0\.\.1"),
        ("regression", float("inf"), "the finite numbers"),
        ("regression", None, "the finite numbers"),
        ("ranking", 4, "the whole numbers 0, 1, 2, 3"),
        ("ranking", 0.5, "the whole numbers 0, 1, 2, 3"),
    ],
)
def test_a_foreign_label_names_the_rule(kind, value, rule):
    labels = [*GOOD[kind][:1], value, *GOOD[kind][2:]]
    with pytest.raises(LabelError, match=rf"outside {rule}; 1 such rows, e\.g\. x"):
        check_examples(table(labels), task_of(kind), ["a", "b"])


@pytest.mark.parametrize("kind", ["regression", "ranking", "binary", "multiclass"])
def test_one_label_in_all_training_rows_teaches_nothing(kind):
    labels = [GOOD[kind][1], GOOD[kind][1], *GOOD[kind][2:]]
    with pytest.raises(LabelError, match=r"all 2 training rows have the label .*: there is nothing to tell apart"):
        check_examples(table(labels), task_of(kind), ["a", "b"])


def test_tags_that_training_never_shows_are_no_error():
    check_examples(table([[], [], [1], [0]]), task_of("tagging"), ["a", "b"])


def test_a_ranking_needs_the_query_of_every_row():
    with pytest.raises(TableError, match=r"the group 'query' is missing in 1 rows, e\.g\. x"):
        check_examples(table(GOOD["ranking"], query=[1, None, 2, 3]), task_of("ranking"), None)
    task = task_of("ranking").model_copy(update={"cluster": "text"})
    with pytest.raises(TableError, match="columns query are absent"):
        check_examples(table(GOOD["ranking"]).drop(columns="query"), task, None)


def test_the_second_text_is_an_input_like_others():
    with pytest.raises(TableError, match="columns product are absent"):
        check_examples(table(GOOD["ranking"]).drop(columns="product"), task_of("ranking"), None)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_empty_split_is_named(split):
    frame = table(GOOD["binary"])
    with pytest.raises(TableError, match=f"has no {split} examples"):
        check_examples(frame[frame.split != split], task_of("binary"), None)


def test_every_row_needs_a_cluster():
    task = task_of("regression").model_copy(update={"cluster": "household"})
    with pytest.raises(TableError, match=r"the cluster 'household' is missing in 1 rows, e\.g\. z"):
        check_examples(table(GOOD["regression"], household=["a", "a", "b", None]), task, None)
