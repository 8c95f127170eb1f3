"""The commands that speak to Kubeflow Pipelines, with the real pipelines, against the stand-in server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polymart.cli.main import build_app
from polymart.config import load_suite

ROOT = Path(__file__).parents[2]
SUITE = str(ROOT / "suites/quick.yaml")
CLUSTER = ROOT / "clusters/example.yaml"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("POLYMART_KFP_HOST", "POLYMART_KFP_TOKEN_FILE", "POLYMART_EXTRA_DATA", "POLYMART_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("polymart.version.code_version", lambda: "sha256:code")  # the checkout may be edited meanwhile
    monkeypatch.setattr("pipelines.client.runs.time.sleep", lambda _seconds: None)


def polymart(*arguments: str):
    return CliRunner().invoke(build_app(), list(arguments))


def submit(*arguments: str):
    return polymart("submit", "training", "--suite", SUITE, *arguments)


def test_dry_run_without_a_server_says_what_it_does_not_know():
    done = submit("--dry-run", "--argument", "environment=staging")
    assert done.exit_code == 0, done.exception
    plan = json.loads(done.stdout)
    assert plan["arguments"]["environment"] == "staging"
    assert plan["arguments"]["suite"] == load_suite(SUITE).to_json()
    assert plan["arguments"]["data_version"].startswith("sha256:")
    assert plan["run"].startswith("quick-training-")
    assert plan["cost"] == plan["duplicate_of"] == "unknown: no host"


def test_a_dry_run_sends_nothing_and_names_the_run_that_stands(server):
    submit("--host", server.host)
    before = len(server.requests)
    plan = json.loads(submit("--host", server.host, "--dry-run").stdout)
    assert plan["duplicate_of"] == f"{server.host}/#/runs/details/run_id-1"
    assert "cost unknown; no earlier run" in plan["cost"]
    assert {method for method, _, _ in server.requests[before:]} == {"GET"}


@pytest.mark.parametrize(("state", "status"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_waiting_gives_the_exit_status(server, state, status):
    server.states = ["PENDING", "RUNNING", state]
    done = submit("--host", server.host, "--wait")
    assert done.exit_code == status, done.exception
    assert f"{state}\n{server.host}/#/runs/details/run_id-1" in done.stdout
    assert server.runs["run_id-1"]["runtime_config"]["parameters"]["suite"] == load_suite(SUITE).to_json()


def test_name_page_and_cost_stand_before_the_run(server):
    done = submit("--host", server.host, "--experiment", "shop")
    lines = [line.split()[0] for line in done.stdout.splitlines()]
    assert lines[:3] == ["run", "in", "cost"]
    assert "shop, http://127.0.0.1" in done.stdout
    assert server.experiments["experiment_id-1"]["display_name"] == "shop"
    again = submit("--host", server.host, "--experiment", "shop", "--dry-run")
    assert json.loads(again.stdout)["page"] == f"{server.host}/#/experiments/details/experiment_id-1"


def test_a_command_that_was_cut_off_is_taken_up_by_the_same_command(server):
    first = submit("--host", server.host)
    again = submit("--host", server.host, "--wait")
    assert "not submitted:" not in first.stdout
    assert "not submitted: quick-training-" in again.stdout
    assert "SUCCEEDED" in again.stdout
    assert len(server.runs) == 1
    assert "is SUCCEEDED; --again submits anew" in submit("--host", server.host).stdout
    assert "not submitted" not in submit("--host", server.host, "--again").stdout
    assert len(server.runs) == 2


def test_runs_are_listed_awaited_and_cancelled(server):
    assert "no run yet" in polymart("runs", "--host", server.host).stdout
    submit("--host", server.host)
    assert "run_id-1" in polymart("runs", "--host", server.host).stdout
    assert "is being cancelled" in polymart("cancel", "run_id-1", "--host", server.host).stdout
    waited = polymart("runs", "wait", "run_id-1", "--host", server.host)
    assert waited.exit_code == 1
    assert "CANCELED" in waited.stdout
    assert "is CANCELED; nothing to do" in polymart("cancel", "run_id-1", "--host", server.host).stdout


def test_monitoring_is_scheduled_paused_and_deleted(server):
    told = ["--argument", "examples_uri=s3://shop/examples", "--argument", "predictions_uri=s3://shop/log"]
    scheduled = ["schedule", "monitoring", "--suite", SUITE, "--cron", "0 3 * * *", "--host", server.host, *told]
    assert "quick-monitoring: created, at 0 0 3 * * * UTC" in polymart(*scheduled).stdout
    assert "unchanged" in polymart(*scheduled).stdout
    assert "paused" in polymart("schedules", "pause", "quick-monitoring", "--host", server.host).stdout
    assert "paused: `polymart schedules resume quick-monitoring`" in polymart(*scheduled).stdout
    assert "paused" in polymart("schedules", "--host", server.host).stdout
    assert "on" in polymart("schedules", "resume", "quick-monitoring", "--host", server.host).stdout
    assert "deleted" in polymart("schedules", "delete", "quick-monitoring", "--host", server.host).stdout
    assert "there is none" in polymart("schedules", "delete", "quick-monitoring", "--host", server.host).stdout


def test_a_pipeline_is_uploaded_once(server, tmp_path):
    (tmp_path / "cluster.yaml").write_text("sizes: {training: {gpus: 2}}\n")
    uploaded = ["upload", "training", "--host", server.host, "--cluster", str(tmp_path / "cluster.yaml")]
    assert ": uploaded" in polymart(*uploaded).stdout
    assert ": is there already" in polymart(*uploaded).stdout
    assert ": uploaded" in polymart("upload", "training", "--host", server.host).stdout


def test_a_malformed_argument_is_refused():
    done = submit("--dry-run", "--argument", "environment")
    assert done.exit_code == 2
    assert "name=value" in done.output
