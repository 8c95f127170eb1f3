"""`polymart lineage` and the registry's part of `polymart deploy`, on a real log, repository and registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.registered import VERSIONS, make_registry, make_release, mood_suite, register
from typer.testing import CliRunner

from polymart.cli import deploy, lineage
from polymart.data.example_index import read_examples_index
from polymart.errors import ReleaseError, ServingError
from polymart.files import digest_text
from polymart.release.promotion import history, promote_release
from polymart.tracking import read_version
from serving.log.prediction import PredictionLog

ROW = {"task": "mood", "prediction": "good", "score": 0.9, "latency_ms": 3.0}


def call(app, *arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that released two checkpoints and answered with the second."""
    repository, uri = str(tmp_path / "deployment.git"), make_registry(tmp_path)
    monkeypatch.setenv("POLYMART_DEPLOY_REPO", repository)
    monkeypatch.setenv("POLYMART_MLFLOW_URI", uri)
    monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(tmp_path / "log"))
    for checkpoint, override in (("a", ""), ("b", "Ada: the old one is broken")):
        version = register(tmp_path, uri, mood_suite(), checkpoint=checkpoint)
        made = make_release(mood_suite(), checkpoint=checkpoint, model_version=version, override=override)
        promote_release(repository, made, "local")
    log = PredictionLog(tmp_path / "log", b"0123456789abcdef", flush_s=3600)
    log.add(ROW | {"prediction_id": "feedbeef01", "checkpoint": digest_text("b")})
    log.add(ROW | {"prediction_id": "feedbeef02", "checkpoint": digest_text("z")})
    log.close()
    return tmp_path


def test_a_prediction_leads_back_to_everything(place: Path) -> None:
    done = call(lineage.app, "feedbeef01")
    assert done.exit_code == 0, done.exception
    told = {line[:17].strip(): line[18:] for line in done.stdout.splitlines()}
    newest = history(str(place / "deployment.git"), "local")[0]
    examples = read_examples_index(place / "b" / "examples")
    assert told["prediction"].startswith("feedbeef01, 20")
    assert told["checkpoint"] == digest_text("b")
    assert told["release"] == f"{newest.release} (fail)"
    assert told["override"] == "Ada: the old one is broken"
    assert told["deployed"].endswith(f"promote by Polymart, commit {newest.commit}")
    assert told["model version"] == "polymart-tiny/2, now challenger"
    assert len(told["registry run"]) == 32
    assert told["code commit"] == VERSIONS["code_commit"]
    assert told["code version"] == VERSIONS["code_version"]
    assert told["data version"] == VERSIONS["data_version"]
    assert told["task mood"] == "1 logged row"
    assert told["examples"] == examples.tasks["mood"].digest
    assert told["feature service"] == "churn"


def test_a_missing_registry_leaves_a_gap_and_status_1(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_MLFLOW_URI", f"sqlite:///{place / 'absent.db'}")
    done = call(lineage.app, "feedbeef01")
    assert done.exit_code == 1
    assert "warning: the registry tells nothing: there is no model registry" in done.stderr
    assert digest_text("b") in done.stdout
    assert done.stdout.count("unknown") == 3


def test_unknown_predictions_and_checkpoints_are_errors(place: Path) -> None:
    assert isinstance(call(lineage.app, "0000000000").exception, ServingError)
    assert "2 predictions have an id" in str(call(lineage.app, "feedbeef").exception)
    assert isinstance(call(lineage.app, "feedbeef02").exception, ReleaseError)
    assert "no prediction log in" in str(call(lineage.app, "feedbeef01", "--log", str(place / "none")).exception)


def test_history_and_rollback_tell_versions_and_move_the_champion(place: Path) -> None:
    uri = f"sqlite:///{place / 'mlflow.db'}"
    assert "says what local ran and runs" in call(deploy.app, "record").stdout
    assert read_version(uri, "polymart-tiny/2").aliases == ("challenger", "champion", "champion-local")
    done = call(deploy.app, "rollback", "--environment", "local")
    assert (done.exit_code, done.stderr) == (0, "")
    assert read_version(uri, "polymart-tiny/1").aliases == ("champion", "champion-local")
    shown = [row for row in call(deploy.app, "history").stdout.splitlines() if "polymart-tiny" in row]
    assert [row.split("│")[1].strip() for row in shown] == ["polymart-tiny/1", "polymart-tiny/2", "polymart-tiny/1"]


def test_a_rollback_stands_though_the_registry_is_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMART_MLFLOW_URI", f"sqlite:///{place / 'absent.db'}")
    done = call(deploy.app, "rollback", "--environment", "local")
    assert done.exit_code == 0
    assert "-> " in done.stdout
    assert done.stderr.startswith("warning: local runs what was committed")
    assert history(str(place / "deployment.git"), "local")[0].action == "rollback"
