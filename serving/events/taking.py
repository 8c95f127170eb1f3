"""Takes baskets as they are told: each is folded into its household once, in the order of time.

The rule for a basket that is told late: one whose ``event_id`` is among the household's newest 32 is a duplicate;
any other that is older than the household's newest basket is left to the next batch, because the state cannot go
back in time. Neither changes anything. A basket of the same second follows the one that is known.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from prometheus_client import Counter

from serving.contract import EventRequest, EventResponse
from serving.contract.events import EventOutcome
from serving.events.assortment import Assortment
from serving.events.features import feature_rows
from serving.events.household import Household, fold
from serving.refusals import FeaturesUnavailableError, FutureEventError, StateMissingError

MAX_AHEAD_S = 300
"""How far a till's clock may run ahead: a basket of next year would make every other one older."""
EVENTS = Counter("polymart_events", "Baskets told to the service, by what became of them", ["outcome"])


class Events:
    """Carries the households of a feature store on.

    Reading, folding and writing of one basket are one step: within a process a lock sees to it. Where several
    processes serve, the baskets of one household must reach the same one.
    """

    def __init__(self, store: Path | None) -> None:
        self.store = store
        self._one_by_one = threading.Lock()

    def take(self, event: EventRequest) -> EventResponse:
        """Fold one basket into its household and write the features that follow.

        Raises:
            FutureEventError: the basket lies in the future.
            StateMissingError: the store does not know what the household's features were made of, or no products.
            FeaturesUnavailableError: there is no store, or it cannot be read or written.
        """
        ahead_s = event.at.timestamp() - time.time()
        if ahead_s > MAX_AHEAD_S:
            raise FutureEventError(
                f"a basket may lie at most {MAX_AHEAD_S} s in the future, found {ahead_s:.0f} s",
                remedy="set the clock, or give the time zone of the basket's time",
            )
        with self._one_by_one:
            outcome, household = self._carry_on(event)
        EVENTS.labels(outcome).inc()
        newest = household.newest if len(household.basket_times) else None
        return EventResponse(event_id=event.event_id, household_id=event.household_id, outcome=outcome, newest=newest)

    def _carry_on(self, event: EventRequest) -> tuple[EventOutcome, Household]:
        store, assortment = self._opened()
        household = self._household(store, event.household_id)
        if event.event_id in household.event_ids:
            return "duplicate", household
        if len(household.basket_times) and int(event.at.timestamp()) < household.newest_s:
            return "older", household
        basket = assortment.basket(event)
        if basket is None:
            return "empty", household
        household = fold(household, basket)
        self._write(store, feature_rows(event.household_id, household, assortment.category_names))
        return "applied", household

    def _opened(self) -> tuple[Path, Assortment]:
        if self.store is None:
            raise FeaturesUnavailableError(
                "no feature store is configured, and events need one",
                remedy="set POLYMART_FEATURE_STORE to a materialised feature store and restart",
            )
        try:
            return self.store, Assortment.read(self.store)
        except OSError as error:
            if (self.store / "registry.db").is_file():
                raise StateMissingError(
                    "the feature store was made without the products that a basket consists of",
                    remedy="apply the feature store again from tables that hold products, categories and transactions",
                ) from error
            raise FeaturesUnavailableError(
                f"there is no feature store to write to: {type(error).__name__}",
                remedy="put the feature store where POLYMART_FEATURE_STORE says, and tell the event again",
            ) from error

    def _household(self, store: Path, household_id: int) -> Household:
        # Imported here: feast takes 5 s, which the process that only supervises the worker need not pay.
        from feature_repo.online import online_features
        from feature_repo.services import HOUSEHOLD_EVENT

        try:
            (row,) = online_features(store, HOUSEHOLD_EVENT, [{"household_id": household_id}])
        except Exception as error:
            raise FeaturesUnavailableError(
                f"the online feature store cannot tell the state of a household: {type(error).__name__}",
                remedy="materialise the feature store of tables with features/household_state, and try again",
            ) from error
        if row is None:
            return Household()
        if row["basket_times"] is None:
            raise StateMissingError(
                f"the feature store knows household {household_id}, but not the state that its features follow from",
                remedy="materialise the feature store up to the newest of its tables",
            )
        return Household.of(row)

    def _write(self, store: Path, rows: dict[str, dict[str, Any]]) -> None:
        from feature_repo.push import push_features

        try:
            push_features(store, rows)
        except Exception as error:
            raise FeaturesUnavailableError(
                f"the online feature store cannot be written: {type(error).__name__}",
                remedy="give the service a store that it may write, and tell the event again",
            ) from error
