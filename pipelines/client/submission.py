"""Submit a run, once: neither a second command nor a lost answer makes a second run of the same order.

KFP names nothing uniquely, so names carry the guard: ``<suite>-<pipeline>-<key>-<time>``. The server is asked for the
key before a run is created, for the whole name after an answer was lost, and for the key again afterwards: of two runs
that were created at once the younger withdraws.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import kfp_server_api as api

from pipelines.client.orders import Order, experiment_of, runtime_config
from pipelines.client.runs import Run, cancel_run, find_runs, run_of
from pipelines.client.server import ATTEMPTS, PAUSE_S, NoAnswer, Server


def run_name(order: Order, at: datetime | None = None) -> str:
    """Name of a run that is submitted now."""
    return f"{order.family}{order.key}-{at or datetime.now(UTC):%Y%m%d-%H%M%S}"


def find_duplicate(server: Server, order: Order) -> Run | None:
    """A run of the same order that works, or that has succeeded on the same data; the one in flight first."""
    runs = find_runs(server, order.family + order.key)
    standing = [run for run in runs if run.in_flight or (run.succeeded and not order.repeatable)]
    return min(standing, key=lambda run: (not run.in_flight, run.created_at, run.run_id), default=None)


def submit(server: Server, order: Order, *, name: str = "", again: bool = False) -> tuple[Run, bool]:
    """Start a run of ``order`` unless there is one.

    Args:
        name: of `run_name`; empty makes one.
        again: start it although one works or has succeeded.

    Returns:
        The run, and whether it is new.

    Raises:
        Refused: the server does not let us in.
        NoAnswer: the server answers nothing, even whether it has created the run.
        PolymartError: the server says no.
    """
    server.check()
    if not again and (duplicate := find_duplicate(server, order)):
        return duplicate, False
    name = name or run_name(order)
    body = api.V2beta1Run(
        experiment_id=experiment_of(server, order.experiment),
        display_name=name,
        pipeline_spec=order.specification,
        runtime_config=runtime_config(server, order),
        service_account=server.cluster.service_account,
    )
    run = _create(server, body, name)
    return _settle(server, run, name, name if again else order.family + order.key)


def _create(server: Server, body: api.V2beta1Run, name: str) -> Run:
    """Create a run; after a lost answer first look whether it is there."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run_of(server, server.tell(server.runs.run_service_create_run, body))
        except NoAnswer:
            time.sleep(PAUSE_S * 2**attempt)  # a dropped connection does not stop the server from creating it
            if found := find_runs(server, name):
                return found[-1]
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _settle(server: Server, run: Run, name: str, rivals: str) -> tuple[Run, bool]:
    """Of all runs in flight that ``rivals`` finds the oldest stands; those that we created besides it are cancelled."""
    standing = [other for other in find_runs(server, rivals) if other.in_flight]
    oldest = min(standing, key=lambda other: (other.created_at, other.run_id), default=run)
    for other in standing:
        if other.name == name and other.run_id != oldest.run_id:
            cancel_run(server, other.run_id)
    return oldest, oldest.name == name
