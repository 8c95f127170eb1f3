"""Feature services: what each decision reads, in training and in serving alike."""

from __future__ import annotations

from feast import FeatureService, FeatureView

SERVICES = {
    "next_category": ["household_profile", "household_history"],
    "coupon_response": ["household_profile", "campaign", "household_campaign"],
    "demand": ["series_demand"],
    "next_product": ["household_profile", "household_history", "household_products"],
    "repurchase_7d": ["household_profile", "household_activity", "household_category", "category_week"],
    "next_action": ["household_profile", "household_history", "household_visit"],
    "churn": ["household_profile", "household_activity"],
}
"""Views of each service that a task reads."""
HOUSEHOLD_EVENT = "household_event"
EVENT_SERVICES = {HOUSEHOLD_EVENT: ["household_state", "household_profile"]}
"""Views behind ``/events``: what a basket is folded into, and whether the household was known without it."""


def make_services(views: dict[str, FeatureView]) -> list[FeatureService]:
    """One service per decision, and that of the events, whose views are all present."""
    return [
        FeatureService(name=name, features=[views[view] for view in members])
        for name, members in (SERVICES | EVENT_SERVICES).items()
        if views.keys() >= set(members)
    ]
