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
"""Views of each service."""


def make_services(views: dict[str, FeatureView]) -> list[FeatureService]:
    """One service per decision whose views are all present."""
    return [
        FeatureService(name=name, features=[views[view] for view in members])
        for name, members in SERVICES.items()
        if views.keys() >= set(members)
    ]
