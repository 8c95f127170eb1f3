"""Each policy sees its breach: one change to a document of an overlay that keeps them all breaks the named one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fixtures.overlays import K8S, OVERLAYS, Documents, container, drop, find, job, pod, rendered

from polymart.release.policies import POLICIES, broken_policies

PRODUCTION, TRAINING, ARGOCD = OVERLAYS["production"], K8S / "training", K8S / "argocd"
DAEMON = {"kind": "Daemon", "metadata": {"name": "d"}, "spec": {"pods": [{"containers": [{"name": "c"}]}]}}
SETTINGS = ("ConfigMap", "polymart-settings")
BOUND = {"kind": "ClusterRoleBinding", "metadata": {"name": "all"}}


def context(documents: Documents) -> dict[str, Any]:
    return container(documents)["securityContext"]


def policy(documents: Documents, name: str) -> dict[str, Any]:
    return find(documents, "NetworkPolicy", name)["spec"]


def canary(documents: Documents) -> dict[str, Any]:
    return find(documents, "Rollout")["spec"]["strategy"]["canary"]


def token(documents: Documents) -> dict[str, Any]:
    volumes = job(documents)["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    return next(v for v in volumes if "projected" in v)["projected"]["sources"][0]["serviceAccountToken"]


def stateful(documents: Documents) -> None:
    """A StatefulSet with serving's pods, under a label that nothing selects."""
    copied = {**find(documents, "Deployment", "serving"), "kind": "StatefulSet"}
    template = {"metadata": {"labels": {"app": "new"}}, "spec": pod(documents)}
    documents.append(copied | {"spec": {"template": template}})


def as_rollout(documents: Documents) -> None:
    """The Rollout with a template of its own, whose pods no policy covers."""
    find(documents, "Rollout")["spec"]["template"] = {"metadata": {"labels": {"app": "new"}}, "spec": pod(documents)}


def runtime(documents: Documents) -> dict[str, Any]:
    jobs = find(documents, "TrainingRuntime")["spec"]["template"]["spec"]["replicatedJobs"]
    return jobs[0]["template"]["spec"]["template"]


def image(documents: Documents, name: str) -> None:
    container(documents).update(image=name)


MUTATIONS: list[tuple[str, Callable[[Documents], Any]]] = [
    ("something_runs", lambda d: d.clear()),
    ("every_pod_is_seen", lambda d: d.append(DAEMON)),
    ("no_bare_pods_or_secrets", lambda d: d.append({"kind": "Secret", "metadata": {"name": "password"}})),
    ("images_by_digest", lambda d: image(d, "polymart-serving:latest")),
    ("images_by_digest", lambda d: image(d, "polymart-serving:1@sha256:0")),
    ("images_by_digest", lambda d: pod(d).update(initContainers=[{"name": "wait", "image": "busybox"}])),
    ("resources_are_bounded", lambda d: container(d)["resources"]["limits"].pop("memory")),
    ("resources_are_bounded", lambda d: container(d).pop("resources")),
    ("resources_are_bounded", lambda d: pod(d)["volumes"].append({"name": "big", "emptyDir": {}})),
    ("servers_have_probes", lambda d: container(d).pop("readinessProbe")),
    ("servers_have_probes", lambda d: pod(d, "polymart-mlflow")["containers"][0].pop("livenessProbe")),
    (
        "servers_have_probes",
        lambda d: (container(d).pop("startupProbe"), as_rollout(d), drop(d, "Deployment", "serving")),
    ),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].update(runAsUser=0)),
    ("pods_are_unprivileged", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    ("pods_are_unprivileged", lambda d: pod(d).update(hostNetwork=True)),
    ("pods_are_unprivileged", lambda d: pod(d)["volumes"].append({"name": "h", "hostPath": {"path": "/"}})),
    ("containers_are_unprivileged", lambda d: context(d).update(privileged=True)),
    ("containers_are_unprivileged", lambda d: context(d).pop("allowPrivilegeEscalation")),
    ("containers_are_unprivileged", lambda d: context(d).update(readOnlyRootFilesystem=False)),
    ("containers_are_unprivileged", lambda d: context(d)["capabilities"].update(add=["SYS_ADMIN"])),
    ("containers_are_unprivileged", lambda d: context(d).update(runAsUser=0)),
    ("containers_are_unprivileged", lambda d: context(d).update(seccompProfile={"type": "Unconfined"})),
    ("containers_are_unprivileged", lambda d: container(d).pop("securityContext")),
    ("no_service_account_tokens", lambda d: pod(d).pop("automountServiceAccountToken")),
    ("no_service_account_tokens", lambda d: pod(d).pop("serviceAccountName")),
    ("no_service_account_tokens", lambda d: token(d).pop("audience")),
    ("no_service_account_tokens", lambda d: token(d).update(expirationSeconds=86_400)),
    ("namespaces_are_restricted", lambda d: find(d, "Namespace")["metadata"].pop("labels")),
    ("namespaces_are_restricted", lambda d: find(d, "CronJob")["metadata"].pop("namespace")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "default-deny")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "polymart-serving")),
    ("network_is_denied_by_default", lambda d: drop(d, "NetworkPolicy", "polymart-monitor")),
    ("network_is_denied_by_default", lambda d: policy(d, "default-deny").update(policyTypes=["Ingress"])),
    ("network_is_denied_by_default", lambda d: policy(d, "polymart-mlflow").update(policyTypes=["Egress"])),
    ("network_is_denied_by_default", stateful),
    ("network_is_denied_by_default", as_rollout),
    ("peers_are_named", lambda d: policy(d, "serving").update(egress=[{}])),
    ("peers_are_named", lambda d: policy(d, "serving")["ingress"][0]["from"].append({"namespaceSelector": {}})),
    ("peers_are_named", lambda d: policy(d, "polymart-monitor")["egress"][2]["to"][0]["ipBlock"].pop("except")),
    ("servers_survive_drains", lambda d: drop(d, "PodDisruptionBudget", "serving")),
    ("servers_survive_drains", lambda d: find(d, "PodDisruptionBudget")["spec"].update(maxUnavailable=0)),
    ("servers_survive_drains", lambda d: pod(d).pop("topologySpreadConstraints")),
    ("servers_survive_drains", stateful),
    ("jobs_end", lambda d: job(d).update(concurrencyPolicy="Allow")),
    ("jobs_end", lambda d: job(d)["jobTemplate"]["spec"].pop("activeDeadlineSeconds")),
    ("one_hand_scales", lambda d: find(d, "Rollout")["spec"].update(replicas=3)),
    ("canaries_are_judged", lambda d: canary(d).pop("analysis")),
    ("canaries_are_judged", lambda d: canary(d).update(steps=[{"setWeight": 50}, {"setWeight": 100}])),
    ("references_resolve", lambda d: drop(d, "ConfigMap", "polymart-release")),
    ("references_resolve", lambda d: drop(d, *SETTINGS)),
    ("references_resolve", lambda d: drop(d, "PersistentVolumeClaim", "predictions")),
    ("references_resolve", lambda d: find(d, "Service", "serving")["spec"]["selector"].update(app="other")),
    ("references_resolve", lambda d: drop(d, "AnalysisTemplate", "quality")),
    ("references_resolve", lambda d: drop(d, "Service", "canary")),
    ("references_resolve", lambda d: find(d, "ScaledObject")["spec"]["scaleTargetRef"].update(name="other")),
    ("references_resolve", lambda d: drop(d, "Gateway")),
    ("references_resolve", lambda d: find(d, "ServiceMonitor")["spec"]["selector"]["matchLabels"].update(app="no")),
    ("references_resolve", lambda d: find(d, "PodMonitor")["spec"]["selector"].update(matchLabels={"app": "no"})),
    ("secrets_have_a_source", lambda d: drop(d, "ExternalSecret", "pseudonym")),
    ("secrets_have_a_source", lambda d: drop(d, "ExternalSecret", "online-store")),
    ("secrets_have_a_source", lambda d: drop(d, "ExternalSecret", "metrics-key")),
    ("no_secret_values", lambda d: container(d)["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"})),
    ("no_secret_values", lambda d: find(d, *SETTINGS)["data"].update(GIT_ASKPASS_TOKEN="hunter2")),
    ("no_secret_values", lambda d: find(d, *SETTINGS)["data"].update(REPO="https://me:hunter2@git.example/a")),
    ("no_secret_values", lambda d: container(d).update(args=["-----BEGIN RSA PRIVATE KEY-----\nMII"])),
]
ON_TRAINING: list[tuple[str, Callable[[Documents], Any]]] = [
    ("roles_are_least", lambda d: find(d, "Role")["rules"][0].update(verbs=["*"])),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][0].update(resources=["pods/*"])),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][2].update(verbs=["get", "list"])),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][2].update(verbs=["watch"])),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][2].pop("resourceNames")),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][0].update(verbs=["create", "escalate"])),
    ("roles_are_least", lambda d: find(d, "Role")["rules"][0].update(resources=["pods/exec"])),
    ("bindings_stay_inside", lambda d: d.append(BOUND)),
    ("bindings_stay_inside", lambda d: find(d, "RoleBinding")["roleRef"].update(kind="ClusterRole")),
    ("bindings_stay_inside", lambda d: find(d, "RoleBinding")["subjects"][0].update(kind="Group")),
    ("bindings_stay_inside", lambda d: find(d, "RoleBinding")["subjects"][0].update(name="default")),
    ("containers_are_unprivileged", lambda d: runtime(d)["spec"]["containers"][0].pop("securityContext")),
    ("network_is_denied_by_default", lambda d: runtime(d)["metadata"].pop("labels")),
]
ON_ARGOCD: list[tuple[str, Callable[[Documents], Any]]] = [
    ("projects_are_closed", lambda d: find(d, "AppProject")["spec"].update(sourceRepos=["*"])),
    ("projects_are_closed", lambda d: find(d, "AppProject")["spec"]["destinations"][0].update(namespace="polymart-*")),
    ("projects_are_closed", lambda d: find(d, "AppProject")["spec"].pop("namespaceResourceWhitelist")),
    (
        "projects_are_closed",
        lambda d: find(d, "AppProject")["spec"]["namespaceResourceWhitelist"].append({"group": "", "kind": "Secret"}),
    ),
    ("applications_keep_to_git", lambda d: find(d, "Application")["spec"]["syncPolicy"]["automated"].pop("selfHeal")),
    ("applications_keep_to_git", lambda d: find(d, "Application")["metadata"].pop("annotations")),
    ("applications_keep_to_git", lambda d: find(d, "Application")["spec"]["source"].update(repoURL="https://else.example")),
    ("applications_keep_to_git", lambda d: find(d, "Application")["spec"]["destination"].update(namespace="default")),
    ("applications_keep_to_git", lambda d: find(d, "Application")["spec"].update(project="default")),
]  # fmt: skip
EVERY = [
    (folder, name, mutate)
    for folder, mutations in ((PRODUCTION, MUTATIONS), (TRAINING, ON_TRAINING), (ARGOCD, ON_ARGOCD))
    for name, mutate in mutations
]


@pytest.mark.parametrize(("folder", "name", "mutate"), EVERY)
def test_each_policy_sees_its_breach(folder, name, mutate):
    documents = rendered(folder)
    mutate(documents)
    assert name in {line.split(":")[0] for line in broken_policies(documents)}


@pytest.mark.parametrize("folder", [PRODUCTION, TRAINING, ARGOCD])
def test_without_a_mutation_nothing_is_broken(folder):
    assert broken_policies(rendered(folder)) == []


def test_every_policy_has_a_breach_above():
    assert {name for _, name, _ in EVERY} == set(POLICIES)
