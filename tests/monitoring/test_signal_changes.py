"""Injected changes leave a clear trace in a signal; without a change nothing moves more often than by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from signal_shop import NEWEST, NUM_WINDOWS, SPANS, make_rows, moved, since, watched


def flip_labels(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen, "label"] = 1 - rows.loc[chosen, "label"]


def speak_german(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen, "review"] = "die Schuhe sind nicht gut und der Stoff ist sehr dünn"


def freeze(rows: pd.DataFrame, chosen: pd.Series) -> None:
    last = rows[~chosen].sort_values("event_timestamp").groupby("household_id")["visits"].last()
    rows.loc[chosen, "visits"] = rows.loc[chosen, "household_id"].map(last)


def rename(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen, "aisle"] = rows.loc[chosen, "aisle"].replace("bread", "bakery")


def old_customers(rows: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    return rows[~chosen | (rows["age"] == "old") | (rows["household_id"] % 5 == 0)]


def new_customers(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen & (rows["household_id"] % 2 == 0), "cluster"] += 10_000


def creep(rows: pd.DataFrame, chosen: pd.Series) -> None:
    # A twentieth of a standard deviation a week: no window is far from the one before.
    weeks = (rows["event_timestamp"] - pd.Timestamp(SPANS[0].start)).dt.days.clip(lower=0) / 7
    rows["visits"] += 0.1 * weeks


def lose_values(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen & (np.arange(len(rows)) % 5 == 0), "price"] = np.nan


def lose_rows(rows: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    return rows[~chosen | (rows["household_id"] % 5 == 0)]


def unsure(rows: pd.DataFrame, chosen: pd.Series) -> None:
    rows.loc[chosen, ["score", "prediction"]] = 0.4 + 0.1 * rows.loc[chosen, ["score", "prediction"]]


@pytest.mark.parametrize(
    ("change", "trace"),
    [
        (
            flip_labels,
            {"roc_auc", "roc_auc of age: old", "roc_auc below expectation", "mean label", "labels against predictions"},
        ),
        (speak_german, {"language of review", "unseen words of review"}),
        (freeze, {"unchanged values of visits"}),
        (rename, {"unseen categories of aisle", "vanished categories of aisle"}),
        (old_customers, {"mix of age"}),
        (new_customers, {"new household_id"}),
        (creep, {"creep of visits"}),
        (lose_values, {"missing share of price"}),
        (lose_rows, {"rows"}),
        (unsure, {"mean score", "expected roc_auc"}),
    ],
)
def test_a_change_leaves_its_trace_and_says_since_when(change, trace):
    windows = watched(change)
    assert trace <= moved(windows[NEWEST])
    told = {signal.title: signal for signal in windows[NEWEST]}
    for title in trace:
        # A creep began before it could be told, and the number of rows is usual again after half the windows are few.
        assert told[title].since == SPANS[NEWEST - 1].start or title == "creep of visits", title
        assert told[title].strength >= 1
        assert title not in moved(windows[NEWEST - 3])


def test_a_label_flip_hurts_and_the_estimate_cannot_see_it():
    told = {signal.title: signal for signal in watched(flip_labels)[NEWEST]}
    assert told["roc_auc"].hurts > 0.3
    assert not told["expected roc_auc"].moved


def test_a_model_that_became_useless_does_not_blame_the_labels():
    def scramble(rows, chosen):
        rows.loc[chosen, "score"] = rows.loc[chosen, "score"].sample(frac=1, random_state=0).to_numpy()

    told = {signal.title: signal for signal in watched(scramble)[NEWEST]}
    assert told["roc_auc"].hurts > 0.2
    assert not told["labels against predictions"].moved


def test_a_renamed_category_is_named():
    notes = {signal.title: signal.note for signal in watched(rename)[NEWEST]}
    assert notes["unseen categories of aisle"] == "new: bakery"
    assert notes["vanished categories of aisle"] == "gone: bread"


def test_without_a_change_one_signal_in_a_thousand_moves():
    """Five shops of nine windows with some twenty signals each: about one false alarm is expected, three are rare."""
    signals = [signal for seed in range(5) for window in watched(seed=100 + seed) for signal in window]
    judged = [signal for signal in signals if signal.value is not None]
    assert len(judged) > 700
    assert sum(signal.moved for signal in judged) <= 3


def test_signals_have_names_of_their_own():
    for window in watched():
        titles = [signal.title for signal in window]
        assert len(titles) == len(set(titles))


def test_the_rows_order_changes_nothing():
    shuffled = watched(lambda rows, _: rows.sample(frac=1, random_state=3))
    for before, after in zip(watched(), shuffled, strict=True):
        values = [{signal.title: signal.value for signal in signals} for signals in (before, after)]
        assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_the_chosen_windows_are_the_newest():
    rows = make_rows()
    assert rows.loc[since(rows, NUM_WINDOWS), "split"].unique().tolist() == ["test"]
