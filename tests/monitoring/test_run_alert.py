"""The alert of a run that failed, taken by a real Alertmanager and ended by a later success."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from alerting import alertmanager, deliver_to, placed_config

from polymart.errors import PolymartError
from polymart.outcome import ALERT, Outcome, report

FAILED = Outcome(
    pipeline="training", suite="shop", state="FAILED", run_id="run-7", step="train-suite", words="a loss became NaN",
    page="https://kubeflow.shop.example/",
)  # fmt: skip


def test_a_failure_stands_until_the_same_pipeline_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = placed_config(tmp_path)
    deliver_to(config, "http://127.0.0.1:9")
    with alertmanager(tmp_path, config) as url:
        report(FAILED, url)
        (standing,) = httpx.get(f"{url}/api/v2/alerts").json()
        other = Outcome(pipeline="monitoring", suite="shop", state="SUCCEEDED", run_id="run-8")
        report(other, url)
        assert len(httpx.get(f"{url}/api/v2/alerts").json()) == 1
        report(Outcome(pipeline="training", suite="shop", state="SUCCEEDED", run_id="run-9"), url)
        assert httpx.get(f"{url}/api/v2/alerts").json() == []
    assert standing["labels"] == {
        "alertname": ALERT, "severity": "ticket", "pipeline": "training", "suite": "shop",
    }  # fmt: skip
    assert standing["annotations"]["summary"] == "training of shop ended as FAILED (run run-7)"
    assert standing["annotations"]["description"] == "train-suite a loss became NaN"
    assert standing["generatorURL"] == "https://kubeflow.shop.example/#/runs/details/run-7"
    assert "run run-7: training of shop ended as FAILED" in capsys.readouterr().out


def test_an_alertmanager_that_cannot_be_reached_fails_the_step() -> None:
    with pytest.raises(PolymartError, match=r"end of run run-7 \(FAILED\) could not be told to http://127.0.0.1:9"):
        report(FAILED, "http://127.0.0.1:9")


def test_without_an_alertmanager_the_log_tells(capsys: pytest.CaptureFixture[str]) -> None:
    report(FAILED)
    assert "train-suite a loss became NaN" in capsys.readouterr().out


def test_the_runbook_has_a_section_for_it() -> None:
    assert f"## {ALERT}\n" in (Path(__file__).parents[2] / "docs/runbook.md").read_text()
