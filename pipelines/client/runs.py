"""Runs: find, look, wait, cancel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from pipelines.client.orders import named
from pipelines.client.server import NoAnswer, Refused, Server
from polymart.errors import PolymartError

FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
"""States that a run does not leave."""
SILENT_POLLS, REFUSED_POLLS = 30, 3
"""Looks in a row without an answer (a restarting server), or refused (a token being rotated), that end a wait."""


@dataclass(frozen=True)
class Run:
    """A run as the server tells of it."""

    run_id: str
    name: str
    url: str
    """Its page in the user interface."""
    state: str
    """Kubeflow's word, e.g. ``PENDING`` or ``SUCCEEDED``."""
    created_at: datetime
    error: str = ""
    """The server's words about a failed run."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.state == "SUCCEEDED"

    @property
    def in_flight(self) -> bool:
        """Whether it works, or is going to."""
        return self.state not in (*FINAL, "CANCELING")


def run_of(server: Server, told: Any) -> Run:
    """A run out of the generated model."""
    words = told.error.message if told.error and told.error.message else ""
    state = told.state or "PENDING"
    return Run(told.run_id, told.display_name, server.page_of(told.run_id), state, told.created_at, words)


def find_runs(server: Server, text: str, *, limit: int = 1000) -> list[Run]:
    """Runs whose names hold ``text`` (all for an empty one), newest first."""
    chosen = named("display_name", text, "IS_SUBSTRING") if text else None
    listed = server.runs.run_service_list_runs
    told = server.every(listed, "runs", filter=chosen, namespace=server.namespace, sort_by="created_at desc")
    return [run_of(server, item) for item in islice(told, limit)]


def get_run(server: Server, run_id: str) -> Run:
    """One run.

    Raises:
        PolymartError: there is none of this id.
    """
    return run_of(server, server.ask(server.runs.run_service_get_run, run_id))


def cancel_run(server: Server, run_id: str) -> Run:
    """Ask a run to end; one that has ended stays as it is. Returns the run as it was before."""
    run = get_run(server, run_id)
    if run.in_flight:
        try:
            server.ask(server.runs.run_service_terminate_run, run_id)
        except PolymartError:
            # It may have ended meanwhile, or the first of two requests was carried out and its answer lost.
            if get_run(server, run_id).in_flight:
                raise
    return run


def wait_run(
    server: Server,
    run_id: str,
    *,
    timeout_s: float = 86_400,
    poll_s: float = 10,
    listen: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Wait until a run has reached one of `FINAL`; a failed run does not raise.

    Args:
        timeout_s: longest wait; the run goes on after it.
        poll_s: seconds between two looks.
        listen: called whenever the state changes.

    Raises:
        PolymartError: the run did not end in time, or the server cannot be reached or refuses us for long; the
            message says how to go on waiting.
    """
    deadline, state, failures = time.monotonic() + timeout_s, "", 0
    resume = f"the run goes on; `polymart runs wait {run_id}` waits for it again"
    while True:
        try:
            run = run_of(server, server.tell(server.runs.run_service_get_run, run_id))
            failures = 0
            if run.state != state:
                state = run.state
                listen(run)
            if state in FINAL:
                return run
        except (NoAnswer, Refused) as error:
            failures += 1
            if failures >= (REFUSED_POLLS if isinstance(error, Refused) else SILENT_POLLS):
                raise type(error)(f"{error.message}; {failures} looks in a row", remedy=resume) from error
        if time.monotonic() + poll_s > deadline:
            raise PolymartError(
                f"run {run_id} is still {state or 'unknown'} after {timeout_s:g} s: {server.page_of(run_id)}",
                remedy=resume,
            )
        time.sleep(poll_s)
