"""The overlays, rendered by the real kubectl: strict schemas, our policies, and proof that each check can fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from polymart.config import Settings
from polymart.errors import ReleaseError
from polymart.release.manifests import broken_schemas, find_kubectl, render, validate_overlay
from polymart.release.policies import POLICIES, broken_policies

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "k8s/overlays/local"
OVERLAYS = sorted(path.parent for path in (ROOT / "k8s/overlays").glob("*/kustomization.yaml"))


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return find_kubectl(Settings())


@pytest.fixture(scope="module")
def rendered(kubectl) -> list[dict[str, Any]]:
    return render(LOCAL, kubectl)


@pytest.fixture
def documents(rendered) -> list[dict[str, Any]]:
    return copy.deepcopy(rendered)


def find(documents: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == kind and name in d["metadata"]["name"])


def pod(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return find(documents, "Deployment")["spec"]["template"]["spec"]


def container(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return pod(documents)["containers"][0]


def drop(documents: list[dict[str, Any]], kind: str, name: str = "") -> None:
    documents.remove(find(documents, kind, name))


def job(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return find(documents, "CronJob")["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_overlay_is_valid_and_keeps_the_policies(overlay, kubectl):
    assert validate_overlay(overlay, kubectl)


def test_local_overlay_is_small_and_complete(rendered):
    kinds = sorted(document["kind"] for document in rendered)
    assert kinds.count("NetworkPolicy") == 3
    assert {"Deployment", "CronJob", "Service", "PodDisruptionBudget", "Namespace", "ConfigMap"} <= set(kinds)
    assert find(rendered, "Deployment")["spec"]["replicas"] == 1


def test_probes_ask_what_bentoml_answers(rendered):
    served = container(rendered)
    assert served["ports"] == [{"containerPort": 3000, "name": "http"}]
    paths = {probe: served[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


Mutation = Callable[[list[dict[str, Any]]], Any]
MUTATIONS: list[tuple[str, Mutation]] = [
    ("something_runs", lambda d: d.clear()),
    ("no_bare_pods_or_secrets", lambda d: d.append({"kind": "Secret", "metadata": {"name": "password"}})),
    ("images_by_digest", lambda d: container(d).update(image="polymart-serving:latest")),
    ("images_by_digest", lambda d: container(d).update(image="polymart-serving:1@sha256:0")),
    ("images_by_digest", lambda d: pod(d).update(initContainers=[{"name": "wait", "image": "busybox"}])),
    ("resources_are_bounded", lambda d: container(d)["resources"]["limits"].pop("memory")),
    ("resources_are_bounded", lambda d: container(d).pop("resources")),
    ("servers_have_probes", lambda d: container(d).pop("readinessProbe")),
    ("servers_have_probes", lambda d: container(d).pop("livenessProbe")),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].update(runAsUser=0)),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    ("pods_are_unprivileged", lambda d: pod(d).update(hostNetwork=True)),
    ("pods_are_unprivileged", lambda d: pod(d)["volumes"].append({"name": "h", "hostPath": {"path": "/"}})),
    ("containers_are_unprivileged", lambda d: container(d)["securityContext"].update(privileged=True)),
    ("containers_are_unprivileged", lambda d: container(d)["securityContext"].pop("allowPrivilegeEscalation")),
    ("containers_are_unprivileged", lambda d: container(d)["securityContext"].update(readOnlyRootFilesystem=False)),
    (
        "containers_are_unprivileged",
        lambda d: container(d)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    ),
    ("containers_are_unprivileged", lambda d: container(d)["securityContext"].update(runAsUser=0)),
    ("containers_are_unprivileged", lambda d: container(d).pop("securityContext")),
    ("no_service_account_tokens", lambda d: pod(d).pop("automountServiceAccountToken")),
    ("no_service_account_tokens", lambda d: pod(d).pop("serviceAccountName")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "default-deny")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "polymart-serving")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "polymart-monitor")),
    ("network_is_denied_by_default", lambda d: find(d, "NetworkPolicy", "serving")["spec"].update(egress=[{}])),
    (
        "network_is_denied_by_default",
        lambda d: find(d, "NetworkPolicy", "deny")["spec"].update(policyTypes=["Ingress"]),
    ),
    ("servers_survive_drains", lambda d: drop(d, "PodDisruptionBudget")),
    ("servers_survive_drains", lambda d: find(d, "PodDisruptionBudget")["spec"].update(maxUnavailable=0)),
    ("servers_survive_drains", lambda d: pod(d).pop("topologySpreadConstraints")),
    ("jobs_end", lambda d: job(d).update(concurrencyPolicy="Allow")),
    ("jobs_end", lambda d: job(d)["jobTemplate"]["spec"].pop("activeDeadlineSeconds")),
    ("namespaces_are_restricted", lambda d: find(d, "Namespace")["metadata"].pop("labels")),
    ("namespaces_are_restricted", lambda d: find(d, "CronJob")["metadata"].pop("namespace")),
    ("references_resolve", lambda d: drop(d, "ConfigMap")),
    ("references_resolve", lambda d: drop(d, "PersistentVolumeClaim", "predictions")),
    ("references_resolve", lambda d: find(d, "Service")["spec"]["selector"].update(app="other")),
]


@pytest.mark.parametrize(("policy", "mutate"), MUTATIONS)
def test_each_policy_sees_its_breach(documents, policy, mutate):
    assert broken_policies(documents) == []
    mutate(documents)
    assert policy in {line.split(":")[0] for line in broken_policies(documents)}


def test_every_policy_has_a_breach_above():
    assert {policy for policy, _ in MUTATIONS} == set(POLICIES)


@pytest.mark.parametrize(
    ("mutate", "place"),
    [
        (lambda d: find(d, "Deployment")["spec"].update(replica=3), "Deployment/polymart-serving: spec"),
        (lambda d: container(d)["readinessProbe"].update(timeout=3), "containers.0.readinessProbe"),
        (lambda d: find(d, "Deployment")["spec"].update(replicas="3"), "spec.replicas"),
        (lambda d: d.append({"apiVersion": "shop/v1", "kind": "Basket", "metadata": {"name": "b"}}), "Basket/b"),
        (lambda d: d.append({"kind": "Pod", "metadata": {"name": "p"}}), "Pod/p: 'apiVersion' is missing"),
    ],
)
def test_strict_schemas_name_the_place(documents, mutate, place):
    assert broken_schemas(documents) == []
    mutate(documents)
    found = broken_schemas(documents)
    assert len(found) == 1
    assert place in found[0]


def overlay_with(tmp_path: Path, **changes: Any) -> Path:
    """An overlay that takes the bases from the repository and changes the kustomization."""
    bases = tmp_path / "k8s"
    bases.mkdir()
    for name in ("base", "overlays"):
        (bases / name).mkdir()
    copy_tree(ROOT / "k8s/base", bases / "base")
    copy_tree(LOCAL, bases / "overlays/local")
    path = bases / "overlays/local/kustomization.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    return path.parent


def copy_tree(source: Path, target: Path) -> None:
    for file in source.rglob("*.yaml"):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())


def test_a_broken_overlay_is_told_by_name(tmp_path, kubectl):
    without = overlay_with(tmp_path, resources=["namespace.yaml", "../../base/serving"], patches=[])
    (without / "serving.yaml").write_text("")
    assert validate_overlay(without, kubectl)
    moved = without / "kustomization.yaml"
    moved.write_text(moved.read_text() + "images:\n- {name: polymart-serving, newTag: latest}\n")
    with pytest.raises(ReleaseError, match=r"images_by_digest: Deployment/polymart-serving/bento"):
        validate_overlay(without, kubectl)


def test_an_overlay_that_cannot_be_rendered_is_told(tmp_path, kubectl):
    with pytest.raises(ReleaseError, match="cannot be rendered"):
        render(tmp_path, kubectl)
    with pytest.raises(ReleaseError, match="cannot be rendered"):
        render(overlay_with(tmp_path, resources=["absent.yaml"]), kubectl)
