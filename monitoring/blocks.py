"""What holds back a retraining that is due. Asked when deciding, and again, under the lock, before it is claimed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from monitoring.records import RetrainState, Rule
from polymart.config import Monitoring

WEEK = timedelta(days=7)


def blocks(
    data_digest: str, policy: Monitoring, state: RetrainState, now: datetime, clock: datetime
) -> dict[Rule, str]:
    """The rules that forbid to begin a retraining, each with its numbers.

    Args:
        data_digest: the data that would be retrained on.
        policy: days, counts and hours of the suite.
        state: earlier retrainings and a person's hold.
        now: event time; cool-down and budget are counted on it, so that a replay decides as the past did.
        clock: wall clock; quiet hours and a hold are about people.
    """
    return dict(_blocks(data_digest, policy, state, now, clock))


def _blocks(
    data_digest: str, policy: Monitoring, state: RetrainState, now: datetime, clock: datetime
) -> Iterator[tuple[Rule, str]]:
    if state.started and now - state.started[-1] < timedelta(days=policy.cooldown_days):
        yield "cool_down", f"cool-down of {policy.cooldown_days} days since {state.started[-1]:%Y-%m-%d} is active"
    if state.in_flight:
        yield "in_flight", f"a retraining is in flight ({state.in_flight.name})"
    if data_digest in state.retrained_digests:
        yield "same_data", f"these data ({data_digest[:19]}) were already retrained on"
    recent = sum(now - started < WEEK for started in state.started)
    if recent >= policy.retrainings_per_week:
        yield "budget", f"{recent} retrainings within 7 days, the budget is {policy.retrainings_per_week}"
    if policy.quiet_hours and policy.quiet_hours.hold_at(clock):
        yield "quiet_hours", f"quiet hours last from {policy.quiet_hours.start} to {policy.quiet_hours.end} UTC"
    if state.hold and clock < state.hold.until:
        yield "hold", f"held by {state.hold.by} until {state.hold.until:%Y-%m-%d %H:%M} UTC: {state.hold.reason}"
