import numpy as np
import pandas as pd
import pytest
from fixtures.tiny_suite import LABELS, TASKS, tiny_checkpoint, tiny_suite, tiny_tables, write_tiny_examples
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Inputs, Task
from polymart.evaluation import negative_controls
from polymart.evaluation.leakage import find_leaks
from polymart.evaluation.metrics import METRICS, RocAuc
from polymart.evaluation.negative_controls import labels_before, shifted_labels, shuffled_labels
from polymart.evaluation.single_feature import feature_alone
from polymart.model.predictor import Predictor

METRIC_OF = {
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "count": "wape",
    "regression": "mae",
    "ranking": "ndcg@10",
    "multilabel": "recall@5",
    "tagging": "macro_f1",
}
CLASSES = ["bad", "good", "meh", "none"]
ROWS = 600


def task_of(kind, **inputs):
    group = {"group": "query"} if kind == "ranking" else {}
    given = {"numeric": ["honest", "hint"], **inputs}
    return Task(
        name="probe", kind=kind, source="probe", inputs=Inputs(**given), metric=METRIC_OF[kind], floor="majority",
        cluster="id", **group,
    )  # fmt: skip


def rows_of(kind, seed=0, rows=ROWS):
    """Rows with a label of ``kind``, its number ``y``, and a column that is honest but strong."""
    numbers = np.random.default_rng(seed)
    y = {
        "binary": numbers.random(rows) < 0.2,
        "multiclass": numbers.choice(4, rows, p=[0.7, 0.1, 0.1, 0.1]),
        "count": numbers.poisson(numbers.gamma(0.5, 20.0, rows)),
        "ranking": numbers.integers(0, 4, rows),
    }.get(kind, numbers.lognormal(2, 1, rows)).astype(float)
    label = pd.Series([CLASSES[int(i)] for i in y]) if kind == "multiclass" else pd.Series(y)
    if kind in ("multilabel", "tagging"):
        y = numbers.integers(0, 4, rows).astype(float)
        label = pd.Series([np.array([int(i)]) for i in y])
    honest = y + numbers.normal(0, (0.5 if kind == "multiclass" else 1.0) * y.std(), rows)
    return pd.DataFrame({"label": label, "y": y, "honest": honest, "id": range(rows), "query": np.arange(rows) // 6})


def found(task, frame):
    half = len(frame) // 2
    return feature_alone(task, frame[:half], frame[half:].reset_index(drop=True), CLASSES)


@pytest.mark.parametrize(
    "map_of",
    [lambda y: y, lambda y: -y, lambda y: 3 * np.sqrt(y) + 7, lambda y: np.exp(-y / 50)],
    ids=["copy", "negated", "root", "falling"],
)
@pytest.mark.parametrize("kind", METRIC_OF)
def test_a_copy_of_the_label_is_named_whatever_map_it_went_through(kind, map_of):
    frame = rows_of(kind).assign(hint=lambda rows: map_of(rows.y))
    (finding,) = found(task_of(kind), frame)
    assert (finding.column, finding.leaks) == ("hint", True)
    assert finding.number >= finding.limit
    assert "'hint'" in finding.rule


@pytest.mark.parametrize("kind", METRIC_OF)
def test_without_a_copy_the_strongest_column_is_reported_and_not_accused(kind):
    frame = rows_of(kind).assign(hint=np.random.default_rng(1).random(ROWS))
    (finding,) = found(task_of(kind), frame)
    assert (finding.column, finding.leaks) == ("honest", False)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize(("flipped", "leaks"), [(0.0, True), (0.002, True), (0.05, False)])
def test_noise_on_a_class_hides_it_only_beyond_the_limit(kind, flipped, leaks):
    frame = rows_of(kind, rows=4000)
    noise = np.random.default_rng(2).random(4000) < flipped
    frame["hint"] = np.where(noise, 1 - frame.y, frame.y)
    assert [f.leaks for f in found(task_of(kind), frame)] == [leaks]


@pytest.mark.parametrize("kind", ["count", "regression"])
@pytest.mark.parametrize(("noise", "leaks"), [(0.001, True), (0.01, True), (0.1, False)])
def test_noise_on_a_number_hides_it_only_beyond_the_limit(kind, noise, leaks):
    frame = rows_of(kind, rows=4000)
    frame["hint"] = frame.y * (1 + np.random.default_rng(2).normal(0, noise, 4000))
    assert [f.leaks for f in found(task_of(kind), frame)] == [leaks]


def test_a_category_that_spells_the_class_is_named():
    frame = rows_of("multiclass").assign(hint=lambda rows: "code " + rows.label)
    (finding,) = found(task_of("multiclass", numeric=["honest"], categorical=["hint"]), frame)
    assert (finding.column, finding.leaks) == ("hint", True)


def test_missing_values_give_a_label_away_too():
    frame = rows_of("binary").assign(hint=lambda rows: np.where(rows.y == 1, np.nan, rows.honest))
    assert [f.column for f in found(task_of("binary"), frame) if f.leaks] == ["hint"]


@pytest.mark.parametrize(("own", "leaks"), [(True, True), (False, False)])
def test_a_history_must_not_hold_its_own_event(own, leaks):
    frame, numbers = rows_of("multilabel"), np.random.default_rng(3)
    newest = frame.label if own else frame.label.sample(frac=1, random_state=0, ignore_index=True)
    frame["hint"] = 0.0
    frame["past_ids"] = [np.array([*np.setdiff1d([0, 1, 2, 3], new)[:2], *new]) for new in newest]
    frame["past_gap"] = [np.array([1.0, 2.0, 0.0])] * ROWS
    frame["honest"] = numbers.random(ROWS)
    findings = found(task_of("multilabel", label_history="past"), frame)
    assert [f.column for f in findings if f.leaks] == (["past_ids"] if leaks else [])


def test_few_events_prove_nothing():
    frame = rows_of("binary").assign(hint=lambda rows: rows.y)
    frame.loc[frame.index >= ROWS // 2 + 20, ["label", "y", "hint"]] = 0.0
    assert found(task_of("binary"), frame) == []


@given(
    st.sampled_from(["binary", "multiclass", "count", "regression", "ranking"]),
    st.integers(0, 10_000),
    st.floats(0.5, 2.0),
    st.integers(200, 900),
)
def test_honest_columns_are_not_accused(kind, seed, noise, rows):
    frame, numbers = rows_of(kind, seed, rows), np.random.default_rng(seed + 1)
    scale = np.where(kind in ("count", "regression"), frame.y, 1.0)  # a forecast errs in proportion
    frame["hint"] = frame.y + numbers.normal(0, noise, rows) * scale
    assert not any(f.leaks for f in found(task_of(kind), frame))


@pytest.fixture(scope="module")
def predictor():
    return Predictor(tiny_checkpoint(tiny_suite()))


@pytest.mark.parametrize("name", [task["name"] for task in TASKS])
def test_shuffled_labels_fall_to_the_floor(predictor, name):
    frame, task = tiny_tables(rows=400)[name], tiny_suite().task(name)
    finding = shuffled_labels(task, predictor, frame[frame.split == "train"], frame[frame.split == "test"], 0)
    assert finding.number <= finding.limit == 0
    assert not finding.leaks


class AnyDirection(RocAuc):
    """Rewards scores that rank the rows backwards as much as those that rank them well."""

    def values(self, label, scores_NO, weights_RN):
        value_R = super().values(label, scores_NO, weights_RN)
        return np.maximum(value_R, 1 - value_R)


def test_a_metric_that_needs_no_labels_is_found_by_shuffled_ones(predictor, monkeypatch):
    monkeypatch.setitem(METRICS, "roc_auc", AnyDirection())
    task = tiny_suite().task("reply").model_copy(update={"inputs": Inputs(numeric=["spend"])})
    monkeypatch.setattr(negative_controls, "encode_texts", lambda *_: None)  # one input leaves two directions
    frame = tiny_tables(rows=400)["reply"]
    finding = shuffled_labels(task, predictor, frame[frame.split == "train"], frame[frame.split == "test"], 0)
    assert finding.leaks


def series(late):
    """Weekly sales of series that drift; ``late`` joins each week's own sales as if they were last week's."""
    numbers, weeks = np.random.default_rng(0), 24
    level = np.exp(np.cumsum(numbers.normal(0, 0.5, (60, weeks + 1)), 1) * 0.5 + 2)
    units = numbers.poisson(level).astype(float)
    start = np.datetime64("2017-01-01") + 7 * np.arange(weeks).astype("timedelta64[D]")
    frame = pd.DataFrame(
        {
            "series": np.repeat(np.arange(60), weeks),
            "series_id": np.repeat(np.arange(60), weeks),
            "event_timestamp": np.tile(start, 60),
            "label": units[:, 1:].ravel(),
            "units_lag1": (units[:, 1:] if late else units[:, :-1]).ravel(),
        }
    )
    frame["units_lag1"] *= numbers.normal(1, 0.1, len(frame)).clip(0.5)
    frame["units_mean13"] = frame.groupby("series").units_lag1.transform(lambda x: x.expanding().mean())
    frame["label_end"] = frame.event_timestamp + pd.Timedelta(days=7)
    frame["split"] = np.where(frame.event_timestamp < start[16], "train", "test")
    return frame


@pytest.mark.parametrize("late", [False, True])
def test_features_that_know_the_future_better_than_the_past_are_found(predictor, late):
    suite = tiny_suite()
    frame = series(late).assign(label_before=lambda rows: labels_before(suite.task("units"), rows)).dropna()
    finding = shifted_labels(suite.task("units"), predictor, frame[frame.series < 30], frame[frame.series >= 30], suite)
    assert finding.leaks == late
    assert (finding.number > finding.limit) == late


@pytest.mark.parametrize(("late", "stale"), [(False, False), (True, False), (False, True)])
def test_only_a_late_join_is_found_in_a_suite_and_not_stale_features(predictor, tmp_path, late, stale):
    frame = series(late).assign(example_id=lambda rows: rows.index)
    lags = ["units_lag1", "units_mean13"]
    if stale:  # test rows see what was known when the training period ended
        last = frame[frame.split == "train"].groupby("series")[lags].last()
        frame.loc[frame.split == "test", lags] = last.loc[frame.series[frame.split == "test"]].to_numpy()
    examples = write_tiny_examples(tmp_path / "examples", {"units": frame})
    task = tiny_suite().task("units").model_copy(update={"feature_service": "demand"})
    findings = {finding.probe: finding.leaks for finding in find_leaks(examples, task, predictor, tiny_suite())}
    assert findings == {"feature_alone": False, "shuffled_labels": False, "shifted_labels": late}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 1)), min_size=2, max_size=25))
def test_the_label_before_is_the_newest_one_that_was_known(rows):
    frame = pd.DataFrame(rows, columns=["shop_id", "day", "label"]).drop_duplicates(["shop_id", "day"])
    frame = frame.reset_index(drop=True).assign(series=0)
    frame["event_timestamp"] = pd.Timestamp("2017-01-01") + pd.to_timedelta(frame.day, "D")
    frame["label_end"] = frame.event_timestamp + pd.Timedelta(days=3)
    before = labels_before(tiny_suite().task("units"), frame)
    for row in frame.itertuples():
        known = frame[(frame.shop_id == row.shop_id) & (frame.day + 3 <= row.day) & (frame.day + 6 >= row.day)]
        expected = known.sort_values("day").label.iloc[-1] if len(known) else None
        assert (None if pd.isna(before[row.Index]) else before[row.Index]) == expected


def test_a_whole_suite_is_searched(predictor, tmp_path):
    tables = tiny_tables(rows=240)
    examples, suite = write_tiny_examples(tmp_path / "examples", tables), tiny_suite()
    leaks = {
        task.name: [f.column for f in find_leaks(examples, task, predictor, suite) if f.leaks] for task in suite.tasks
    }
    assert leaks == {"next_item": [], "reply": ["spend"], "units": [], "mood": []}  # a reply is spend > 35, by design
    assert set(leaks) == set(LABELS)
