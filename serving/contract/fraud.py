"""``/fraud``: how likely a payment is fraud."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, Field, NaiveDatetime, StringConstraints, model_validator

from serving.contract.base import Request, Response, Score

MAX_COUNT, MAX_AMOUNT = 10**9, 1e12


def _from_text(value: object) -> object:
    """A moment written in ISO 8601; a bare number could be seconds or milliseconds, so it is refused."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:  # its message would echo the value
        raise ValueError("must be ISO 8601, such as 2019-07-03T14:05:00") from None


Moment = Annotated[NaiveDatetime, BeforeValidator(_from_text), Field(ge=datetime(2000, 1, 1), lt=datetime(2100, 1, 1))]
"""On the shop's own clock, as in training: a time zone is refused."""
Amount = Annotated[float, Field(gt=0, le=MAX_AMOUNT, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class FraudRequest(Request):
    """Is this payment fraud? What is known of it, and of its card, before it is accepted."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": "2019-07-03T14:05:00",
                "amount": 24900,
                "currency": "USD",
                "provider": "Mastercard",
                "country": "US",
                "customer_present": False,
                "card_expires": "07/24",
                "card_payments_before": 2,
                "card_last_payment_at": "2019-06-11T09:30:00",
                "card_mean_amount": 18250,
                "store_payments_before": 6,
            }
        }
    )

    at: Moment = Field(description="When it is paid, on the shop's clock: ISO 8601 without a time zone.")
    amount: Amount
    currency: Code = Field(description="ISO 4217; an unseen one is scored as unknown.")
    provider: Code = Field(description="Brand of the card.")
    country: Code | None = Field(None, description="ISO 3166; null when unknown.")
    customer_present: bool
    card_expires: str = Field(pattern=r"^(0[1-9]|1[0-2])/\d\d$", description="MM/YY, as on the card.")
    card_payments_before: Count = Field(description="Earlier payments of this card, failed or not.")
    card_last_payment_at: Moment | None = Field(None, description="The last of them; null when unknown or none.")
    card_mean_amount: Amount | None = Field(None, description="Their mean amount; null when unknown or none.")
    store_payments_before: Count = Field(description="Earlier payments in this store.")

    @model_validator(mode="after")
    def _past_is_past(self) -> Self:
        if self.card_last_payment_at is not None and self.card_last_payment_at > self.at:
            raise ValueError("card_last_payment_at must not lie after at")
        if self.card_payments_before == 0 and (self.card_last_payment_at or self.card_mean_amount):
            raise ValueError("a card without earlier payments has no card_last_payment_at and no card_mean_amount")
        return self


class FraudResponse(Response):
    """Probability that the payment is fraud."""

    score: Score
