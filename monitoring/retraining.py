"""Acts on a decision: starts the retraining that is due, once, and follows it to its end.

A retraining is claimed in the ledger before it is started. Whoever comes after a crash finds the claim and goes on
with that very run: the orchestrator is asked for a run of the claim's name, and starts it only where it has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from monitoring.blocks import blocks
from monitoring.entries import Claimed, Ended, Started
from monitoring.ledger import Ledger
from monitoring.records import Decision, Run
from polymart.config import Monitoring

MAX_STARTS = 3
"""Starts of one retraining that a dying process may leave without an end; then it counts as failed."""
State = Literal["running", "succeeded", "failed"]


@dataclass(frozen=True)
class Found:
    """A run as the orchestrator sees it."""

    run_id: str
    state: State
    words: str = ""
    """The orchestrator's own word for the state."""
    url: str = ""
    error: str = ""


class Orchestrator(Protocol):
    """Where training pipelines run."""

    def find(self, run: Run) -> Found | None:
        """The run that was claimed under this name; None where it never began or died with the process that ran it."""

    def start(self, run: Run) -> Found:
        """Begin it; returns at once, or at its end where it runs in this process."""


class Done(NamedTuple):
    """What was done, in one line for a person."""

    line: str
    failed: bool = False
    """Whether a retraining was found to have failed."""


def wall_clock() -> datetime:
    """Now, in naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Retraining:
    """Starts and follows the retrainings of one store.

    Attributes:
        ledger: the store.
        orchestrator: where they run.
        policy: of the suite.
        released: data digest -> the release that a retraining on them brought about, empty where none.
        clock: the wall clock.
    """

    ledger: Ledger
    orchestrator: Orchestrator
    policy: Monitoring
    released: Callable[[str], str]
    clock: Callable[[], datetime] = field(default=wall_clock)

    def pursue(self, decision: Decision | None = None) -> Done:
        """Follow the run in flight; then start the one that ``decision`` asks for.

        Args:
            decision: the newest; None only follows.

        Raises:
            PolymartError: the orchestrator cannot be asked; what was claimed is gone on with at the next call.
        """
        with self.ledger.retraining() as mine:
            if not mine:
                return Done("another process starts or follows a retraining now")
            told = self._follow()
            if told or decision is None or decision.action != "retrain":
                return told or Done("" if decision is None else "no retraining is due")
            return self._claim(decision)

    def _follow(self) -> Done | None:
        run = self.ledger.state().in_flight
        if run is None:
            return None
        found = self.orchestrator.find(run)
        if found is None and run.num_starts >= MAX_STARTS:
            found = Found(run.run_id, "failed", "LOST", error=f"begun {run.num_starts} times, never ended")
        return self._told(run, found) if found else self._start(run)

    def _claim(self, decision: Decision) -> Done:
        # asked again: since the decision somebody may have held it, or another controller may have been first
        state, now = self.ledger.state(), self.clock()
        held = blocks(decision.data_digest, self.policy, state, decision.decided_at, now)
        if held:
            return Done(f"no retraining: {', '.join(held.values())}")
        digest = decision.data_digest.removeprefix("sha256:")[:12]
        run = Run(name=f"retrain-{len(state.started) + 1}-{digest}", data_digest=decision.data_digest)
        self.ledger.append(
            Claimed(
                at=now,
                run=run.name,
                task=decision.task,
                decided_at=decision.decided_at,
                data_digest=decision.data_digest,
            )
        )
        return self._start(run)

    def _start(self, run: Run) -> Done:
        self.ledger.append(Started(at=self.clock(), run=run.name))
        return self._told(run, self.orchestrator.start(run))

    def _told(self, run: Run, found: Found) -> Done:
        if found.run_id != run.run_id:
            self.ledger.append(Started(at=self.clock(), run=run.name, run_id=found.run_id, url=found.url))
        if found.state == "running":
            return Done(f"retraining {run.name} is running {found.url}".rstrip())
        succeeded = found.state == "succeeded"
        release = self.released(run.data_digest) if succeeded else ""
        self.ledger.append(
            Ended(
                at=self.clock(),
                run=run.name,
                succeeded=succeeded,
                state=found.words or found.state,
                release=release,
                error=found.error,
            )
        )
        if not succeeded:
            return Done(f"retraining {run.name} failed: {found.error or found.words}", failed=True)
        return Done(f"retraining {run.name} ended: " + (f"{release} is released" if release else "a gate stayed shut"))
