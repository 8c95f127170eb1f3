"""``/demand``: one week's forecast to a horizon and an order."""

from __future__ import annotations

from typing import Any

from polymart.tasks.inventory import Demand, Stock, over_weeks, suggest_order
from serving.contract import DemandRequest
from serving.scoring import Scorer


def forecast(scorer: Scorer, request: DemandRequest) -> dict[str, Any]:
    """``quantiles`` of the coming week, ``total`` of the horizon and ``order``, see `DemandResponse`.

    Raises:
        UnknownTaskError, UnknownEntityError, FeaturesUnavailableError: see `Scorer.rows`.
    """
    quantiles = scorer.demand(request.category_id, request.store_id)
    median, upper = quantiles.values()  # in this order, see `polymart.tasks.count`
    week = Demand(median=median, upper=upper)
    total = dict(zip(quantiles, over_weeks(week, request.weeks), strict=True))
    order = suggest_order(week, Stock(**request.stock.model_dump())).model_dump() if request.stock else None
    return {"quantiles": quantiles, "total": total, "order": order}
