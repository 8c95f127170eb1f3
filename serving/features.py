"""Features from Feast's online store, by entity keys."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Protocol

from serving.log.notes import note_features
from serving.refusals import FeaturesUnavailableError, UnknownEntityError

Row = dict[str, Any]


class Features(Protocol):
    """Whatever can look features up."""

    def read(self, service: str, entity_rows: list[dict[str, int]]) -> list[Row]:
        """Features of each entity row, in order; a value that is not known is None.

        Raises:
            UnknownEntityError: the store knows nothing of an entity; names its ids.
            FeaturesUnavailableError: the store is missing or does not answer.
        """


class NoFeatures:
    """Stands where no feature store is configured: text-only tasks answer, the others are refused."""

    def read(self, service: str, entity_rows: list[dict[str, int]]) -> list[Row]:
        """Always refuses."""
        raise FeaturesUnavailableError(
            f"no feature store is configured, and {service!r} needs one",
            remedy="set POLYMART_FEATURE_STORE to a materialised feature store and restart",
        )


class OnlineFeatures:
    """The online store of a feature store folder."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def read(self, service: str, entity_rows: list[dict[str, int]]) -> list[Row]:
        """See `Features.read`."""
        # Imported here: feast takes 5 s, which the process that only supervises the worker need not pay.
        from feature_repo.online import online_features

        try:
            found = online_features(self.store, service, entity_rows)
        except Exception as error:
            # Whatever the driver raises, the caller must hear "try again later", not a stack trace.
            raise FeaturesUnavailableError(
                f"the online feature store cannot answer for {service!r}: {type(error).__name__}",
                remedy="materialise the feature store, check that it is reachable, and try again",
            ) from error
        rows = [row or {} for row in found]
        for keys, row in zip(entity_rows, rows, strict=True):
            _check_known(service, keys, row)
        note_features(entity_rows, rows)
        return rows


def _check_known(service: str, keys: dict[str, int], row: Row) -> None:
    """Refuse a row when everything that describes one of its entities is missing.

    Features of a pair of entities may be missing (a campaign that this household was never sent) while both
    entities are known; then the model's median stands in, as in training.
    """
    for names, columns in _required(service):
        if all(row.get(column) is None for column in columns):
            named = " with ".join(f"{name} {keys[name]}" for name in names)
            raise UnknownEntityError(
                f"the feature store knows no {named}", remedy="use ids that occur in the shop's tables"
            )


@cache
def _required(service: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Keys and columns of the views that must know their keys: all but pairs of entities with views of their own."""
    from feature_repo.services import SERVICES
    from feature_repo.views import COLUMNS

    columns: dict[tuple[str, ...], list[str]] = {}
    for view in SERVICES[service]:
        entities, _, features = COLUMNS[view]
        columns.setdefault(tuple(entity.join_key for entity in entities), []).extend(features)
    single = {keys[0] for keys in columns if len(keys) == 1}
    return [(keys, names) for keys, names in columns.items() if len(keys) == 1 or not single.issuperset(keys)]
