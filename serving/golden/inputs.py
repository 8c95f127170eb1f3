"""Golden requests of the endpoints that are given their inputs: texts, pictures and payments of the tables."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from serving.answers.picture import is_picture_only
from serving.contract import MAX_PICTURE, MAX_TEXT, MAX_TOP
from serving.golden.records import Golden, Reference, named_scores
from serving.texts import is_understood

EVERY = 10**6
"""More than any label map or catalogue holds: the service may answer with any of it."""


def understand(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Texts of the table, with the scores of every task that `/understand` serves: none may spoil another's."""
    predictor, names = reference.predictor, [other.name for other in reference.tasks if is_understood(other)]
    for text in frame[predictor.columns(task)[0]].dropna().map(str.strip).unique():
        if 0 < len(text) <= MAX_TEXT:
            frames = {name: pd.DataFrame({predictor.columns(name)[0]: [text]}) for name in names}
            expected = {name: named_scores(predictor.answer(name, one, EVERY)[0]) for name, one in frames.items()}
            yield Golden("understand", {"text": text, "top": MAX_TOP}, expected)


def picture(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Pictures of the table, with the scores of every picture task."""
    predictor, names = reference.predictor, [other.name for other in reference.tasks if is_picture_only(other)]
    for content in frame[predictor.columns(task)[0]]:
        if len(content) > MAX_PICTURE:
            continue
        frames = {name: pd.DataFrame({predictor.columns(name)[0]: [content]}) for name in names}
        expected = {name: named_scores(predictor.answer(name, one, MAX_TOP)[0]) for name, one in frames.items()}
        yield Golden("picture", {"image": b64encode(content).decode(), "top": MAX_TOP}, expected)


def fraud(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Payments of the table, told as a shop would tell them; the score is that of the table's own inputs."""
    for position, row in enumerate(frame.to_dict("records")):
        score = reference.predictor.scores(task, frame.iloc[[position]])[0, 0]
        yield Golden("fraud", _payment(row), {task: {"score": float(score)}})


def _payment(row: dict[Hashable, Any]) -> dict[str, Any]:
    """The request whose inputs are ``row``: what the table holds as distances is told as moments and means."""
    paid = row["event_timestamp"]
    expires = paid.to_period("M") + int(row["months_to_expiry"])
    body = {
        "at": paid.isoformat(),
        "amount": row["amount"],
        "card_expires": expires.strftime("%m/%y"),
        "card_payments_before": int(row["card_before"]),
        "store_payments_before": int(row["store_before"]),
        "customer_present": row["customer_present"] == "True",
        **{name: row[name] for name in ("currency", "provider", "country")},
    }
    if row["card_gap_days"] == row["card_gap_days"]:  # the card's first payment has none
        body["card_last_payment_at"] = (paid - pd.Timedelta(days=row["card_gap_days"])).isoformat(
            timespec="microseconds"
        )
    if row["amount_to_mean"] == row["amount_to_mean"]:
        body["card_mean_amount"] = row["amount"] / row["amount_to_mean"]
    return body
