"""Labelled performance of each kind of task; undefined is None, never a made-up number."""

from __future__ import annotations

import pandas as pd
import pytest

from monitoring.performance import compare, score_rows
from monitoring.schema import Performance
from monitoring.task_tables import label_names, load_predictions
from polymart.config import Inputs, Task


def rows(label, prediction, score=None):
    return pd.DataFrame({"label": label, "prediction": prediction, "score": score or [0.5] * len(label)})


@pytest.mark.parametrize(
    ("kind", "table", "value"),
    [
        ("binary", rows([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], [0.1, 0.6, 0.4, 0.9]), 0.75),
        ("binary", rows([1, 1], [0.1, 0.6], [0.1, 0.6]), None),
        ("count", rows([1, 2, None], [2.0, 4.0, 9.0]), 1.5),
        ("multiclass", rows(["a", "b"], ["a", "a"]), 0.5),
        ("multilabel", rows([["a", "b"], ["c"]], ["b", "a"]), 0.5),
        ("multilabel", rows([[1, 2], [3]], ["b", "a"]), None),
        ("multilabel", rows([[1, 2], [3]], [2, 3]), 1.0),
        ("multilabel", rows(["a", "b"], ["b", "a"]), None),
        ("tagging", rows([["a", "b"], [], ["c"]], ["b", "a", "c"]), 2 / 3),
        ("regression", rows([-1.0, 2.0], [1.0, 2.0]), 1.0),
        ("ranking", rows([0, 1, 3, 2], [0.1, 0.2, 0.3, 0.4]), 0.8),
        ("ranking", rows([2, 2], [0.1, 0.2]), None),
        ("count", rows(["x"], [1.0]), None),
        ("count", rows([], []), None),
    ],
)
def test_by_hand(kind, table, value):
    assert score_rows(kind, table) == (None if value is None else pytest.approx(value))


def test_loss_is_positive_when_worse_in_either_direction():
    assert compare("count", rows([2], [3.0]), rows([2], [4.0])).loss == pytest.approx(1.0)
    worse = Performance(metric="roc_auc", rows=9, value=0.6, reference=0.8, higher_is_better=True)
    assert worse.loss == pytest.approx(0.25)
    assert worse.model_copy(update={"reference": None}).loss == 0


def test_multilabel_positions_are_read_through_the_label_map(tmp_path):
    (tmp_path / "examples.json").write_text('{"tasks": {"next": {"labels": ["milk", "bread"]}}}')
    table = rows([[0, 1], [0]], ["bread", "bread"]).assign(
        example_id=["a", "b"], split="val", cluster="c", event_timestamp=pd.Timestamp("2024-01-01")
    )
    table.to_parquet(tmp_path / "next.parquet")
    task = Task(
        name="next",
        kind="multilabel",
        source="next",
        inputs=Inputs(text="text"),
        metric="recall@10",
        floor="popular",
        cluster="c",
    )
    read = load_predictions(task, tmp_path, label_names(tmp_path, "next")).reference
    assert score_rows("multilabel", read) == 0.5
