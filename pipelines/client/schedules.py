"""Schedules: KFP's recurring runs, one for each suite and pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import kfp_server_api as api

from pipelines.client.orders import Order, experiment_of, named, runtime_config
from pipelines.client.server import NoAnswer, Server
from polymart.errors import PolymartError, SettingError
from polymart.files import canonical_json, digest_text

Change = Literal["created", "replaced", "unchanged"]


@dataclass(frozen=True)
class Schedule:
    """A recurring run on the server."""

    schedule_id: str
    name: str
    """``<suite>-<pipeline>``."""
    cron: str
    enabled: bool
    digest: str
    """Of the pipeline, its arguments and the schedule."""
    created_at: datetime


def put_schedule(server: Server, order: Order, cron: str) -> tuple[Schedule, Change]:
    """Make the server run ``order`` at the times of ``cron``; a second call changes nothing.

    KFP cannot change a schedule: another one is created, then the one before is deleted. Where that was cut off, the
    same call finishes it. A schedule that is paused stays paused.

    Args:
        cron: five fields as crontab has them, or six, the first of which are seconds; UTC.

    Raises:
        SettingError: ``cron`` has another number of fields.
    """
    cron = six_fields(cron)
    server.check()
    digest = digest_text(canonical_json([order.specification, order.arguments, order.experiment, cron]))
    name = order.family.rstrip("-")
    before = find_schedules(server, name)
    known = any(schedule.digest == digest for schedule in before)
    if not known:
        _create(server, order, cron, digest, enabled=all(schedule.enabled for schedule in before))
    now = find_schedules(server, name)
    keep = next(schedule for schedule in now if schedule.digest == digest)  # the oldest, if two callers made one each
    others = [schedule for schedule in now if schedule.schedule_id != keep.schedule_id]
    for other in others:
        _remove(server, other)
    return keep, "replaced" if others else "unchanged" if known else "created"


def six_fields(cron: str) -> str:
    """``cron`` as KFP takes it, with seconds.

    Raises:
        SettingError: it has neither five nor six fields.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        raise SettingError(
            f"a cron schedule has 5 fields (or 6, seconds first), found {len(fields)} in {cron!r}",
            remedy='quote it, e.g. --cron "0 3 * * *" for every night at three, UTC',
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def find_schedules(server: Server, name: str = "") -> list[Schedule]:
    """Schedules of that name (all for an empty one), oldest first."""
    listed = server.schedules.recurring_run_service_list_recurring_runs
    chosen = named("display_name", name) if name else None
    found = server.every(listed, "recurring_runs", filter=chosen, namespace=server.namespace)
    return sorted((_schedule(item) for item in found), key=lambda schedule: (schedule.created_at, schedule.schedule_id))


def switch_schedule(server: Server, name: str, *, on: bool) -> list[Schedule]:
    """Pause or resume the schedules of that name; those that are so already stay so."""
    service = server.schedules
    switch = (
        service.recurring_run_service_enable_recurring_run
        if on
        else service.recurring_run_service_disable_recurring_run
    )
    found = _known(server, name)
    for schedule in found:
        if schedule.enabled != on:
            server.ask(switch, schedule.schedule_id)
    return found


def delete_schedule(server: Server, name: str) -> int:
    """Delete the schedules of that name and say how many there were; none is no error."""
    found = find_schedules(server, name)
    for schedule in found:
        _remove(server, schedule)
    return len(found)


def _known(server: Server, name: str) -> list[Schedule]:
    found = find_schedules(server, name)
    if not found:
        raise SettingError(f"there is no schedule {name}", remedy="`polymart schedules` lists them")
    return found


def _create(server: Server, order: Order, cron: str, digest: str, *, enabled: bool) -> None:
    name = order.family.rstrip("-")
    body = api.V2beta1RecurringRun(
        experiment_id=experiment_of(server, order.experiment),
        display_name=name,
        description=digest,
        mode="ENABLE" if enabled else "DISABLE",
        pipeline_spec=order.specification,
        runtime_config=runtime_config(server, order),
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
        max_concurrency="1",
        no_catchup=True,  # a pass looks at every window that it has missed
        service_account=server.cluster.service_account,
    )
    try:
        server.tell(server.schedules.recurring_run_service_create_recurring_run, body)
    except NoAnswer:
        if not any(schedule.digest == digest for schedule in find_schedules(server, name)):
            raise


def _remove(server: Server, schedule: Schedule) -> None:
    try:
        server.ask(server.schedules.recurring_run_service_delete_recurring_run, schedule.schedule_id)
    except PolymartError:
        # A repeated request finds nothing where the answer to the first was lost.
        if any(other.schedule_id == schedule.schedule_id for other in find_schedules(server, schedule.name)):
            raise


def _schedule(told: Any) -> Schedule:
    cron = told.trigger.cron_schedule.cron if told.trigger and told.trigger.cron_schedule else ""
    enabled = told.status != "DISABLED"
    return Schedule(told.recurring_run_id, told.display_name, cron, enabled, told.description or "", told.created_at)
