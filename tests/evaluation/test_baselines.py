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
    task, (_, test) = SUITE.task(name), split(name)
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


def majority_of(kind: str, metric: str, train_labels: list, **fields) -> list[float]:
    task = SUITE.task("reply").model_copy(update={"kind": kind, "metric": metric, **fields})
    train = pd.DataFrame({"label": train_labels})
    return floor_of("majority")(task, train, pd.DataFrame(index=range(1)), ["a", "b"])[0].tolist()


def test_majority_is_the_best_constant_of_each_metric():
    assert majority_of("regression", "mae", [0.0, 1.0, 8.0]) == [1.0]
    assert majority_of("regression", "rmse", [0.0, 1.0, 8.0]) == [3.0]
    assert majority_of("tagging", "macro_f1", [[0], [], [0, 1]]) == [1.0, 1.0]
    assert majority_of("count", "wape", list(range(101)), quantile=0.95) == [50.0, 95.0]


@pytest.fixture(scope="module")
def payments():
    """Fraud is an amount in the middle, or a card of one kind: no line tells it apart."""
    numbers = np.random.default_rng(0)
    frame = pd.DataFrame({"spend": numbers.normal(size=1500), "channel": numbers.choice(["app", "web", "till"], 1500)})
    label = (frame.spend.abs() < 0.5) | (frame.channel == "app")
    frame.loc[::9, ["spend", "channel"]] = np.nan
    frame["visits"] = 0.0
    return frame.assign(label=label.astype(int)), [slice(0, 900), slice(900, 1200), slice(1200, 1500)]


def test_binary_columns_take_the_model_that_validation_rows_prefer(payments):
    frame, parts = payments
    task = SUITE.task("reply")
    curved = classical_scores(task, *(frame[part] for part in parts), None, 0)
    assert curved[0] == "gradient_boosting"
    straight = frame.assign(label=(frame.spend.fillna(0) + np.random.default_rng(1).normal(size=1500) > 0).astype(int))
    found = classical_scores(task, *(straight[part] for part in parts), None, 0)
    assert found[0] == "logistic_regression"
    assert found[1].shape == (300, 1)
    test = frame[parts[2]]
    assert METRICS["roc_auc"].value(test.label.to_numpy(), curved[1]) > 0.8


def test_numbers_alone_are_fitted_by_ridge(payments):
    frame, parts = payments
    task = SUITE.task("reply").model_copy(
        update={"kind": "regression", "inputs": SUITE.task("reply").inputs.model_copy(update={"text": None})}
    )
    name, scores = classical_scores(task, *(frame.assign(label=frame.spend)[p].dropna() for p in parts), None, 0)
    assert name == "ridge"
    assert METRICS["pearson"].value(frame[parts[2]].dropna().spend.to_numpy(), scores) > 0.95


@pytest.mark.filterwarnings("error")
def test_tags_that_all_or_no_training_rows_have_need_no_model():
    task = SUITE.task("mood").model_copy(update={"kind": "tagging"})
    text = ["milk bad", "milk good", "tea good", "tea bad"]
    frame = pd.DataFrame({"text": text, "label": [[0, 2], [0], [0], [0, 2]]})
    name, scores = classical_scores(task, frame, frame, frame, ["always", "never", "sometimes"], 0)
    assert name == "tfidf_one_vs_rest"
    assert (scores >= 0.5).tolist() == [
        [True, False, True],
        [True, False, False],
        [True, False, False],
        [True, False, True],
    ]
