"""The whole job through kfp.local on a synthetic shop: both branches of the gate, reuse, errors.

Numbers measured here say nothing about the model: six steps on random weights. They show that every leg runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from fixtures.machine import GENEROUS, environment, make_machine, refused_suite, small_suite

from monitoring.entries import Decided
from monitoring.ledger import Ledger
from monitoring.records import Decision
from polymart.cli.job import Job, run_job
from polymart.config import Settings, Suite, dump_suite
from polymart.evaluation.records import Evaluation, Override
from polymart.gates import explain
from polymart.release.manifest import ReleaseManifest
from polymart.release.promotion import current_manifest, history

LEGS_OF_EVERY_RUN = {
    "prepare_tables",
    "validate_tables",
    "retrieve_features",
    "train_suite",
    "find_champion",
    "fetch_champion",
    "train_baselines",
    "evaluate_suite",
    "gate_suite",
    "gate_release",
}
LEGS_BEHIND_THE_GATE = {"register_model", "materialize_features", "package_bento", "probe_bento", "promote_release"}
NEW_DATA = "sha256:" + "a" * 64
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_machine(tmp_path_factory.mktemp("machine"))


def run(suite: Suite, settings: Settings, override: Override | None = None, monitor: bool = True) -> Job:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings).items():
            patch.setenv(name, value)
        patch.setenv("CI", "true")
        return run_job(suite, Path("suites/small.yaml"), settings, override=override, monitor=monitor)


@pytest.fixture(scope="module")
def released(settings: Settings) -> Job:
    return run(small_suite("open_gate", margin=GENEROUS), settings)


@pytest.fixture(scope="module")
def refused(settings: Settings) -> Job:
    return run(refused_suite("shut_gate"), settings, monitor=False)


def test_a_passing_verdict_releases(released: Job, settings: Settings) -> None:
    assert released.verdict.passed, explain(released.verdict)
    assert {"floor", "integrity", "leakage", "probe", "latency"} <= {gate.gate for gate in released.verdict.gates}
    assert set(released.states) >= LEGS_OF_EVERY_RUN | LEGS_BEHIND_THE_GATE | {"detect_drift"}
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
    assert {step for step, state in again.states.items() if state != "cached"} == {"find_champion"}, "asked every time"
    assert again.evaluation == released.evaluation, "the candidate runs now, yet is not held against itself"
    assert len(history(settings.deployment_repository, "local")) == 1


def test_a_shut_gate_releases_nothing(refused: Job, released: Job, settings: Settings) -> None:
    assert refused.verdict.overall in ("fail", "inconclusive")
    assert not LEGS_BEHIND_THE_GATE & set(refused.states)
    assert [line.split(":")[1] for line in explain(refused.verdict)] == [f" {refused.suite.tasks[0].name}"]
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
    ledger = settings.work_dir / "monitoring" / "local" / "ledger.jsonl"
    assert len(ledger.read_text().splitlines()) == len(set(ledger.read_text().splitlines())) > 0


@dataclass(frozen=True)
class Retrained:
    """What a retraining left, and what the command said each of the two times."""

    manifest: ReleaseManifest
    evaluation: Evaluation
    told: list[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def retrained(released: Job, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """A due retraining of the released suite, asked for twice; held against a model of each task too."""
    tasks = [task.model_copy(update={"regression_margin": GENEROUS}) for task in released.suite.tasks]
    gates = released.suite.gates.model_copy(update={"single_task": True})
    suite = tmp_path_factory.mktemp("retrained") / "suite.yaml"
    suite.write_text(dump_suite(released.suite.model_copy(update={"tasks": tasks, "gates": gates})))
    due = Decision(
        action="retrain",
        reasons=("demand moved",),
        task="demand",
        decided_at=datetime(2018, 1, 1),
        data_digest=NEW_DATA,
    )
    Ledger(settings.work_dir / "monitoring" / "local").append(Decided(inputs_digest="sha256:i", decision=due))
    command = [sys.executable, "-m", "polymart.cli.main", "monitor", "retrain", "--suite", suite]
    told = [
        subprocess.run(command, env=os.environ | environment(settings), capture_output=True, text=True, check=False)
        for _ in range(2)
    ]
    assert told[0].returncode == 0, told[0].stderr
    newest = max((settings.work_dir / "pipelines").glob("polymart-training-*/evaluate-suite/evaluation"))
    manifest = current_manifest(settings.deployment_repository, "local")
    return Retrained(manifest, Evaluation.read(newest), told)


def test_a_due_retraining_trains_gates_and_releases_in_one_command_and_only_once(
    released: Job, retrained: Retrained, settings: Settings
) -> None:
    manifest, (first, second) = retrained.manifest, retrained.told
    assert manifest.release != released.release
    assert (manifest.data_version, manifest.checkpoint_digest) == (NEW_DATA, retrained.evaluation.checkpoint)
    assert first.stdout == f"retraining retrain-1-aaaaaaaaaaaa ended: {manifest.release} is released\n"
    assert second.returncode == 0
    assert "already retrained on" in second.stdout
    kinds = [entry.kind for entry in Ledger(settings.work_dir / "monitoring" / "local").entries()]
    assert kinds[kinds.index("claimed") :] == ["claimed", "started", "started", "ended"]


def test_the_next_candidate_is_held_against_the_release_and_models_of_one_task(
    released: Job, retrained: Retrained
) -> None:
    assert (released.evaluation.champion, retrained.evaluation.champion) == ("", released.release)
    for first, second in zip(released.evaluation.tasks, retrained.evaluation.tasks, strict=True):
        assert first.champion is None
        assert first.single_task is None
        assert second.champion.checkpoint == released.evaluation.checkpoint
        assert second.champion.score.value == first.score.value, "the same model on the same rows"
        assert second.single_task.checkpoint not in (released.evaluation.checkpoint, retrained.evaluation.checkpoint)


def test_an_unchanged_run_does_not_promote_over_a_later_release(
    released: Job, retrained: Retrained, settings: Settings
) -> None:
    assert current_manifest(settings.deployment_repository, "local").release == retrained.manifest.release
    again = run(released.suite, settings)
    assert (again.release, again.replaced_by) == ("", retrained.manifest.release)
    assert current_manifest(settings.deployment_repository, "local").release == retrained.manifest.release


def test_an_override_releases_the_refused_candidate_and_is_told_wherever_it_is(
    refused: Job, settings: Settings
) -> None:
    ada = Override(who="Ada", why="the champion loses orders")
    forced = run(refused.suite, settings, ada, monitor=False)
    assert forced.states["train_suite"] == "cached", "the same candidate"
    assert (forced.verdict.overall, forced.verdict.override) == (refused.verdict.overall, ada)
    floors = [[gate for gate in job.verdict.gates if gate.gate == "floor"] for job in (forced, refused)]
    assert floors[0] == floors[1], "an override changes no outcome"
    manifest = current_manifest(settings.deployment_repository, "local")
    assert forced.release == manifest.release
    assert (manifest.overall, manifest.override) == (refused.verdict.overall, str(ada))
    (line,) = [gate for gate in manifest.gates if gate.gate == "floor" and gate.outcome != "pass"]
    assert line.cause == explain(refused.verdict)[0].split(": ", 1)[1]
    assert None not in (line.low, line.high)
    assert f"Override by {ada.who}:</b> {ada.why}." in (forced.folder / "index.html").read_text()
    assert history(settings.deployment_repository, "local")[0].override == str(ada)
