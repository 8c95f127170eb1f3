"""From a forecast of one week's demand to what should be ordered: the periodic-review, order-up-to policy (R, S).

Source: Silver, Pyke & Thomas, "Inventory and Production Management in Supply Chains", 4th edition (2017), chapter 6
(safety stock, order points and order-up-to levels under probabilistic demand).

The stock is looked at every R days; what is ordered arrives L days later. An order placed now must last until the
next one arrives, that is for the protection interval of R + L days. With the week's median m and upper quantile q::

    safety stock       = (q - m) * sqrt((R + L) / 7)
    order-up-to level  S = m * (R + L) / 7 + safety stock
    reorder point      s = m * L / 7 + (q - m) * sqrt(L / 7)
    quantity           = the smallest whole number >= S - (on hand + on order), at least 0

At or below the reorder point the stock may run out before an order placed now arrives: do not wait for the review.

Assumptions: weeks are independent and alike over the interval, so that means add up and standard deviations grow with
the square root of time; the median stands for the mean; q - m is the same multiple of the standard deviation for a
week and for the interval (true of the normal distribution); lead time is fixed; unmet demand waits. The forecast is
for what the panel bought, so the quantity is a suggestion for that share of sales, to be scaled by whoever uses it.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from polymart.config import Frozen

Units = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
WEEK_DAYS = 7


class Stock(Frozen):
    """What a store has of a series, and how it is supplied."""

    on_hand: Units = 0.0
    """Units on the shelf and in the back room."""
    on_order: Units = 0.0
    """Units ordered and not yet arrived."""
    lead_time_days: int = Field(2, ge=0, le=365)
    """Days from order to arrival (L)."""
    review_days: int = Field(7, ge=1, le=365)
    """Days between two looks at the stock (R)."""


class Demand(Frozen):
    """One week's forecast in units."""

    median: Units
    upper: Units
    """The quantile that the stock should cover (`Task.quantile`); at least the median."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.upper < self.median:
            raise ValueError(f"upper ({self.upper:g}) must not lie below the median ({self.median:g})")
        return self


class Suggestion(Frozen):
    """What to order, and the levels that it follows from, in units."""

    safety_stock: float
    reorder_point: float
    order_up_to: float
    quantity: int
    """Units to order at this review."""
    urgent: bool
    """Whether the stock is at or below the reorder point although some demand is expected."""


def over_weeks(demand: Demand, weeks: float) -> tuple[float, float]:
    """Median and upper quantile of the demand of so many weeks together, under the module's assumptions."""
    return demand.median * weeks, demand.median * weeks + (demand.upper - demand.median) * math.sqrt(weeks)


def suggest_order(demand: Demand, stock: Stock) -> Suggestion:
    """The order that brings stock on hand and on order up to the level S of the module's formulas."""
    lead, protected = stock.lead_time_days / WEEK_DAYS, (stock.review_days + stock.lead_time_days) / WEEK_DAYS
    _, reorder_point = over_weeks(demand, lead)
    median, order_up_to = over_weeks(demand, protected)
    position = stock.on_hand + stock.on_order
    return Suggestion(
        safety_stock=order_up_to - median,
        reorder_point=reorder_point,
        order_up_to=order_up_to,
        quantity=max(0, math.ceil(order_up_to - position)),
        urgent=position <= reorder_point and order_up_to > 0,
    )
