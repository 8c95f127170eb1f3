"""Schedules and uploads: a second call changes nothing, a lost answer makes no second one."""

from __future__ import annotations

import pytest

from pipelines.client import (
    NoAnswer,
    Order,
    delete_schedule,
    find_schedules,
    put_schedule,
    switch_schedule,
    upload,
)
from pipelines.compiling import compile_pipeline
from polymart.errors import PolymartError, SettingError

FAULTS = [None, 500, 503, "before", "after", "gateway"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_second_call_changes_nothing_and_a_lost_answer_is_found(server, client, order, fault):
    server.fail = {"POST /recurringruns": [fault]} if fault else {}
    try:
        assert put_schedule(client, order(), "0 3 * * *")[1] == "created"
    except NoAnswer:  # nothing was created, and the message says to repeat the command
        assert server.recurring == {}
        assert put_schedule(client, order(), "0 3 * * *")[1] == "created"
    made, change = put_schedule(client, order(), "0 0 3 * * *")
    assert change == "unchanged"
    (kept,) = server.recurring.values()
    assert kept["display_name"] == made.name == "shop-training"
    assert kept["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert (kept["max_concurrency"], kept["no_catchup"], kept["status"]) == ("1", True, "ENABLED")


def test_another_time_or_another_argument_replaces_it(server, client, order):
    put_schedule(client, order(), "0 3 * * *")
    assert put_schedule(client, order(), "0 4 * * *")[1] == "replaced"
    assert put_schedule(client, order(rows=2), "0 4 * * *")[1] == "replaced"
    (kept,) = server.recurring.values()
    assert kept["runtime_config"]["parameters"]["rows"] == 2


@pytest.mark.parametrize("fault", ["before", 500])
def test_a_replacement_that_was_cut_off_is_finished_by_the_same_call(server, client, order, fault):
    put_schedule(client, order(), "0 3 * * *")
    server.fail = {"DELETE /recurringruns/recurring_run_id-1": [fault] * 4}
    with pytest.raises(NoAnswer):
        put_schedule(client, order(), "0 4 * * *")
    assert len(server.recurring) == 2
    assert put_schedule(client, order(), "0 4 * * *")[1] == "replaced"
    assert [kept["trigger"]["cron_schedule"]["cron"] for kept in server.recurring.values()] == ["0 0 4 * * *"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_schedule_is_paused_resumed_and_deleted(server, client, order, fault):
    put_schedule(client, order(), "0 3 * * *")
    one = "/recurringruns/recurring_run_id-1"
    server.fail = {f"{m} {one}{what}": [fault] for m, what in (("POST", ":disable"), ("DELETE", ""))} if fault else {}
    switch_schedule(client, "shop-training", on=False)
    switch_schedule(client, "shop-training", on=False)
    assert not find_schedules(client)[0].enabled
    assert put_schedule(client, order(), "0 5 * * *")[0].enabled is False  # a change does not start what was paused
    switch_schedule(client, "shop-training", on=True)
    assert find_schedules(client, "shop-training")[0].enabled
    assert delete_schedule(client, "shop-training") == 1
    assert delete_schedule(client, "shop-training") == 0
    assert server.recurring == {}


def test_no_schedule_of_that_name_is_told(client):
    with pytest.raises(SettingError, match="no schedule shop-demand"):
        switch_schedule(client, "shop-demand", on=False)


@pytest.mark.parametrize("cron", ["", "hourly", "0 3 * *", "0 0 3 * * * 2026"])
def test_a_cron_of_another_length_is_told(server, client, order, cron):
    with pytest.raises(SettingError, match="5 fields"):
        put_schedule(client, order(), cron)
    assert server.requests == []


PLACES = ["POST /pipelines", "POST /pipelines/upload_version", "GET /pipelines"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_upload_is_made_once(server, client, order, place, fault):
    server.fail = {place: [fault]} if fault else {}
    first = upload(client, order())
    again = upload(client, order())
    assert (again.version_id, again.new) == (first.version_id, False)
    assert first.url == f"{server.host}/#/pipelines/details/pipeline_id-1/version/{first.version_id}"
    assert (len(server.pipelines), len(server.versions)) == (1, 1)


def test_another_content_is_another_version(server, client, tmp_path, order):
    upload(client, order())
    monitoring = compile_pipeline("monitoring", tmp_path / "monitoring.yaml")
    assert upload(client, Order("training", "", monitoring)).new
    assert (len(server.pipelines), len(server.versions)) == (1, 2)
    (_, second) = server.versions.values()
    assert "kubernetes" in second["pipeline_spec"]["platform_spec"]["platforms"]


def test_a_refused_upload_is_told(server, client, order):
    server.fail = {"POST /pipelines/upload_version": [403]}
    with pytest.raises(PolymartError, match="refuses us"):
        upload(client, order())
