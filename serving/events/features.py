"""The features that follow from a household's past: the rows that `polymart.data` writes after its newest basket.

Each function is one table of `polymart.data.household_state.CARRIED`; a value that is not known yet is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from polymart.data.assortment import MAX_PRODUCTS
from polymart.data.behaviour import RETURN_DAYS
from polymart.data.features import RECENT_DAYS
from polymart.data.history import MAX_NAMES
from polymart.data.tables import TIME_ZONE
from serving.events.household import DAY_S, Counts, Household

Row = dict[str, Any]
RECENT_GAPS = 5
"""Newest gaps behind ``gap_days_recent`` and ``quick_return_share_recent``."""


def feature_rows(household_id: int, household: Household, category_names: Mapping[int, str]) -> dict[str, Row]:
    """One row of each view of the household, with its key and ``event_timestamp`` (UTC); the state comes last."""
    keys = {"household_id": household_id, "event_timestamp": household.stamp}
    rows = {
        "household_profile": profile(household),
        "household_history": history(household, category_names),
        "household_products": products(household),
        "household_visit": visit(household),
        "household_state": household.row(),
    }
    return {view: keys | row for view, row in rows.items()}


def profile(household: Household) -> Row:
    """See `polymart.data.features.household_profile`."""
    times_B, now = household.basket_times, household.newest_s
    num_baskets = len(times_B)
    return {
        "num_baskets": float(num_baskets),
        "basket_value_mean": household.value_cents / num_baskets / 100,
        "basket_items_mean": household.num_units / num_baskets,
        "gap_days_mean": (now - int(times_B[0])) / DAY_S / (num_baskets - 1) if num_baskets > 1 else None,
        "gap_days_last": (now - int(times_B[-2])) / DAY_S if num_baskets > 1 else None,
        "baskets_28d": float((times_B >= now - RECENT_DAYS * DAY_S).sum()),
        "coupon_items_share": household.num_coupon_lines / household.num_lines,
        "redemptions_past": float((household.redemption_times <= now).sum()),
        "campaigns_past": float((household.campaign_times <= now).sum()),
    }


def history(household: Household, category_names: Mapping[int, str]) -> Row:
    """See `polymart.data.history.household_history`."""
    bought = household.categories
    newest_first = np.lexsort((bought.ids_N, -bought.count_N, bought.gap_N))[:MAX_NAMES]
    text = ", ".join(category_names[int(bought.ids_N[i])] for i in newest_first)
    return {"history_text": text, **bought.columns("category")}


def products(household: Household) -> Row:
    """See `polymart.data.assortment.household_products`."""
    bought = household.products
    kept = np.sort(np.argsort(-bought.decayed_N, kind="stable")[:MAX_PRODUCTS])
    parts = (values_N[kept] for values_N in (bought.ids_N, bought.count_N, bought.decayed_N, bought.gap_N))
    return dict(Counts(*parts).columns("product"))


def visit(household: Household) -> Row:
    """See `polymart.data.behaviour.household_visit`."""
    times_V, now = np.unique(household.basket_times), household.newest_s
    gaps = np.diff(times_V)
    quick = gaps <= RETURN_DAYS * DAY_S
    clock = pd.to_datetime(times_V, unit="s", utc=True).tz_convert(TIME_ZONE)
    angle = (clock[-1].hour * 60 + clock[-1].minute) * np.pi / 720
    days_after = (clock.weekday - clock[-1].weekday()) % 7
    ratio = household.visit_cents * len(times_V) / household.value_cents if household.value_cents else None
    return {
        "visit_weekday": clock[-1].day_name().lower(),
        "visit_hour_sin": float(np.sin(angle)),
        "visit_hour_cos": float(np.cos(angle)),
        "visit_value": household.visit_cents / 100,
        "visit_units": float(household.visit_units),
        "visit_categories": float(household.visit_categories),
        "visit_value_ratio": ratio,
        "gap_days_before": gaps[-2] / DAY_S if len(gaps) > 1 else None,
        "gap_days_recent": _mean(gaps[-RECENT_GAPS:] / DAY_S),
        "quick_return_share": _mean(quick),
        "quick_return_share_recent": _mean(quick[-RECENT_GAPS:]),
        "visits_7d": float((times_V >= now - 7 * DAY_S).sum()),
        "next_weekdays_share": float(np.isin(days_after, (1, 2, 3)).mean()),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
