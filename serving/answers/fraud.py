"""``/fraud``: a payment, as a shop knows it, to the inputs of the fraud head and its score."""

from __future__ import annotations

import pandas as pd

from polymart.config import Task
from polymart.data.fraud import SECONDS_PER_DAY, clock_inputs
from serving.contract import FraudRequest
from serving.log.notes import note_inputs
from serving.scoring import Scorer

FRAUD = "fraud"
INPUTS = {
    "amount", "hour", "weekday", "months_to_expiry", "card_before", "card_gap_days", "amount_to_mean", "store_before",
    "currency", "provider", "country", "customer_present",
}  # fmt: skip
"""What a payment tells; a head that reads more cannot be asked."""


def judges_payments(task: Task) -> bool:
    """Whether ``task`` is the fraud head and reads nothing that a request does not carry."""
    inputs = task.inputs
    others = inputs.model_dump(exclude={"numeric", "categorical"}, exclude_defaults=True)
    return task.name == FRAUD and not others and {*inputs.numeric, *inputs.categorical} <= INPUTS


def fraud_score(scorer: Scorer, request: FraudRequest) -> float:
    """Probability that the payment is fraud.

    Raises:
        UnknownTaskError: the release has no fraud head, or one that reads other inputs.
    """
    if not any(map(judges_payments, scorer.tasks.values())):
        raise scorer.absent(f"is called {FRAUD!r} and reads only {', '.join(sorted(INPUTS))}")
    payment = payment_row(request)
    note_inputs(**{str(name): value for name, value in payment.iloc[0].items()})
    return float(scorer.scores(FRAUD, payment)[0, 0])


def payment_row(request: FraudRequest) -> pd.DataFrame:
    """The payment as a row of the task's example table; what is not known is None."""
    gap_days = ratio = None
    if request.card_last_payment_at is not None:
        gap_days = (request.at - request.card_last_payment_at).total_seconds() / SECONDS_PER_DAY
    if request.card_mean_amount is not None:
        ratio = request.amount / request.card_mean_amount
    return pd.DataFrame(
        {
            "amount": [request.amount],
            **clock_inputs(pd.Series([request.at]), pd.Series([request.card_expires])),
            "card_before": request.card_payments_before,
            "card_gap_days": gap_days,
            "amount_to_mean": ratio,
            "store_before": request.store_payments_before,
            "currency": request.currency,
            "provider": request.provider,
            "country": request.country,
            "customer_present": str(request.customer_present),
        }
    )
