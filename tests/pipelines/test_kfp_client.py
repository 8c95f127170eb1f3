"""`pipelines.client` against a stand-in server, with the real kfp client and a really compiled pipeline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import pipelines.client
from pipelines.client import Submission, submit
from polymart.errors import PolymartError, SettingError


@pytest.fixture
def send(server, package):
    def send(**changes: Any) -> Submission:
        told = {"host": server.host, "experiment": "shop", "run_name": "run 1", "poll_s": 0.01} | changes
        return submit(package, **told)

    return send


def test_a_run_is_taken_with_its_arguments(server, send, capsys):
    done = send(arguments={"rows": 5})
    run = server.runs[done.run_id]
    assert (run["display_name"], run["experiment_id"]) == ("run 1", "experiment_id-1")
    assert run["runtime_config"]["parameters"] == {"rows": 5}
    assert run["pipeline_spec"]["pipelineInfo"]["name"] == "tiny"
    assert (done.state, done.succeeded) == ("PENDING", False)
    assert done.url == f"{server.host}/#/runs/details/{done.run_id}"
    assert server.requests[0][1] == "/healthz"
    assert capsys.readouterr().out == ""


def test_an_experiment_is_reused(server, send):
    send()
    send()
    assert len(server.experiments) == 1
    assert len(server.runs) == 2


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_waiting_ends_at_every_final_state(server, send, state):
    server.states = ["PENDING", "RUNNING", "CANCELING", state]
    done = send(wait=True, timeout_s=20)
    assert (done.state, done.succeeded) == (state, state == "SUCCEEDED")
    assert done.error == ("task train_suite failed" if state == "FAILED" else "")


def test_waiting_stops_at_the_timeout_and_names_the_run(server, send):
    server.states = ["PENDING", "RUNNING"]
    with pytest.raises(PolymartError, match=r"still RUNNING after 0\.3 s; it goes on at http://127.*details/run_id-1"):
        send(wait=True, timeout_s=0.3)


def test_the_token_is_sent_as_bearer_everywhere(server, send, tmp_path):
    server.token = "s3cret"
    (tmp_path / "token").write_text("s3cret\n")
    assert send(token_file=tmp_path / "token", wait=True).succeeded
    assert {authorization for _, _, authorization in server.requests} == {"Bearer s3cret"}


def test_a_rotated_token_is_read_again_while_waiting(server, send, tmp_path, monkeypatch):
    server.states, server.token, token = ["PENDING"] + ["RUNNING"] * 3 + ["SUCCEEDED"], "old", tmp_path / "token"
    token.write_text("old")

    def rotate(_seconds: float) -> None:
        server.token = "new"
        token.write_text("new")

    monkeypatch.setattr(pipelines.client.time, "sleep", rotate)
    assert send(token_file=token, wait=True).succeeded


def test_a_short_outage_while_waiting_is_survived(server, send):
    server.fail = {"GET /runs/run_id-1": [500, 503, 502]}
    assert send(wait=True).succeeded


def test_a_long_outage_while_waiting_is_told(server, send):
    server.fail = {"GET /runs/run_id-1": [500] * 50}
    with pytest.raises(PolymartError, match="answered with status 500"):
        send(wait=True)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_told(server, send, status):
    server.fail = {"GET /healthz": [status]}
    with pytest.raises(SettingError, match=rf"refuses us \(status {status}\)"):
        send()


def test_a_token_good_for_health_only_is_told(server, send):
    server.fail = {"POST /runs": [403]}
    with pytest.raises(SettingError, match="refuses us"):
        send()


@pytest.mark.parametrize("place", ["GET /healthz", "GET /experiments", "POST /runs"])
def test_a_failing_server_is_told_with_its_words(server, send, place):
    server.fail = {place: [500]}
    with pytest.raises(PolymartError, match=r"status 500: .*as the test asked"):
        send()


def test_a_server_that_never_answers_is_given_up(server, send, monkeypatch):
    monkeypatch.setattr(pipelines.client, "REQUEST_TIMEOUT_S", 0.3)
    server.hang = "/runs"
    started = time.monotonic()
    with pytest.raises(SettingError, match="cannot be reached"):
        send()
    assert time.monotonic() - started < 10


def test_nobody_listening_is_told_at_once(send):
    started = time.monotonic()
    with pytest.raises(SettingError, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        send(host="http://127.0.0.1:9")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("host", ["", "kfp.shop.test"])
def test_a_missing_or_bare_host_is_told(send, host):
    with pytest.raises(SettingError, match="must start with http"):
        send(host=host)


def test_a_missing_or_empty_token_file_is_told(send, tmp_path: Path):
    with pytest.raises(SettingError, match="nowhere cannot be read"):
        send(token_file=tmp_path / "nowhere")
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(SettingError, match="is empty"):
        send(token_file=tmp_path / "token")
