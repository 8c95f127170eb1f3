"""Pipelines compiled for the cluster that a settings file describes, and the manifests that Git deploys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compiling import compile_manifests, compile_pipeline
from polymart.config import ClientCredentials, Cluster, load_cluster
from polymart.errors import SettingError
from polymart.release.manifests import broken_schemas

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "clusters/example.yaml"
CRDS = ROOT.parent / "shared/crd-schemas"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("cluster") / "training.yaml"
    compile_pipeline("training", path, cluster=load_cluster(EXAMPLE))
    return list(yaml.load_all(path.read_text(), yaml.CSafeLoader))


@pytest.fixture(scope="module")
def platform(compiled: list[dict[str, Any]]) -> dict[str, Any]:
    executors = compiled[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor for name, executor in executors.items()}


@pytest.fixture(scope="module")
def containers(compiled: list[dict[str, Any]]) -> dict[str, Any]:
    executors = compiled[0]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor["container"] for name, executor in executors.items()}


def test_training_gets_the_gpu_and_the_node_that_the_settings_name(containers, platform):
    resources, pod = containers["train-suite"]["resources"], platform["train-suite"]
    assert resources["accelerator"] == {
        "count": "1", "resourceCount": "1", "resourceType": "nvidia.com/gpu", "type": "nvidia.com/gpu",
    }  # fmt: skip
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("8", "64Gi")
    assert pod["nodeSelector"]["labels"] == {"cloud.example/accelerator": "l4"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    shared = {"volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "8Gi"}
    assert pod["emptyDirMounts"] == [shared]
    assert pod["activeDeadlineSeconds"] == "43200"
    assert "accelerator" not in containers["validate-tables"]["resources"]
    assert "nodeSelector" not in platform["validate-tables"]


def test_large_files_lie_on_the_claims_that_the_settings_name(platform):
    mounts = {name: {m["constant"]: m["mountPath"] for m in pod.get("pvcMount", ())} for name, pod in platform.items()}
    assert mounts["train-suite"] == {"polymart-work": "/polymart", "polymart-data": "/archives"}
    assert mounts["prepare-tables"] == {"polymart-data": "/archives"}
    assert mounts["validate-tables"] == {}


def test_secrets_and_settings_come_by_name(platform):
    secrets = {name: {s["secretName"] for s in pod.get("secretAsEnv", ())} for name, pod in platform.items()}
    assert secrets["validate-tables"] == {"polymart-storage"}
    with_keys = {"polymart-storage", "polymart-deploy-git", "polymart-mlflow", "polymart-signing"}
    assert secrets["promote-release"] == with_keys
    assert [step for step, names in secrets.items() if "polymart-signing" in names] == ["promote-release"]
    pulled = {s["secretName"] for pod in platform.values() for s in pod["imagePullSecret"]}
    assert pulled == {"registry-pull"}
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in platform.values())
    maps = {m["configMapName"] for pod in platform.values() for m in pod["configMapAsEnv"]}
    assert maps == {"polymart-settings"}


def test_only_the_step_that_submits_may_ask_the_api(tmp_path):
    def labelled(**settings: Any) -> set[str]:
        path = compile_pipeline("monitoring", tmp_path / "m.yaml", cluster=Cluster(**settings))
        _, platform = yaml.load_all(path.read_text(), yaml.CSafeLoader)
        executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        asked = {name: executor.get("podMetadata", {}).get("labels") for name, executor in executors.items()}
        return {name for name, labels in asked.items() if labels == {"access-ml-pipeline": "true"}}

    assert labelled(multi_user=True) == {"exec-submit-retraining"}
    assert labelled() == set()


def test_every_step_is_bounded_and_runs_the_named_image(containers, platform):
    image = load_cluster(EXAMPLE).image
    assert {container["image"] for container in containers.values()} == {image}
    assert all(int(pod["activeDeadlineSeconds"]) >= 60 for pod in platform.values())
    assert set(platform) == set(containers)


def test_retries_wait_as_the_settings_say(compiled):
    tasks = [task for c in compiled[0]["components"].values() for task in c.get("dag", {}).get("tasks", {}).values()]
    policies = [task["retryPolicy"] for task in tasks if "retryPolicy" in task]
    assert policies
    assert all(policy == policies[0] for policy in policies)
    assert (policies[0]["maxRetryCount"], policies[0]["backoffDuration"]) == (3, "30s")
    assert policies[0]["backoffMaxDuration"] == "600s"


def test_the_manifests_keep_the_schemas_of_their_kinds(tmp_path):
    if not CRDS.is_dir():
        pytest.skip(f"the schemas of custom resources are not at {CRDS}")
    first = compile_manifests("training", tmp_path / "a.yaml", cluster=load_cluster(EXAMPLE))
    documents = list(yaml.load_all(first.read_text(), yaml.CSafeLoader))
    assert [document["kind"] for document in documents] == ["Pipeline", "PipelineVersion"]
    assert {document["metadata"]["namespace"] for document in documents} == {"polymart"}
    assert documents[1]["spec"]["pipelineName"] == documents[0]["metadata"]["name"] == "polymart-training"
    assert broken_schemas(documents, CRDS) == []
    documents[1]["spec"]["pipelineName"] = 7
    documents[0]["spec"]["colour"] = "red"
    assert len(broken_schemas(documents, CRDS)) == 2


def test_another_content_is_another_version_and_the_same_one_is_the_same(tmp_path):
    def version(**settings: Any) -> str:
        file = compile_manifests("monitoring", tmp_path / "m.yaml", cluster=Cluster(**settings))
        return list(yaml.load_all(file.read_text(), yaml.CSafeLoader))[1]["metadata"]["name"]

    assert version() == version()
    assert version() != version(host="https://kubeflow.shop.example")


def test_the_example_settings_are_read():
    cluster = load_cluster(EXAMPLE)
    assert isinstance(cluster.access, ClientCredentials)
    assert cluster.sizes.light == Cluster().sizes.light
    assert load_cluster(None) == Cluster()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sizes: {training: {gpu: 1}}", r"sizes\.training\.gpu"),
        ("sizes: {training: {memory: 64GB}}", r"sizes\.training\.memory"),
        ("access: {method: password}", "access"),
        ("access: {method: client_credentials, token_url: 'https://x', client_id: a, secret: b}", "secret"),
        ("work: {claim: Work, mount: polymart}", r"work\.claim"),
        ("prices: {gpu_hour: .nan}", "gpu_hour"),
        ("- host", "not valid"),
        ("host: [", "cannot be read as YAML"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, told):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(SettingError, match=told):
        load_cluster(tmp_path / "cluster.yaml")


def test_absent_settings_are_named(tmp_path):
    with pytest.raises(SettingError, match=r"nowhere\.yaml cannot be read"):
        load_cluster(tmp_path / "nowhere.yaml")
