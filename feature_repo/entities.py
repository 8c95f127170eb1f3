"""Whom features describe: a household, a campaign, a category, a store."""

from __future__ import annotations

from feast import Entity, ValueType


def _entity(name: str, description: str) -> Entity:
    return Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64, description=description)


household = _entity("household", "A pseudonymised household of the panel")
campaign = _entity("campaign", "A coupon campaign")
category = _entity("category", "A product category; ids are dense and follow the names' order")
store = _entity("store", "A store of the chain")

ENTITIES = [household, campaign, category, store]
