"""The compiled training pipeline against a golden file, and what a cluster must find in it.

After a wanted change: ``python tests/pipelines/test_compiling.py`` writes the golden file again; review its diff.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compiling import PIPELINES, compile_pipeline
from polymart.errors import SettingError

GOLDEN = Path(__file__).parent / "golden"


def normalised(name: str, folder: Path) -> str:
    """The compiled YAML without the versions of kfp and Python, and without the embedded source of the components."""
    text = compile_pipeline(name, folder / f"{name}.yaml").read_text()
    text = re.sub(r"sdkVersion: kfp-[\d.]+", "sdkVersion: kfp-X", text)
    documents = list(yaml.safe_load_all(text))
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        if "container" in executor:
            executor["container"]["command"] = ["<source of the component>"]
    return yaml.safe_dump_all(documents, sort_keys=True)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = compile_pipeline("training", tmp_path_factory.mktemp("compiled") / "training.yaml")
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_as_the_golden_file_says(name: str, tmp_path: Path) -> None:
    assert normalised(name, tmp_path) == (GOLDEN / f"{name}.yaml").read_text()


def test_training_asks_for_a_gpu_and_bounded_memory(training: list[dict[str, Any]]) -> None:
    executors = training[0]["deploymentSpec"]["executors"]
    resources = executors["exec-train-suite"]["container"]["resources"]
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "1"
    assert all("resourceMemoryLimit" in e["container"]["resources"] for e in executors.values())


def tasks_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    groups = [document["root"], *document["components"].values()]
    return {name: task for group in groups if "dag" in group for name, task in group["dag"]["tasks"].items()}


def test_only_networked_and_resuming_steps_are_retried(training: list[dict[str, Any]]) -> None:
    retried = {name for name, task in tasks_of(training[0]).items() if "retryPolicy" in task}
    assert retried == {
        "prepare-tables", "find-champion", "fetch-champion", "train-baselines", "register-model", "promote-release",
        "train-suite", "report-run",
    }  # fmt: skip


def test_training_keeps_its_state_on_a_volume_that_the_cluster_manifests_bring(training: list[dict[str, Any]]) -> None:
    platform = training[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train-suite"]
    claim, settings = yaml.safe_load_all((Path(__file__).parents[2] / "k8s/training/work.yaml").read_text())
    (mount,) = platform["pvcMount"]
    assert mount["constant"] == claim["metadata"]["name"]
    variables = {key["envVar"]: m["configMapName"] for m in platform["configMapAsEnv"] for key in m["keyToEnv"]}
    assert variables["POLYMART_WORK_DIR"] == settings["metadata"]["name"]
    assert settings["data"]["POLYMART_WORK_DIR"] == mount["mountPath"]


def test_every_step_is_cached_on_versions(training: list[dict[str, Any]]) -> None:
    tasks = tasks_of(training[0])
    prepare = tasks["prepare-tables"]
    assert prepare["cachingOptions"]["enableCache"]
    assert {"data_version", "code_version", "suite"} <= set(prepare["inputs"]["parameters"])
    unversioned = {n for n, t in tasks.items() if "code_version" not in t["inputs"].get("parameters", {})}
    assert unversioned == {n for n in tasks if n.startswith(("condition", "exit"))} | {"find-champion", "report-run"}


def test_the_gates_are_conditions_on_their_verdicts(training: list[dict[str, Any]]) -> None:
    conditions = {
        task["taskInfo"]["name"]: (task["triggerPolicy"]["condition"], task["componentRef"]["name"])
        for task in tasks_of(training[0]).values()
        if "condition" in task.get("triggerPolicy", {})
    }
    asked = {name: condition for name, (condition, _) in conditions.items()}
    passed = "inputs.parameter_values['pipelinechannel--gate-suite-Output'] == 'release'"
    assert asked == {
        "suite-passed": passed,
        "suite-kept": f"!({passed})",
        "release-passed": "inputs.parameter_values['pipelinechannel--gate-release-Output'] == 'release'",
    }
    behind = {name: training[0]["components"][component]["dag"]["tasks"] for name, (_, component) in conditions.items()}
    assert {name: set(tasks) for name, tasks in behind.items()} == {
        "suite-passed": {"release"},
        "suite-kept": {"gate-release"},
        "release-passed": {"promote-release"},
    }
    assert {"register-model", "package-bento", "probe-bento", "gate-release"} < set(
        training[0]["components"]["comp-release"]["dag"]["tasks"]
    )


def test_whatever_happens_the_end_is_reported(training: list[dict[str, Any]]) -> None:
    tasks = training[0]["root"]["dag"]["tasks"]
    assert set(tasks) == {"exit-handler-1", "report-run"}
    assert tasks["report-run"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert "enableCache" not in tasks["report-run"]["cachingOptions"]
    inside = training[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    given = set(training[0]["root"]["inputDefinitions"]["parameters"])
    assert set(inside["polymart-training"]["inputs"]["parameters"]) == given


def test_secrets_are_named_never_held(training: list[dict[str, Any]]) -> None:
    executors = training[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    names = {secret["secretName"] for e in executors.values() for secret in e.get("secretAsEnv", ())}
    assert names == {"polymart-deploy-git", "polymart-mlflow", "polymart-signing"}


def test_a_suite_can_become_the_default_and_an_image_replaces_the_development_one(tmp_path: Path) -> None:
    image = "registry.example/polymart@sha256:" + "0" * 64
    path = compile_pipeline("training", tmp_path / "t.yaml", image=image, parameters={"suite": '{"name":"x"}'})
    document = next(yaml.safe_load_all(path.read_text()))
    assert document["root"]["inputDefinitions"]["parameters"]["suite"]["defaultValue"] == '{"name":"x"}'
    assert {e["container"]["image"] for e in document["deploymentSpec"]["executors"].values()} == {image}


def test_an_unknown_pipeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'serving' is unknown"):
        compile_pipeline("serving", tmp_path / "x.yaml")


if __name__ == "__main__":
    import tempfile

    for pipeline in PIPELINES:
        with tempfile.TemporaryDirectory() as scratch:
            (GOLDEN / f"{pipeline}.yaml").write_text(normalised(pipeline, Path(scratch)))
