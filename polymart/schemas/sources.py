"""Label and item tables of the sources beside the shop's log: texts, payments, pictures."""

from __future__ import annotations

import pandera.pandas as pa

from polymart.schemas.columns import SPLITS, count, key, lists, number, picture, table, text, time


def _payment() -> dict[str, pa.Column]:
    """What both tables of card transactions hold."""
    past = {"card_before": number(), "card_gap_days": number(nullable=True), "amount_to_mean": number(nullable=True)}
    clock = {"amount": number(), "hour": number(0, 23), "weekday": number(0, 6)}
    return {**clock, **past, "label": count(0, 1), "split": text(SPLITS)}


SOURCES = [
    table(
        "labels/sentiment",
        {
            "review_id": text(),
            "example_id": text(),
            "text": text(),
            "label": text(["negative", "neutral", "positive"]),
            "valence": number(-4, 4),
            "split": text(SPLITS),
        },
        ["example_id"],
    ),
    table(
        "labels/opinion",
        {
            "document_id": text(),
            "example_id": text(),
            "text": text(),
            "domain": text(["product", "film", "post", "editorial"]),
            "valence": number(-4, 4),
            "split": text(SPLITS),
        },
        ["example_id"],
    ),
    table(
        "labels/intent",
        {"example_id": text(), "text": text(), "label": text(), "split": text(SPLITS)},
        ["example_id"],
    ),
    table(
        "labels/emotion",
        {"example_id": text(), "text": text(), "label": lists(ids=True), "split": text(SPLITS)},
        ["example_id"],
    ),
    table(
        "labels/review_quality",
        {
            "example_id": text(),
            "product": text(),
            "text": text(),
            "label": text(["great", "other"]),
            "split": text(SPLITS),
        },
        ["example_id"],
    ),
    table("items/support_documents", {"item_id": text(), "text": text()}, ["item_id"]),
    table(
        "labels/answer",
        {"example_id": text(), "text": text(), "label": lists(ids=True), "split": text(SPLITS)},
        ["example_id"],
    ),
    table(
        "labels/fraud",
        {
            "example_id": text(),
            "card_id": key(),
            "event_timestamp": time(),
            **_payment(),
            "months_to_expiry": number(),
            "store_before": number(),
            **{name: text(nullable=True) for name in ("currency", "provider", "country", "customer_present")},
        },
        ["example_id"],
    ),
    table(
        "labels/fraud_ieee",
        {
            "example_id": text(),
            "card": text(),
            "day": count(0, 181),
            **_payment(),
            **{f"C{place}": number() for place in range(1, 15)},
            **{f"id_{place}": number(None, nullable=True) for place in (13, 17, 19, 20, 21, 26)},
            **{f"id_{place}": text(nullable=True) for place in (16, 27)},
            **{name: text(nullable=True) for name in ("ProductCD", "R_emaildomain")},
            **{name: text(nullable=True) for name in ("card2", "card3", "card5", "addr1", "addr2")},
        },
        ["example_id"],
    ),
    table(
        "labels/image_category",
        {"example_id": text(), "image": picture(), "label": text(), "split": text(SPLITS)},
        ["example_id"],
    ),
    table(
        "labels/image_attributes",
        {"example_id": text(), "image": picture(), "label": lists(ids=True), "split": text(SPLITS)},
        ["example_id"],
    ),
]
