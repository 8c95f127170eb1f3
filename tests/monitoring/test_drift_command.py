"""`polymart drift` in the terminal, its numbers for Prometheus, its site and its workspace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fixtures.drift_reports import START, broken_report, drifted_report, made_report, write_reports
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from typer.testing import CliRunner

from monitoring.entries import Claimed, Ended
from monitoring.ledger import Ledger
from monitoring.metrics import HELP, exposition
from monitoring.site import make_site
from polymart.cli import drift
from polymart.errors import MonitoringError
from serving.server import free_port


def call(*arguments: object) -> str:
    done = CliRunner().invoke(drift.app, [str(word) for word in arguments], env={"COLUMNS": "200"})
    if done.exception:
        raise done.exception
    return done.stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_reports(tmp_path, made_report(newest_event=START), drifted_report())
    return tmp_path


def samples(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


def test_latest_tells_the_first_screen(work: Path) -> None:
    told = call("latest", "--work", work)
    order = ["Retrain", "price and 3 more moved", "2026-06-15", "3 of 4 columns drifted", "why", "roll back",
             "polymart deploy rollback --environment local", "monitoring/local/shop-1a2b/report.html"]  # fmt: skip
    assert [told.index(word) for word in order] == sorted(told.index(word) for word in order)


def test_latest_as_json_is_the_same_for_a_machine(work: Path) -> None:
    told = json.loads(call("latest", "--work", work, "--json"))
    assert (told["action"], told["causes"][0]["name"], told["causes"][0]["since"][:10]) == (
        "retrain", "price", "2026-06-15",
    )  # fmt: skip


def test_history_lists_outcomes_and_writes_the_page(work: Path) -> None:
    told = call("history", "--work", work)
    assert told.index("decided: retrain") < told.index("retraining ended: FAILED") < told.index("decided: keep")
    assert (work / "monitoring/history.html").is_file()
    assert json.loads(call("history", "--work", work, "--json"))[1]["detail"] == "retrain-1: out of disk"


def test_explain_tells_why_and_what_to_do(work: Path) -> None:
    assert "price moved, since 2026-06-15" in call("explain", "price", "--work", work)
    assert json.loads(call("explain", "demand", "--work", work, "--json"))["causes"][0]["name"] == "price"
    write_reports(work, broken_report())
    assert "Repair the source" in call("explain", "demand", "--work", work)


def test_without_a_report_every_view_says_how_to_make_one(tmp_path: Path) -> None:
    for command in (["latest"], ["history"], ["explain", "demand"], ["ui", "--fill-only"]):
        with pytest.raises(MonitoringError) as error:
            call(*command, "--work", tmp_path)
        assert "polymart monitor" in error.value.remedy


def test_the_numbers_are_those_of_the_newest_report_of_each_suite(work: Path) -> None:
    write_reports(work / "other", made_report(suite="other"))
    (work / "other/monitoring/local").rename(work / "monitoring/elsewhere")
    told = samples(call("metrics", "--work", work))
    assert told["polymart_decision", "demand", "retrain", "shop"] == 1
    assert told["polymart_decision", "demand", "keep", "shop"] == 0
    assert told["polymart_decision", "demand", "keep", "other"] == 1
    assert told["polymart_columns_drifted", "demand", "shop"] == 3
    assert told["polymart_estimated_loss_ratio", "demand", "roc_auc", "shop"] == pytest.approx(0.1585, abs=1e-3)
    assert told["polymart_column_drift_ratio", "demand", "price", "shop"] == pytest.approx(6.7)
    assert told["polymart_signal_ratio", "creep", "demand", "mean of price", "shop"] == 2.5
    assert {name for name, *_ in told} <= {f"polymart_{name}" for name in HELP}


def test_broken_data_and_retrainings_are_numbers(work: Path) -> None:
    write_reports(work, broken_report())
    assert samples(exposition(work))["polymart_quality_failures", "demand", "shop"] == 1
    ledger = Ledger(work / "monitoring/local")
    ledger.append(Claimed(at=START, run="one", task="demand", decided_at=START, data_digest="sha256:d1"))
    assert samples(exposition(work))[("polymart_retraining_in_flight",)] == 1
    ledger.append(Ended(at=START, run="one", succeeded=False, state="FAILED"))
    told = samples(exposition(work))
    assert (told[("polymart_retraining_in_flight",)], told[("polymart_retraining_failed",)]) == (0, 1)


def test_an_empty_folder_has_no_numbers(tmp_path: Path) -> None:
    assert exposition(tmp_path) == ""


def test_the_site_hands_out_reports_and_nothing_else(work: Path) -> None:
    (work / "monitoring/local/ledger.jsonl").write_text("secret")
    (work / "mlflow.html").write_text("secret")
    site = TestClient(make_site(work))
    home = site.get("/")
    assert home.status_code == 200
    assert "Drift history" in home.text
    assert "price and 3 more moved" in site.get("/monitoring/local/shop-1a2b/report.html").text
    assert "polymart_decision" in site.get("/metrics").text
    for hidden in (
        "/mlflow.html",
        "/monitoring/local/ledger.jsonl",
        "/monitoring/../mlflow.html",
        "/monitoring/",
        "/x",
    ):
        assert site.get(hidden).status_code == 404, hidden


def test_one_command_fills_the_workspace_and_opens_its_ui(work: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "polymart.cli.main", "drift", "ui", "--work", str(work), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/api/projects"
        projects = {one["name"]: one["id"] for one in answer_of(url, process)}
        runs = {name: len(httpx.get(f"{url}/{id}/snapshots", timeout=60).json()) for name, id in projects.items()}
    finally:
        process.terminate()
        process.wait(30)
    assert runs == {"shop: churn": 6, "shop: demand": 6}


def answer_of(url: str, process: subprocess.Popen[bytes]) -> Any:
    """What a server that is starting answers, as soon as it does."""
    deadline = time.monotonic() + 200
    while True:
        try:
            return httpx.get(url, timeout=60).json()
        except httpx.TransportError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
