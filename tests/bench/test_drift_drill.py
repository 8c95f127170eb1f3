"""The drift drill: what is injected, what a pass sees of a week, what counts as seen."""

import numpy as np
import pandas as pd
import pytest

from bench._replay_changes import CENTS, CHANGES, NEW_HOUSEHOLDS, PRICES, Setting
from bench._replay_drill import PATIENCE, news_of, rebased, resampled, summary
from bench._replay_redeploy import earlier
from bench._replay_world import NUM_WEEKS, START, WEEK, World, dated, week_end
from polymart.config import Suite
from polymart.evaluation.scoring import prediction_table

BEGINS = START + 2 * WEEK
FOREIGN = ("不错", "很差")


def rows_of(count: int, weeks: range, split: str, seed: int = 0) -> pd.DataFrame:
    """Rows that carry every column that a change touches."""
    rng = np.random.default_rng([seed, len(weeks)])
    moments = START + weeks.start * WEEK + len(weeks) * WEEK * np.sort(rng.uniform(0, 1, count))
    household = rng.integers(0, 40, count)
    return pd.DataFrame(
        {
            "example_id": [f"{split}-{i}" for i in range(count)],
            "household_id": household,
            "series_id": household,
            "event_timestamp": pd.to_datetime(moments).astype("datetime64[us]"),
            "label_end": pd.to_datetime(moments + pd.Timedelta(days=3)).astype("datetime64[us]"),
            "split": split,
            "label": rng.integers(0, 2, count),
            "text": "good tea",
            "visit_weekday": rng.choice(["monday", "sunday", "sunday"], count),
            "baskets_28d": 4.0,
            "num_baskets": rng.integers(1, 60, count).astype(float),
            "visit_value": rng.lognormal(3, 1, count),
            "visit_value_ratio": rng.lognormal(0, 1, count),
            "basket_value_mean": rng.lognormal(3, 1, count),
            "basket_items_mean": household + rng.uniform(0, 1, count),
            "units_lag1": rng.integers(0, 9, count).astype(float),
            "days_since_bought": rng.uniform(0, 28, count),
            "days_since_visit": rng.uniform(0, 28, count),
        }
    )


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    known = rows_of(400, range(-20, 0), "train")
    return known.assign(split=np.where(known["event_timestamp"] < START - 5 * WEEK, "train", "val"))


@pytest.fixture(scope="module")
def current() -> pd.DataFrame:
    return rows_of(600, range(6), "test", seed=1)


@pytest.fixture
def world(reference: pd.DataFrame, current: pd.DataFrame, tmp_path) -> World:
    suite = Suite.model_validate(
        {
            "name": "tiny",
            "tasks": [
                {
                    "name": "back", "kind": "binary", "source": "back", "metric": "roc_auc", "floor": "majority",
                    "cluster": "household_id", "inputs": {"numeric": ["num_baskets"]},
                    "split": {"val_from": "2017-05-01", "test_from": "2017-06-05"},
                }
            ],
        },
        strict=False,
    )  # fmt: skip
    (tmp_path / "examples.json").write_text("{}")
    rows = pd.concat([reference, current], ignore_index=True)
    said = prediction_table(suite.tasks[0], rows, rows["label"], np.ones(len(rows)), np.linspace(0, 1, len(rows)))
    return World(suite, tmp_path / "examples.json", {"back": rows}, {"back": said})


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_leaves_the_weeks_before_it_and_its_argument_alone(kind, reference, current):
    before = current.copy()
    after = CHANGES[kind].apply(current, Setting(BEGINS, reference, FOREIGN))
    pd.testing.assert_frame_equal(current, before)
    assert len(after) == len(current)
    assert after["example_id"].is_unique
    early = [rows[rows["event_timestamp"] < BEGINS].reset_index(drop=True) for rows in (current, after)]
    pd.testing.assert_frame_equal(*early, check_dtype=False)
    late = [rows[rows["event_timestamp"] >= BEGINS].reset_index(drop=True) for rows in (current, after)]
    assert not late[0].equals(late[1])


def test_changes_do_what_they_say(reference, current):
    late = (current["event_timestamp"] >= BEGINS).to_numpy()
    made = {kind: one.apply(current, Setting(BEGINS, reference, FOREIGN)) for kind, one in CHANGES.items()}
    then = {kind: rows[late] for kind, rows in made.items() if kind != "new_customers"}
    now = current[late]
    assert np.allclose(then["price_shock"]["visit_value"], PRICES * now["visit_value"])
    means = then["price_shock"]["basket_value_mean"] / now["basket_value_mean"]
    assert means.between(1, PRICES + 1e-9).all()
    assert means.iloc[-1] > means.iloc[0]
    assert set(then["category_renamed"]["visit_weekday"]) == {"monday", "su."}
    assert (then["feature_frozen"].groupby("series_id")["units_lag1"].nunique() == 1).all()
    assert np.allclose(then["unit_error"]["basket_value_mean"], CENTS * now["basket_value_mean"])
    foreign = then["language_change"]["text"].isin(FOREIGN)
    assert 0.4 < foreign.mean() < 0.6
    assert then["language_change"]["label"].isna().eq(foreign).all()
    assert (then["label_flip"]["label"] == 1 - now["label"]).all()
    creep = then["slow_creep"]["days_since_visit"] - now["days_since_visit"]
    assert (creep.diff().dropna() > -1e-9).all()
    assert 0.09 < creep.iloc[0] < 0.11
    assert 0.39 < creep.iloc[-1] < 0.41
    mixed = made["new_customers"].query("event_timestamp >= @BEGINS")
    big = reference.groupby("household_id")["basket_items_mean"].median()
    big = big[big > big.quantile(0.8)].index
    like_big = (mixed["household_id"] % NEW_HOUSEHOLDS).isin(big).mean()
    assert now["household_id"].isin(big).mean() < 0.3 < 0.5 < like_big
    assert not mixed.duplicated(["household_id", "event_timestamp", "visit_value"]).any()


def test_a_pass_sees_no_later_row_and_no_label_that_had_not_arrived(world, tmp_path):
    until = week_end(1)
    world.write(until, tmp_path / "inputs")
    for part in ("examples", "predictions"):
        table = pd.read_parquet(tmp_path / "inputs" / part / "back.parquet")
        assert table["event_timestamp"].max() < until
        test = table[table["split"] == "test"]
        late = test["event_timestamp"] + pd.Timedelta(days=3) >= until
        assert late.any()
        assert (~late).any()
        assert test["label"].isna().eq(late).all()
        assert table.loc[table["split"] != "test", "label"].notna().all()


def test_resampled_weeks_hold_reference_rows_with_their_own_predictions(world, reference):
    null = resampled(world)
    rows, said = null.examples["back"], null.predictions["back"]
    drawn = rows[rows["split"] == "test"]
    assert set(drawn["num_baskets"]) <= set(reference["num_baskets"])
    assert len(drawn) == world.examples["back"]["split"].eq("test").sum()
    score = world.predictions["back"].set_index("example_id")["score"]
    told = said[said["split"] == "test"]
    assert list(told["example_id"]) == list(drawn["example_id"])
    source = told["example_id"].str.rsplit("-", n=1).str[0]
    assert np.allclose(told["score"], score.loc[source])


def test_after_a_retraining_all_that_was_is_reference(world):
    day = week_end(2)
    moved = rebased(world, day)
    rows = moved.examples["back"]
    assert rows["split"].eq("test").eq(rows["event_timestamp"] >= day).all()
    assert {"train", "val"} <= set(rows["split"])
    assert moved.suite.tasks[0].split.test_from == day.date()


def test_dates_of_undated_rows_fill_every_watched_week():
    undated = rows_of(50, range(1), "test").drop(columns=["event_timestamp", "label_end"])
    undated.loc[:20, "split"] = "train"
    said = pd.DataFrame({"example_id": undated["example_id"], "split": undated["split"], "score": range(50)})
    rows, told = dated(undated, said)
    test = rows[rows["split"] == "test"]
    assert ((test["event_timestamp"] - START) // WEEK).nunique() == NUM_WEEKS
    assert rows.loc[rows["split"] == "train", "event_timestamp"].max() < START
    assert rows["example_id"].is_unique
    assert list(told["example_id"]) == list(rows["example_id"])
    source = rows["example_id"].str.rsplit("-", n=1).str[0]
    assert list(told["score"]) == list(said.set_index("example_id")["score"].loc[source])


def test_news_are_what_was_not_named_before_or_broke_since():
    clean = [["age", "numeric"], ["units", "numeric"]]
    told = [["units", "quality"], ["age", "numeric"], ["label", "label"]]
    assert news_of(told, clean) == [["units", "quality"], ["label", "label"]]
    assert news_of(told, []) == told
    assert news_of(told, told) == []


def test_a_missed_change_counts_all_weeks_that_were_waited():
    missed = {"delay": None, "place": None, "news": None}
    found = [{"delay": 0, "place": 2, "news": 1}, missed, missed]
    expected = {"injections": 3, "seen": 1, "median_delay": PATIENCE, "first": 0, "first_news": 1}
    assert summary(found) == expected


def test_the_release_before_was_trained_four_weeks_earlier(world):
    before = earlier(world.suite).tasks[0].split
    assert (before.val_from.isoformat(), before.test_from.isoformat()) == ("2017-04-03", "2017-05-08")
