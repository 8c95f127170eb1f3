"""What the features see of a basket: its lines cleaned as the batch code cleans them, its products by their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from polymart.data.shop import MAX_LINE_UNITS
from serving.contract import BasketLine, EventRequest
from serving.events.household import Basket


@dataclass(frozen=True)
class Assortment:
    """The products of a feature store."""

    category_of: dict[int, int]
    """Product -> category; products that no basket counts are not in it."""
    position_of: dict[int, int]
    """Product -> position in the item table; products that nobody had bought are not in it."""
    category_names: dict[int, str]

    @classmethod
    def read(cls, store: Path) -> Assortment:
        """The assortment that stands in the store's folder.

        Raises:
            OSError: there is none.
        """
        path = store / "assortment.parquet"
        return _read(path, path.stat().st_mtime_ns)

    def basket(self, event: EventRequest) -> Basket | None:
        """The basket as `polymart.data.shop` cleans it; None where no line is left."""
        lines = [line for line in dict.fromkeys(event.items) if line.product_id in self.category_of]
        if not lines:
            return None
        positions = {self.position_of.get(line.product_id) for line in lines} - {None}
        return Basket(
            event_id=event.event_id,
            at_s=int(event.at.timestamp()),
            value_cents=sum(map(_cents, lines)),
            num_units=sum(min(line.quantity, MAX_LINE_UNITS) for line in lines),
            num_lines=len(lines),
            num_coupon_lines=sum(line.coupon for line in lines),
            category_ids=np.unique([self.category_of[line.product_id] for line in lines]),
            product_ids=np.array(sorted(positions), np.int64),  # type: ignore[type-var]
        )


def _cents(line: BasketLine) -> int:
    return int(line.value * 100 + 0.5)  # half a cent up, as the batch code rounds


@lru_cache(maxsize=1)
def _read(path: Path, version: int) -> Assortment:
    columns = pq.read_table(path).to_pydict()
    products, categories = columns["product_id"], columns["category_id"]
    positions = zip(products, columns["position"], strict=True)
    return Assortment(
        category_of=dict(zip(products, categories, strict=True)),
        position_of={product: position for product, position in positions if position is not None},
        category_names=dict(zip(categories, columns["category"], strict=True)),
    )
