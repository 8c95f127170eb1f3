"""A household's past in short, and how one basket carries it on.

Shape suffixes: B baskets, N ids that the household ever bought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from polymart.data.features import RECENT_DAYS
from polymart.data.household_state import MAX_EVENTS

DAY_S = 86_400
TIMES = ("basket_times", "redemption_times", "campaign_times")
SUMS = ("value_cents", "num_units", "num_lines", "num_coupon_lines", "visit_cents", "visit_units", "visit_categories")


def _ids(values: Any = ()) -> np.ndarray:
    return np.asarray(values, np.int64)


@dataclass(frozen=True)
class Basket:
    """One basket as the features see it."""

    event_id: str
    """The shop's name of it."""
    at_s: int
    """When it was paid: whole seconds since 1970, UTC."""
    value_cents: int
    num_units: int
    num_lines: int
    num_coupon_lines: int
    category_ids: np.ndarray
    """Distinct, ascending."""
    product_ids: np.ndarray
    """Positions in the item table; distinct, ascending."""


@dataclass(frozen=True)
class Counts:
    """Which ids were bought, in how many baskets, how recently and how many baskets ago (`polymart.data.history`)."""

    ids_N: np.ndarray = field(default_factory=_ids)
    count_N: np.ndarray = field(default_factory=lambda: np.empty(0))
    decayed_N: np.ndarray = field(default_factory=lambda: np.empty(0))
    gap_N: np.ndarray = field(default_factory=lambda: np.empty(0))

    def after(self, ids: np.ndarray, days: float) -> Counts:
        """The counts after one more basket, which holds ``ids`` and comes ``days`` after the one before it."""
        ids_N = np.union1d(self.ids_N, ids)
        known, bought = np.searchsorted(ids_N, self.ids_N), np.searchsorted(ids_N, ids)
        count_N, decayed_N, gap_N = np.zeros((3, len(ids_N)))
        count_N[known] = self.count_N
        decayed_N[known] = self.decayed_N * 0.5 ** (days / RECENT_DAYS)
        gap_N[known] = self.gap_N + 1
        count_N[bought] += 1
        decayed_N[bought] += 1
        gap_N[bought] = 0
        return Counts(ids_N, count_N, decayed_N, gap_N)

    @classmethod
    def of(cls, row: Mapping[str, Any], prefix: str) -> Counts:
        """The lists ``<prefix>_ids``, ``_count``, ``_decayed`` and ``_gap`` of a row."""
        numbers = (np.asarray(row[f"{prefix}_{part}"], np.float64) for part in ("count", "decayed", "gap"))
        return cls(_ids(row[f"{prefix}_ids"]), *numbers)

    def columns(self, prefix: str) -> dict[str, np.ndarray]:
        """The lists of a row."""
        parts = {"ids": self.ids_N, "count": self.count_N, "decayed": self.decayed_N, "gap": self.gap_N}
        return {f"{prefix}_{part}": values for part, values in parts.items()}


@dataclass(frozen=True)
class Household:
    """A row of the view ``household_state``: columns as in `polymart.data.household_state`. A new one knows nothing."""

    basket_times: np.ndarray = field(default_factory=_ids)
    value_cents: int = 0
    num_units: int = 0
    num_lines: int = 0
    num_coupon_lines: int = 0
    visit_cents: int = 0
    visit_units: int = 0
    visit_categories: int = 0
    redemption_times: np.ndarray = field(default_factory=_ids)
    campaign_times: np.ndarray = field(default_factory=_ids)
    event_ids: tuple[str, ...] = ()
    categories: Counts = field(default_factory=Counts)
    products: Counts = field(default_factory=Counts)

    @property
    def newest_s(self) -> int:
        """Seconds since 1970 of its newest basket; it must have one."""
        return int(self.basket_times[-1])

    @property
    def newest(self) -> datetime:
        """Time of its newest basket; it must have one."""
        return datetime.fromtimestamp(self.newest_s, UTC)

    @property
    def stamp(self) -> datetime:
        """`newest`, later by a microsecond for each other basket of its second: Redis keeps the newer of two rows."""
        return self.newest + timedelta(microseconds=int((self.basket_times == self.newest_s).sum()) - 1)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Household:
        """The household of a row."""
        columns: dict[str, Any] = {name: _ids(row[name]) for name in TIMES} | {name: int(row[name]) for name in SUMS}
        counts = {"categories": Counts.of(row, "category"), "products": Counts.of(row, "product")}
        return cls(**columns | counts, event_ids=tuple(row["event_ids"]))

    def row(self) -> dict[str, Any]:
        """The row of the household."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in (*TIMES, *SUMS)}
        plain["event_ids"] = list(self.event_ids)
        return plain | self.categories.columns("category") | self.products.columns("product")


def fold(household: Household, basket: Basket) -> Household:
    """The household after one more basket, which is not older than its newest.

    Baskets of one second are one visit: their sums stand together.
    """
    first = not len(household.basket_times)
    elapsed_s = 0 if first else basket.at_s - household.newest_s
    same_visit = not first and not elapsed_s
    cents, units, categories = (
        (household.visit_cents, household.visit_units, household.visit_categories) if same_visit else (0, 0, 0)
    )
    return replace(
        household,
        basket_times=np.append(household.basket_times, basket.at_s),
        value_cents=household.value_cents + basket.value_cents,
        num_units=household.num_units + basket.num_units,
        num_lines=household.num_lines + basket.num_lines,
        num_coupon_lines=household.num_coupon_lines + basket.num_coupon_lines,
        visit_cents=cents + basket.value_cents,
        visit_units=units + basket.num_units,
        visit_categories=categories + len(basket.category_ids),
        event_ids=(*household.event_ids, basket.event_id)[-MAX_EVENTS:],
        categories=household.categories.after(basket.category_ids, elapsed_s / DAY_S),
        products=household.products.after(basket.product_ids, elapsed_s / DAY_S),
    )
