"""The lines of the ledger, and the state that they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from monitoring.records import Decision, Hold, Record, RetrainState, Run


class Decided(Record):
    """A decision was taken. Without a wall clock: the same pass, run again after a crash, writes the same line."""

    kind: Literal["decided"] = "decided"
    release: str = ""
    """The release that was watched."""
    inputs_digest: str
    decision: Decision


class Claimed(Record):
    """A retraining will be started: from here on no other is, whatever happens to this process."""

    kind: Literal["claimed"] = "claimed"
    at: datetime
    """Wall clock, naive UTC; so in every line."""
    run: str
    """Name of the run, unique in the ledger."""
    task: str
    decided_at: datetime
    """The decision's clock."""
    data_digest: str


class Started(Record):
    """The run is about to be started; with an id: the orchestrator took it. More than once, where somebody died."""

    kind: Literal["started"] = "started"
    at: datetime
    run: str
    run_id: str = ""
    url: str = ""


class Ended(Record):
    """The run is over."""

    kind: Literal["ended"] = "ended"
    at: datetime
    run: str
    succeeded: bool
    """Whether the pipeline ran to its end, be the gates open or shut."""
    state: str
    """In the orchestrator's words."""
    release: str = ""
    """The release that came of it; empty where the gates stayed shut or the run failed."""
    error: str = ""


class Held(Record):
    """A person forbids retraining for a while."""

    kind: Literal["held"] = "held"
    at: datetime
    hold: Hold


class Lifted(Record):
    """A person ends a hold."""

    kind: Literal["lifted"] = "lifted"
    at: datetime
    by: str


Entry = Annotated[Decided | Claimed | Started | Ended | Held | Lifted, Field(discriminator="kind")]
ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


def fold(entries: Iterable[Entry]) -> RetrainState:
    """The state after ``entries``, oldest first.

    Data that a failed run was started on may be retrained on again, after the cool-down.
    """
    state = RetrainState()
    for entry in entries:
        state = state.model_copy(update=_change(state, entry))
    return state


def _change(state: RetrainState, entry: Entry) -> dict[str, object]:
    run = state.in_flight
    match entry:
        case Claimed():
            return {
                "in_flight": Run(name=entry.run, data_digest=entry.data_digest),
                "started": (*state.started, entry.decided_at),
                "retrained_digests": (*state.retrained_digests, entry.data_digest),
            }
        case Started() if run and run.name == entry.run:
            told = {"run_id": entry.run_id, "url": entry.url, "num_starts": run.num_starts + (not entry.run_id)}
            return {"in_flight": run.model_copy(update=told)}
        case Ended() if run and run.name == entry.run:
            digests = state.retrained_digests if entry.succeeded else state.retrained_digests[:-1]
            return {"in_flight": None, "retrained_digests": digests}
        case Held():
            return {"hold": entry.hold}
        case Lifted():
            return {"hold": None}
        case _:
            return {}
