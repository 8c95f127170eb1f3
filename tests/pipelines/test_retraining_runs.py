"""Retrainings on Kubeflow Pipelines: real client, real compiled pipeline, a stand-in server."""

from __future__ import annotations

from datetime import datetime

import pytest
from fixtures.registered import make_release, mood_suite
from fixtures.tiny_suite import tiny_suite

from components.submit_retraining.component import submit_retraining
from monitoring.entries import Decided
from monitoring.ledger import Ledger
from monitoring.records import Decision, Run
from monitoring.retraining import Retraining
from pipelines.client import NoAnswer
from pipelines.retraining import KubeflowRuns, Training
from polymart.config import Cluster, Monitoring, Settings
from polymart.release.promotion import promote_release

DIGEST = "sha256:" + "d" * 64
RUN = Run(name="retrain-1-dddddddddddd", data_digest=DIGEST)
DUE = Decision(
    action="retrain", reasons=("units: 5 of 10",), task="units", decided_at=datetime(2024, 6, 1), data_digest=DIGEST
)


@pytest.fixture
def runs(client) -> KubeflowRuns:
    return KubeflowRuns(Training(tiny_suite("units"), Settings(), "staging", "https://git.example/deploy.git"), client)


def test_the_training_pipeline_gets_the_windows_data_version(server, runs):
    assert runs.find(RUN) is None
    started = runs.start(RUN)
    (run,) = server.runs.values()
    arguments = run["runtime_config"]["parameters"]
    assert (arguments["data_version"], arguments["environment"]) == (DIGEST, "staging")
    assert run["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "polymart-training"
    assert (started.state, run["display_name"].endswith(RUN.name)) == ("running", True)


def test_a_run_whose_id_was_never_written_down_is_found_by_its_name(server, runs):
    started = runs.start(RUN)
    assert runs.find(RUN).run_id == started.run_id
    assert runs.find(RUN.model_copy(update={"name": "retrain-1-eeeeeeeeeeee"})) is None


def test_starting_it_twice_makes_one_run(server, runs):
    assert runs.start(RUN).run_id == runs.start(RUN).run_id
    assert len(server.runs) == 1


@pytest.mark.parametrize(("state", "failed"), [("SUCCEEDED", False), ("FAILED", True), ("CANCELED", True)])
def test_the_outcome_is_looked_up_at_the_next_pass(server, runs, tmp_path, state, failed):
    server.states = ["PENDING", "RUNNING", state]
    ledger = Ledger(tmp_path)
    retraining = Retraining(ledger, runs, Monitoring(), lambda digest: "tiny-0123456789ab")
    assert "is running http" in retraining.pursue(DUE).line
    assert ledger.state().in_flight.url.startswith(server.host)
    done = [retraining.pursue() for _ in range(3)]
    assert any(one.failed for one in done) is failed
    assert ledger.state().in_flight is None
    assert ledger.entries()[-1].state == state
    assert len(server.runs) == 1


def test_a_run_that_was_deleted_has_failed_and_a_silent_server_says_nothing(server, runs):
    known = RUN.model_copy(update={"run_id": runs.start(RUN).run_id})
    server.fail = {f"GET /runs/{known.run_id}": [503] * 9}
    with pytest.raises(NoAnswer):
        runs.find(known)
    server.fail = {}
    server.runs.clear()
    assert (runs.find(known).state, runs.find(known).words) == ("failed", "DELETED")


def test_the_pipelines_step_submits_what_the_ledger_asks_for_once(server, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYMART_WORK_DIR", str(tmp_path))
    monkeypatch.delenv("POLYMART_KFP_HOST", raising=False)
    repository = str(tmp_path / "deployment.git")
    promote_release(repository, make_release(mood_suite(), checkpoint="a"), "staging")
    ledger = Ledger(tmp_path / "monitoring" / "staging")
    ledger.append(Decided(inputs_digest="sha256:i", decision=DUE))
    cluster = Cluster(host=server.host, image="registry.example/jobs@sha256:" + "0" * 64)
    for _ in range(2):
        submit_retraining.python_func(mood_suite().to_json(), cluster.model_dump_json(), "staging", repository)
    (run,) = server.runs.values()
    assert run["display_name"].endswith(ledger.state().in_flight.name)
    executors = run["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    assert {one["container"]["image"] for one in executors.values()} == {cluster.image}
