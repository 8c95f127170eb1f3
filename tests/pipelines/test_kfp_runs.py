"""Waiting for runs, finding them, cancelling them."""

from __future__ import annotations

import pytest

import pipelines.client.runs
from pipelines.client import NoAnswer, Refused, Server, cancel_run, find_runs, submit, wait_run
from polymart.config import Cluster, TokenFile
from polymart.errors import PolymartError


@pytest.fixture
def run_id(client, order):
    return submit(client, order())[0].run_id


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_waiting_ends_at_every_final_state(server, client, run_id, state):
    between = ["CANCELING"] if state == "CANCELED" else []
    server.states, seen = ["PENDING", "RUNNING", *between, state], []
    done = wait_run(client, run_id, poll_s=0.01, timeout_s=20, listen=lambda run: seen.append(run.state))
    assert (done.state, done.succeeded) == (state, state == "SUCCEEDED")
    assert done.error == ("task train_suite failed" if state == "FAILED" else "")
    assert seen == ["RUNNING", *between, state]


def test_waiting_stops_at_the_timeout_and_says_how_to_go_on(server, client, run_id):
    server.states = ["PENDING", "RUNNING"]
    with pytest.raises(PolymartError, match=r"still RUNNING after 0\.3 s: http://127.*details/run_id-1") as told:
        wait_run(client, run_id, timeout_s=0.3, poll_s=0.05)
    assert "polymart runs wait run_id-1" in told.value.remedy


@pytest.mark.parametrize("fault", [500, 503, 429, "before", "after"])
def test_a_short_outage_is_survived(server, client, run_id, fault):
    server.fail = {"GET /runs/run_id-1": [fault] * 20}
    assert wait_run(client, run_id, poll_s=0.001).succeeded


def test_a_long_outage_is_told_and_another_wait_takes_it_up(server, client, run_id):
    server.fail = {"GET /runs/run_id-1": [500] * pipelines.client.runs.SILENT_POLLS}
    with pytest.raises(NoAnswer, match=r"answered with status 500.*30 looks in a row") as told:
        wait_run(client, run_id, poll_s=0.001)
    assert "the run goes on; `polymart runs wait run_id-1`" in told.value.remedy
    assert wait_run(client, run_id, poll_s=0.001).succeeded


def test_a_token_that_expired_for_good_is_told_soon(server, client, run_id):
    server.token = "another"
    with pytest.raises(Refused, match=r"refuses us .*3 looks in a row") as told:
        wait_run(client, run_id, poll_s=0.001)
    assert "the run goes on" in told.value.remedy


def test_a_rotated_token_is_read_again(server, order, tmp_path, monkeypatch):
    server.states, server.token, token = ["PENDING"] + ["RUNNING"] * 3 + ["SUCCEEDED"], "old", tmp_path / "token"
    token.write_text("old\n")
    client = Server(Cluster(access=TokenFile(method="token_file", file=str(token))), host=server.host)

    def rotate(_seconds: float) -> None:
        server.token = "new"
        token.write_text("new")

    run_id = submit(client, order())[0].run_id
    monkeypatch.setattr(pipelines.client.runs.time, "sleep", rotate)
    assert wait_run(client, run_id).succeeded
    assert {authorization for _, _, authorization in server.requests} == {"Bearer old", "Bearer new"}


def test_an_unknown_run_is_told(client):
    with pytest.raises(PolymartError, match=r"status 404: .*run_id-7 not found"):
        wait_run(client, "run_id-7")


def test_runs_are_found_by_part_of_their_name_over_all_pages(server, client, order, monkeypatch):
    monkeypatch.setattr(pipelines.client.server, "PAGE", 2)
    for rows in range(5):
        submit(client, order(rows=rows))
    assert [run.run_id for run in find_runs(client, "")] == [f"run_id-{n}" for n in (5, 4, 3, 2, 1)]
    assert [run.run_id for run in find_runs(client, order(rows=3).key)] == ["run_id-4"]
    assert len(find_runs(client, "shop-training", limit=3)) == 3
    assert find_runs(client, "shop-monitoring") == []


@pytest.mark.parametrize("fault", [None, 500, "before", "after", "gateway"])
def test_a_run_is_cancelled_once(server, client, run_id, fault):
    server.fail = {f"POST /runs/{run_id}:terminate": [fault]} if fault else {}
    assert cancel_run(client, run_id).in_flight
    assert not cancel_run(client, run_id).in_flight
    assert wait_run(client, run_id, poll_s=0.01).state == "CANCELED"


def test_a_run_that_has_ended_is_not_cancelled(server, client, run_id):
    wait_run(client, run_id, poll_s=0.01)
    assert cancel_run(client, run_id).succeeded
    assert not any(":terminate" in path for _, path, _ in server.requests)
