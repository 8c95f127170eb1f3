"""One order, one run: duplicates, lost answers, callers at once. Real client, real HTTP, a stand-in server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stand_ins.kfp_server import KfpServer

import pipelines.client.server
import pipelines.client.submission
from pipelines.client import NoAnswer, Refused, Server, submit
from pipelines.client.submission import run_name
from polymart.config import Cluster
from polymart.errors import PolymartError, SettingError

FAULTS = [500, 502, 503, 504, 429, "before", "after", "gateway"]


def in_flight(server) -> list[str]:
    return [run["display_name"] for run in server.runs.values() if run["state"] in ("PENDING", "RUNNING")]


def test_a_run_is_taken_with_its_arguments(server, client, order, capsys):
    made, new = submit(client, order(rows=5))
    run = server.runs[made.run_id]
    assert new
    assert run["display_name"].startswith(f"shop-training-{order(rows=5).key}-")
    assert run["runtime_config"]["parameters"] == {"rows": 5, "data_version": "sha256:0"}
    assert run["pipeline_spec"]["pipelineInfo"]["name"] == "tiny"
    assert (made.state, made.succeeded, made.in_flight) == ("PENDING", False, True)
    assert made.url == f"{server.host}/#/runs/details/{made.run_id}"
    assert server.requests[0][1] == "/healthz"
    assert capsys.readouterr().out == ""


def test_the_cluster_says_where_and_as_whom(server, order):
    cluster = Cluster(multi_user=True, namespace="team", service_account="runner", artifacts="s3://shop/polymart")
    server.multi_user = True
    made, _ = submit(Server(cluster, host=server.host), order())
    run = server.runs[made.run_id]
    assert run["service_account"] == "runner"
    assert run["runtime_config"]["pipeline_root"] == "s3://shop/polymart"
    assert server.experiments["experiment_id-1"]["namespace"] == "team"


def test_the_user_interface_may_lie_elsewhere(server, order):
    client = Server(Cluster(page="https://kubeflow.shop.example/"), host=server.host)
    made, _ = submit(client, order())
    assert made.url == f"https://kubeflow.shop.example/#/runs/details/{made.run_id}"


def test_the_same_order_is_not_submitted_twice(server, client, order):
    first, _ = submit(client, order())
    assert submit(client, order()) == (first, False)
    other, new = submit(client, order(data_version="sha256:1"))
    assert new
    assert other.run_id != first.run_id
    assert len(server.runs) == 2
    assert len(server.experiments) == 1


@pytest.mark.parametrize(("state", "runs"), [("SUCCEEDED", 1), ("FAILED", 2), ("CANCELED", 2), ("CANCELING", 2)])
def test_what_has_succeeded_is_not_submitted_again_and_what_failed_is(server, client, order, state, runs):
    first, _ = submit(client, order())
    server.runs[first.run_id]["state"] = state
    submit(client, order())
    assert len(server.runs) == runs


def test_a_success_says_nothing_of_an_order_that_names_no_data(server, client, order):
    first, _ = submit(client, order(data_version=None))
    assert not submit(client, order(data_version=None))[1]
    server.runs[first.run_id]["state"] = "SUCCEEDED"
    assert submit(client, order(data_version=None))[1]


def test_again_submits_anew(server, client, order):
    submit(client, order(), name=run_name(order(), datetime(2026, 1, 1, tzinfo=UTC)))
    assert submit(client, order(), again=True)[1]
    assert len(in_flight(server)) == 2


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_answer_makes_no_second_run(server, client, order, fault, again):
    server.fail = {"POST /runs": [fault]}
    made, new = submit(client, order(), again=again)
    assert new
    assert list(server.runs) == [made.run_id]


def test_a_run_that_is_created_after_its_connection_was_dropped_is_found(server, client, order, monkeypatch):
    monkeypatch.setattr(pipelines.client.submission, "PAUSE_S", 0.3)
    server.fail = {"POST /runs": ["early"]}
    made, _ = submit(client, order())
    assert list(server.runs) == [made.run_id]


def test_of_a_run_and_its_late_double_the_older_stands(server, client, order):
    server.fail = {"POST /runs": ["before"], "GET /runs": []}
    name = run_name(order())
    submit(client, order(), name=name)
    double = dict(server.runs["run_id-1"])
    server.runs["run_id-0"] = double | {"run_id": "run_id-0", "created_at": "2026-11-01T00:00:00Z"}
    made, new = pipelines.client.submission._settle(client, submit(client, order())[0], name, order().key)
    assert (made.run_id, new) == ("run_id-0", True)
    assert server.runs["run_id-1"]["state"] == "CANCELING"


def test_callers_at_once_end_with_one_run(server, order):
    def one(number: int) -> str:
        name = f"{order().family}{order().key}-caller-{number}"
        return submit(Server(Cluster(), host=server.host), order(), name=name)[0].run_id

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(one, range(4)))
    assert len(in_flight(server)) == 1
    standing = {run_id for run_id, run in server.runs.items() if run["state"] == "PENDING"}
    assert standing <= answers


PLACES = ["GET /healthz", "GET /experiments", "POST /experiments", "GET /runs", "POST /runs"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.dictionaries(st.sampled_from(PLACES), st.lists(st.sampled_from(FAULTS), max_size=6)))
def test_whatever_is_lost_there_is_never_a_second_run(order, faults):
    """Commands are repeated until one gets through, as a person would."""
    with KfpServer() as server:
        server.fail = {place: list(found) for place, found in faults.items()}
        client = Server(Cluster(), host=server.host)
        for _ in range(40):
            try:
                made, _ = submit(client, order())
                break
            except NoAnswer:
                assert len(server.runs) <= 1
        assert list(server.runs) == [made.run_id]
        assert len(server.experiments) == 1
        assert server.complaints == []


@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_keeps_failing_is_told_with_its_words(server, client, order, place):
    server.fail = {place: [500] * 50}
    with pytest.raises(NoAnswer, match=r"answered with status 500: .*as the test asked") as told:
        submit(client, order())
    assert "can be run again" in told.value.remedy
    assert server.runs == {}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_refusal_is_told_wherever_it_comes(server, client, order, place, status):
    server.fail = {place: [status] * 50}
    with pytest.raises(Refused, match=rf"refuses us \(status {status}\)"):
        submit(client, order())
    assert server.runs == {}


def test_what_the_server_finds_wrong_is_told_and_not_repeated(server, client, order):
    with pytest.raises(PolymartError, match=r"status 400: .*takes no parameter \['colour'\]") as told:
        submit(client, order(colour="red"))
    assert not isinstance(told.value, NoAnswer)
    assert [path for method, path, _ in server.requests if method == "POST"].count("/runs") == 1
    server.complaints.clear()


def test_a_slow_answer_is_awaited_and_a_silent_server_given_up(server, client, order, monkeypatch):
    server.fail = {"POST /runs": [0.3]}
    assert submit(client, order())[1]
    monkeypatch.setattr(pipelines.client.server, "REQUEST_TIMEOUT_S", 0.2)
    server.hang = "/runs"
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="cannot be reached"):
        submit(client, order(rows=9))
    assert time.monotonic() - started < 10


def test_nobody_listening_is_told_at_once(order):
    started = time.monotonic()
    with pytest.raises(NoAnswer, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        submit(Server(Cluster(), host="http://127.0.0.1:9"), order())
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("host", ["", "kfp.shop.test"])
def test_a_missing_or_bare_host_is_told(host):
    with pytest.raises(SettingError, match="must start with http"):
        Server(Cluster(), host=host)
