"""`polymart submit` with the real pipelines against the stand-in server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polymart.cli.submit import app
from polymart.config import load_suite

ROOT = Path(__file__).parents[2]
SUITE = str(ROOT / "suites/quick.yaml")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("POLYMART_KFP_HOST", "POLYMART_KFP_TOKEN_FILE", "POLYMART_EXTRA_DATA"):
        monkeypatch.delenv(name, raising=False)


def polymart_submit(*arguments: str):
    return CliRunner().invoke(app, ["training", "--suite", SUITE, *arguments])


def test_dry_run_shows_and_sends_nothing():
    done = polymart_submit("--dry-run", "--argument", "environment=staging")
    assert done.exit_code == 0, done.exception
    shown = json.loads(done.stdout)
    assert shown["arguments"]["environment"] == "staging"
    assert shown["arguments"]["suite"] == load_suite(SUITE).to_json()
    assert shown["arguments"]["data_version"].startswith("sha256:")


@pytest.mark.parametrize(("state", "status"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_waiting_gives_the_exit_status(server, monkeypatch, state, status):
    monkeypatch.setattr("pipelines.client.time.sleep", lambda _seconds: None)
    server.states = ["PENDING", "RUNNING", state]
    done = polymart_submit("--host", server.host, "--wait")
    assert done.exit_code == status, done.exception
    assert f"{state}\n{server.host}/#/runs/details/run_id-1" in done.stdout
    assert server.runs["run_id-1"]["runtime_config"]["parameters"]["suite"] == load_suite(SUITE).to_json()


def test_a_malformed_argument_is_refused():
    done = polymart_submit("--dry-run", "--argument", "environment")
    assert done.exit_code == 2
    assert "name=value" in done.output
