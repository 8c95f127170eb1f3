"""The exit handler, run: whatever happens inside, the last step says how it ended.

No future annotations here: kfp reads a component's types from its signature.
"""

from pathlib import Path

import pytest
from kfp import dsl
from stand_ins.alert_receiver import AlertReceiver

from pipelines.guarded import guarded
from pipelines.local import StepFailed, run_local
from polymart.config import Cluster, load_suite

SUITE = load_suite(Path(__file__).parents[2] / "suites/quick.yaml").to_json()


@dsl.component(base_image="polymart/test-python:0", install_kfp_package=False)
def divide(by: int) -> int:
    return 1 // by


@dsl.pipeline(name="tiny")
def tiny(suite: str, by: int = 1) -> int:
    return divide(by=by).output


@pytest.mark.parametrize(("by", "state"), [(1, "SUCCEEDED"), (0, "FAILED")])
def test_the_end_is_told(tmp_path, monkeypatch, by, state):
    with AlertReceiver() as receiver:
        monkeypatch.setenv("POLYMART_ALERTMANAGER", receiver.url)
        pipeline = guarded("training", tiny, Cluster(host="https://kubeflow.shop.example"))
        where = {"root": tmp_path / "root", "log": tmp_path / "run.log", "listen": lambda event: None}
        try:
            run_local(pipeline, {"suite": SUITE, "by": by}, **where)
        except StepFailed:
            assert state == "FAILED"
        (message,) = receiver.messages
    (alert,) = message.body
    assert message.path == "/api/v2/alerts"
    assert f"training of quick ended as {state}" in alert["annotations"]["summary"]
    assert (alert["endsAt"] == alert["startsAt"]) == (state == "SUCCEEDED")
    assert alert["generatorURL"].startswith("https://kubeflow.shop.example/#/runs/details/")


def test_the_parameters_stay_as_they_were():
    inputs = {name: spec.default for name, spec in tiny.component_spec.inputs.items()}
    wrapped = guarded("training", tiny, Cluster())
    assert {name: spec.default for name, spec in wrapped.component_spec.inputs.items()} == inputs
    assert wrapped.name == tiny.name
