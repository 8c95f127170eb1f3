import numpy as np
import pandas as pd
import pytest
from fixtures.tiny_suite import LABELS, tiny_suite, tiny_tables

from polymart.errors import SuiteError, TableError
from polymart.evaluation.baselines import FLOORS, floor_of
from polymart.evaluation.classical import classical_scores
from polymart.evaluation.metrics import METRICS
from polymart.tasks import kind_of

SUITE, TABLES = tiny_suite(), tiny_tables()


def split(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = TABLES[name]
    return frame[frame.split == "train"], frame[frame.split == "test"]


def classical(name: str, train: pd.DataFrame | None = None) -> tuple[str, np.ndarray] | None:
    frame, (own, test) = TABLES[name], split(name)
    val = frame[frame.split == "val"]
    return classical_scores(SUITE.task(name), own if train is None else train, val, test, LABELS[name], 0)


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        *((task.name, "majority") for task in SUITE.tasks),
        ("next_item", "personal_frequency"),
        ("units", "last_value"),
        ("units", "mean13"),
    ],
)
def test_a_floor_is_shaped_like_the_model(name, floor):
    task, (train, test) = SUITE.task(name), split(name)
    scores = floor_of(floor)(task, train, test, LABELS[name])
    assert scores.shape == (len(test), kind_of(task.kind).num_scores(LABELS[name]))
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_majority_is_the_training_base_rate():
    def majority(name: str, train_labels: list, labels: list[str] | None) -> list[list[float]]:
        train = pd.DataFrame({"label": train_labels})
        return floor_of("majority")(SUITE.task(name), train, pd.DataFrame(index=range(2)), labels).tolist()

    assert majority("reply", [1, 0, 0, 0], None) == [[0.25]] * 2
    assert majority("mood", ["good", "good", "bad", "good"], LABELS["mood"]) == [[0.25, 0.75, 0.0]] * 2
    assert majority("units", list(range(11)), None) == [[5.0, 9.0]] * 2
    assert majority("next_item", [[0, 1], [1], [], [1]], LABELS["next_item"]) == [[0.25, 0.75, 0.0, 0.0]] * 2


def test_personal_frequency_ranks_by_count_then_by_popularity():
    train = pd.DataFrame({"label": [[3], [3], [2], [3]]})
    test = pd.DataFrame(
        {
            "item_ids": [[0, 1], [], None, np.nan, [9, 2, -1]],
            "item_count": [[2.0, 5.0], [], None, np.nan, [7.0, 1.0, 8.0]],
        }
    )
    scores = floor_of("personal_frequency")(SUITE.task("next_item"), train, test, LABELS["next_item"])
    order = np.argsort(-scores, axis=1, kind="stable").tolist()
    assert order == [[1, 0, 3, 2], [3, 2, 0, 1], [3, 2, 0, 1], [3, 2, 0, 1], [2, 3, 0, 1]]


def test_personal_frequency_needs_a_history():
    with pytest.raises(SuiteError, match=r"'personal_frequency' of task 'mood' needs inputs\.label_history"):
        floor_of("personal_frequency")(SUITE.task("mood"), *split("mood"), LABELS["mood"])


def test_forecasts_copy_their_column_with_zero_for_a_gap():
    test = pd.DataFrame({"units_lag1": [3.0, np.nan, 0.0], "units_mean13": [2.5, 1.0, np.inf]})
    task = SUITE.task("units")
    assert floor_of("last_value")(task, test, test, None).tolist() == [[3.0, 3.0], [0.0, 0.0], [0.0, 0.0]]
    assert floor_of("mean13")(task, test, test, None)[:, 0].tolist() == [2.5, 1.0, 0.0]
    with pytest.raises(TableError, match=r"column 'units_lag1', found \['other'\]"):
        floor_of("last_value")(task, test, pd.DataFrame({"other": [1.0]}), None)


def test_an_unknown_floor_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"(?s)'luck' is unknown.*use one of: majority, personal_frequency"):
        floor_of("luck")
    assert set(FLOORS) == {"majority", "personal_frequency", "last_value", "mean13", "random_order", "bm25"}


@pytest.mark.parametrize(
    ("name", "called", "better_than"),
    [("mood", "tfidf_logistic_regression", 0.95), ("reply", "logistic_regression", 0.95)],
)
def test_the_classical_baseline_learns_what_is_easy(name, called, better_than):
    task, (train, test) = SUITE.task(name), split(name)
    found, scores = classical(name)
    label = kind_of(task.kind).encode_labels(test.label, LABELS[name], name)
    assert found == called
    assert METRICS[task.metric].value(label, scores) > better_than
    assert scores.shape == (len(test), kind_of(task.kind).num_scores(LABELS[name]))


def test_a_class_that_training_never_shows_scores_zero():
    train, _ = split("mood")
    _, scores = classical("mood", train[train.label != "good"])
    assert not scores[:, 1].any()
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["mood", "reply"])
def test_one_class_alone_has_no_classical_baseline(name):
    train, _ = split(name)
    assert classical(name, train[train.label == train.label.iloc[0]]) is None


def test_other_kinds_have_the_floor_or_the_mean():
    assert classical("next_item") is None
    name, scores = classical("units")
    assert name == "mean13"
    assert scores[:, 0].tolist() == pytest.approx(split("units")[1].units_mean13.tolist(), rel=1e-6)
