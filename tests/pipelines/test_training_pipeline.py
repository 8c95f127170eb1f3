"""The whole job through kfp.local on a synthetic shop: both branches of the gate, reuse, errors.

Numbers measured here say nothing about the model: six steps on random weights. They show that every leg runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.machine import environment, make_machine, small_suite

from polymart.cli.job import Job, run_job
from polymart.config import Settings, Suite
from polymart.release.promotion import current_manifest, history

LEGS_BEFORE_THE_GATE = {
    "prepare_tables",
    "validate_tables",
    "retrieve_features",
    "train_suite",
    "evaluate_suite",
    "gate_suite",
}
LEGS_BEHIND_THE_GATE = {"register_model", "materialize_features", "package_bento", "probe_bento", "promote_release"}
GENEROUS = 1e6


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_machine(tmp_path_factory.mktemp("machine"))


def run(suite: Suite, settings: Settings) -> Job:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings).items():
            patch.setenv(name, value)
        patch.setenv("CI", "true")
        return run_job(suite, Path("suites/small.yaml"), settings)


@pytest.fixture(scope="module")
def released(settings: Settings) -> Job:
    return run(small_suite("open_gate", margin=GENEROUS), settings)


@pytest.fixture(scope="module")
def refused(settings: Settings) -> Job:
    """One task must beat its floor by more than any score can; the others are free."""
    suite = small_suite("shut_gate", margin=GENEROUS)
    first, *others = suite.tasks
    strict = first.model_copy(update={"margin": 0.0, "floor": "personal_frequency"})
    return run(suite.model_copy(update={"tasks": [strict, *others]}), settings)


def test_a_passing_verdict_releases(released: Job, settings: Settings) -> None:
    assert released.outcome == "pass"
    assert set(released.states) >= LEGS_BEFORE_THE_GATE | LEGS_BEHIND_THE_GATE | {"detect_drift"}
    assert set(released.states.values()) == {"done"}
    manifest = current_manifest(settings.deployment_repository, "local")
    assert released.release == manifest.release
    assert manifest.suite_digest == released.suite.digest
    assert manifest.checkpoint_digest == released.evaluation.checkpoint
    assert manifest.overall == "pass"
    assert all(Path(place).exists() for place in manifest.locations.values())


def test_every_task_of_the_suite_is_evaluated_and_origins_are_told(released: Job) -> None:
    assert [task.task for task in released.evaluation.tasks] == [task.name for task in released.suite.tasks]
    assert {task.data_origin for task in released.evaluation.tasks} <= {"real", "real-redated"}
    assert all(task.score.low <= task.score.value <= task.score.high for task in released.evaluation.tasks)


def test_the_registry_holds_the_version_with_both_aliases(released: Job, settings: Settings) -> None:
    import mlflow

    client = mlflow.MlflowClient(settings.tracking_uri)
    version = client.get_model_version_by_alias("polymart-open_gate", "champion")
    assert version.version == client.get_model_version_by_alias("polymart-open_gate", "challenger").version
    assert version.tags["checkpoint"] == released.evaluation.checkpoint
    metrics = client.get_run(version.run_id).data.metrics
    assert {f"test_{task.name}_{task.metric}".replace("@", "_at_") for task in released.suite.tasks} <= set(metrics)
    assert [point.step for point in client.get_metric_history(version.run_id, "val_loss_mean")] == [3, 6]


def test_the_deployment_repository_tells_the_verdict(released: Job, settings: Settings) -> None:
    shown = subprocess.run(
        ["git", "--git-dir", settings.deployment_repository, "log", "-1", "--format=%B"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert released.release in shown
    assert all(task.name in shown for task in released.suite.tasks)


def test_the_run_leaves_a_page_a_log_and_a_drift_report(released: Job) -> None:
    page = (released.folder / "index.html").read_text()
    assert released.release in page
    assert page.count("src=") == page.count('src="data:image/png;base64,') == 1
    assert (released.folder / "run.log").read_text().count("finished with status SUCCESS") >= 11
    assert released.drift is not None
    decision = json.loads((released.drift.parent / "decision.json").read_text())
    assert decision["action"] == released.action in ("keep", "watch", "retrain", "rollback")


def test_a_second_run_repeats_no_step(released: Job, settings: Settings) -> None:
    again = run(released.suite, settings)
    assert set(again.states.values()) == {"cached"}
    assert again.evaluation == released.evaluation
    assert len(history(settings.deployment_repository, "local")) == 1


def test_a_shut_gate_releases_nothing(refused: Job, released: Job, settings: Settings) -> None:
    assert refused.outcome in ("fail", "inconclusive")
    assert not LEGS_BEHIND_THE_GATE & set(refused.states)
    assert refused.release == ""
    assert "Not released" in (refused.folder / "index.html").read_text()
    assert current_manifest(settings.deployment_repository, "local").release == released.release


def test_monitoring_the_current_release_twice_says_the_same(released: Job, settings: Settings) -> None:
    command = [sys.executable, "-m", "polymart.cli.main", "monitor"]
    first, second = (
        subprocess.run(command, env=os.environ | environment(settings), capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert first.returncode == (released.action in ("retrain", "rollback")), first.stderr
    assert first.stdout.startswith(f"{released.release}: {released.action}")
    assert second.stdout == first.stdout
    ledger = settings.work_dir / "monitoring" / "state" / "decisions.jsonl"
    assert len(ledger.read_text().splitlines()) == len(set(ledger.read_text().splitlines())) > 0


def test_an_unchanged_run_does_not_promote_over_a_later_release(released: Job, settings: Settings) -> None:
    later = run(small_suite("later", margin=GENEROUS), settings)
    assert later.release == current_manifest(settings.deployment_repository, "local").release != released.release
    again = run(released.suite, settings)
    assert (again.release, again.replaced_by) == ("", later.release)
    assert current_manifest(settings.deployment_repository, "local").release == later.release
