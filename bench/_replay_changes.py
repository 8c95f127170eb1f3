"""Eight kinds of injected change: pure functions of a task's current example rows.

Most change the example table, because that is where features meet the model: the changed rows are predicted again, so
that a change passes through the real model. Raw purchases are not changed: the features of thirty weeks would have to
be joined anew for every kind, and what the join would give is known in closed form for these kinds (each docstring
says how). Labels change there, too: prediction tables take theirs from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

WEEK = pd.Timedelta(days=7)
SEED = 20170605
PRICES = 1.6
"""Factor on all prices from one day to the next."""
CENTS = 100.0
LAG_DAYS_A_WEEK = 0.1
"""How much later events arrive, more with every week: two and a half hours."""
NEW_SHARE = 0.6
"""Share of rows that big baskets make after the mix of customers changed; a fifth before."""
NEW_HOUSEHOLDS = 100_000
"""Beyond all household ids of the shop."""
FOREIGN_SHARE = 0.5
"""Share of reviews in the other language."""


@dataclass(frozen=True)
class Setting:
    """What a change may look at beside the rows.

    Attributes:
        start: first changed moment.
        reference: the task's reference rows.
        foreign: reviews in another language.
    """

    start: pd.Timestamp
    reference: pd.DataFrame
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Attributes:
        task: the task whose rows change.
        causes: columns, or kinds of signal, of which the report must name one first.
        apply: (all current rows of the task, setting) -> the rows as they are after the change.
    """

    task: str
    causes: frozenset[str]
    apply: Callable[[pd.DataFrame, Setting], pd.DataFrame]


def _after(rows: pd.DataFrame, setting: Setting) -> pd.Series:
    return rows["event_timestamp"] >= setting.start


def price_shock(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Prices rise by 60 %: the basket just bought costs more, and the mean of all baskets follows as new ones come in.

    New baskets are counted from the household's rate of the last four weeks.
    """
    after = _after(rows, setting)
    weeks = ((rows["event_timestamp"] - setting.start) / WEEK).clip(lower=0)
    new_share = (rows["baskets_28d"] / 4 * weeks / rows["num_baskets"].clip(lower=1)).clip(0, 1)
    mean_factor = 1 + (PRICES - 1) * new_share
    out = rows.copy()
    out.loc[after, "visit_value"] *= PRICES
    out.loc[after, "basket_value_mean"] *= mean_factor[after]
    out.loc[after, "visit_value_ratio"] *= PRICES / mean_factor[after]
    return out


def category_renamed(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The most frequent weekday is written in another way, as after an update of the till's software."""
    usual = setting.reference["visit_weekday"].mode()[0]
    renamed = rows["visit_weekday"].eq(usual) & _after(rows, setting)
    return rows.assign(visit_weekday=rows["visit_weekday"].mask(renamed, f"{usual[:2]}."))


def feature_frozen(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The job that computes last week's units stops: every series keeps the value of its last row before."""
    after = _after(rows, setting)
    past = pd.concat([setting.reference, rows[~after]]).sort_values("event_timestamp", kind="stable")
    last = rows["series_id"].map(past.groupby("series_id")["units_lag1"].last())
    return rows.assign(units_lag1=rows["units_lag1"].mask(after & last.notna(), last))


def unit_error(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """A producer of data writes cents instead of dollars."""
    values = rows["basket_value_mean"]
    return rows.assign(basket_value_mean=values.mask(_after(rows, setting), values * CENTS))


def language_change(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Half of the reviews come from a new market: real Chinese reviews of a shop; their labels are unknown."""
    rng = np.random.default_rng(SEED)
    chosen = _after(rows, setting) & (rng.random(len(rows)) < FOREIGN_SHARE)
    texts = rows["text"].astype(object).copy()
    texts[chosen] = rng.choice(np.array(setting.foreign, dtype=object), int(chosen.sum()))
    return rows.assign(text=texts, label=rows["label"].astype(object).mask(chosen, None))


def new_customers(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """New households that buy like those with big baskets make room for themselves: 60 % of the rows are of such.

    Each week's real rows are drawn anew with other weights; a row that comes twice is another household's the second
    time. A household's baskets are told by the reference rows alone (the upper fifth): the choice knows no result.
    """
    usual = setting.reference.groupby("household_id")["basket_items_mean"].median()
    big = rows["household_id"].isin(usual[usual > usual.quantile(0.8)].index)
    parts = [rows[~_after(rows, setting)]]
    after = rows[_after(rows, setting)]
    for number, (_, week) in enumerate(after.groupby((after["event_timestamp"] - setting.start) // WEEK)):
        share = big[week.index].mean()
        weights = np.where(big[week.index], NEW_SHARE / max(share, 1e-9), (1 - NEW_SHARE) / max(1 - share, 1e-9))
        parts.append(week.sample(len(week), replace=True, weights=weights, random_state=SEED + number))
    drawn = pd.concat(parts, ignore_index=True)
    copies = drawn.groupby("example_id").cumcount()
    ids = drawn["example_id"].astype(str)
    return drawn.assign(
        example_id=ids.mask(copies > 0, ids + "-copy" + copies.astype(str)),
        household_id=drawn["household_id"] + NEW_HOUSEHOLDS * copies,
    )


def label_flip(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The labels' join is turned round: who came back counts as gone."""
    return rows.assign(label=rows["label"].mask(_after(rows, setting), 1 - rows["label"]))


def slow_creep(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The pipe of events falls behind by some hours more every week, so all that counts days since an event grows."""
    weeks = ((rows["event_timestamp"] - setting.start) // WEEK + 1).clip(lower=0)
    columns = ["days_since_bought", "days_since_visit"]
    return rows.assign(**{name: rows[name] + LAG_DAYS_A_WEEK * weeks for name in columns})


CHANGES = {
    "price_shock": Change(
        "next_action", frozenset({"visit_value", "visit_value_ratio", "basket_value_mean"}), price_shock
    ),
    "category_renamed": Change("next_action", frozenset({"visit_weekday"}), category_renamed),
    "feature_frozen": Change("demand", frozenset({"units_lag1"}), feature_frozen),
    "unit_error": Change("next_category", frozenset({"basket_value_mean"}), unit_error),
    "language_change": Change("review_quality", frozenset({"text"}), language_change),
    "new_customers": Change("next_action", frozenset({"mix", "basket_items_mean", "basket_value_mean"}), new_customers),
    "label_flip": Change("next_action", frozenset({"label"}), label_flip),
    "slow_creep": Change("repurchase_7d", frozenset({"days_since_bought", "days_since_visit"}), slow_creep),
}
