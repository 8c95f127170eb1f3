"""What every rendered overlay must keep: one small function per rule, each yielding the lines that break it.

A pod here is the template of a workload. A rule that finds nothing to look at stays silent; `something_runs` is what
makes an empty overlay fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from polymart.release.world import Document, World, namespace_of, selects

POLICIES: dict[str, Callable[[World], Iterator[str]]] = {}
"""Rule name -> rule, in the order of this file."""


def _policy(rule: Callable[[World], Iterator[str]]) -> Callable[[World], Iterator[str]]:
    POLICIES[rule.__name__] = rule
    return rule


def broken_policies(documents: list[Document]) -> list[str]:
    """One line ``rule: what breaks it`` for every breach."""
    world = World(documents)
    return [f"{name}: {line}" for name, rule in POLICIES.items() for line in rule(world)]


@_policy
def something_runs(world: World) -> Iterator[str]:
    """The overlay holds at least one pod, so that the other rules looked at something."""
    if not world.pods:
        yield "no workload is rendered"


@_policy
def no_bare_pods_or_secrets(world: World) -> Iterator[str]:
    """Pods come from workloads, and secrets never stand in git."""
    for kind in ("Pod", "ReplicaSet", "Secret"):
        yield from (f"{kind}/{document['metadata']['name']} stands in the overlay" for document in world.of_kind(kind))


@_policy
def images_by_digest(world: World) -> Iterator[str]:
    """An image is named by digest: a tag can be moved."""
    for pod in world.pods:
        for name, container in pod.containers:
            if not re.fullmatch(r"[^\s@]+@sha256:[0-9a-f]{64}", container.get("image", "")):
                yield f"{name} runs {container.get('image')!r}"


@_policy
def resources_are_bounded(world: World) -> Iterator[str]:
    """Requests and limits of processor and memory are stated."""
    for pod in world.pods:
        for name, container in pod.containers:
            for side in ("requests", "limits"):
                missing = {"cpu", "memory"} - container.get("resources", {}).get(side, {}).keys()
                if missing:
                    yield f"{name} states no {side} of {', '.join(sorted(missing))}"


@_policy
def servers_have_probes(world: World) -> Iterator[str]:
    """Whatever runs for ever says when it has started, is ready and is alive."""
    for pod in world.pods:
        if pod.kind in ("Deployment", "StatefulSet", "DaemonSet"):
            for container in pod.spec["containers"]:
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    if probe not in container:
                        yield f"{pod.name}/{container['name']} has no {probe}"


@_policy
def pods_are_unprivileged(world: World) -> Iterator[str]:
    """Pod level: non-root, seccomp, no host namespaces, no host folders."""
    for pod in world.pods:
        context = pod.spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 1) == 0:
            yield f"{pod.name} may run as root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name} has no seccomp profile RuntimeDefault"
        for host in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(host):
                yield f"{pod.name} uses {host}"
        yield from (f"{pod.name} mounts a host folder" for v in pod.spec.get("volumes", []) if "hostPath" in v)


@_policy
def containers_are_unprivileged(world: World) -> Iterator[str]:
    """Container level: no escalation, no capability, a read-only root, nothing that undoes the pod's settings."""
    for pod in world.pods:
        for name, container in pod.containers:
            context = container.get("securityContext", {})
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{name} may gain privileges"
            capabilities = context.get("capabilities", {})
            if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
                yield f"{name} keeps capabilities"
            if context.get("readOnlyRootFilesystem") is not True:
                yield f"{name} can write its root file system"
            if context.get("runAsNonRoot") is False or context.get("runAsUser") == 0:
                yield f"{name} may run as root"
            if context.get("seccompProfile", {}).get("type", "RuntimeDefault") != "RuntimeDefault":
                yield f"{name} leaves the seccomp profile"


@_policy
def no_service_account_tokens(world: World) -> Iterator[str]:
    """Each workload has a service account of its own and no token of it."""
    for pod in world.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name} mounts a token"
        if pod.spec.get("serviceAccountName") not in world.names("ServiceAccount", pod.namespace):
            yield f"{pod.name} uses service account {pod.spec.get('serviceAccountName')!r}, which is not rendered"


@_policy
def network_is_denied_by_default(world: World) -> Iterator[str]:
    """Each namespace denies all traffic, and a policy of its own covers each pod, never with an open peer."""
    for pod in world.pods:
        policies = [d["spec"] for d in world.of_kind("NetworkPolicy") if namespace_of(d) == pod.namespace]
        mine = [spec for spec in policies if selects(spec["podSelector"], pod.labels)]
        if not any(_denies_all(spec) for spec in mine):
            yield f"{pod.name}'s namespace has no default-deny policy"
        own = [spec for spec in mine if spec["podSelector"]]
        if not own:
            yield f"{pod.name} is covered by no policy of its own"
        for spec in own:
            rules = [*spec.get("ingress", []), *spec.get("egress", [])]
            if not all((rule.get("from") or rule.get("to")) and rule.get("ports") for rule in rules):
                yield f"{pod.name} is open to any peer or any port"


def _denies_all(spec: dict[str, Any]) -> bool:
    both = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
    return spec["podSelector"] == {} and both and not spec.get("ingress") and not spec.get("egress")


@_policy
def servers_survive_drains(world: World) -> Iterator[str]:
    """A Deployment has a disruption budget that lets one pod go, and spreads over nodes."""
    for pod in world.pods:
        if pod.kind != "Deployment":
            continue
        budgets = [d["spec"] for d in world.of_kind("PodDisruptionBudget") if namespace_of(d) == pod.namespace]
        mine = [spec for spec in budgets if selects(spec["selector"], pod.labels)]
        if [spec.get("maxUnavailable") for spec in mine] != [1]:
            yield f"{pod.name} needs exactly one disruption budget with maxUnavailable 1, found {len(mine)} budget(s)"
        spreads = pod.spec.get("topologySpreadConstraints", [])
        if not any(selects(spread["labelSelector"], pod.labels) for spread in spreads):
            yield f"{pod.name} is not spread over nodes"


@_policy
def jobs_end(world: World) -> Iterator[str]:
    """A scheduled job never overlaps itself, has a deadline and gives up."""
    for job in world.of_kind("CronJob"):
        name, spec = f"CronJob/{job['metadata']['name']}", job["spec"]
        if spec.get("concurrencyPolicy") != "Forbid":
            yield f"{name} may overlap itself"
        missing = {"activeDeadlineSeconds", "backoffLimit"} - spec["jobTemplate"]["spec"].keys()
        if missing:
            yield f"{name} states no {', '.join(sorted(missing))}"


@_policy
def namespaces_are_restricted(world: World) -> Iterator[str]:
    """Every workload stands in a rendered namespace that enforces the restricted pod security standard."""
    enforced = {
        d["metadata"]["name"]
        for d in world.of_kind("Namespace")
        if d["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") == "restricted"
    }
    for pod in world.pods:
        if pod.namespace not in enforced:
            yield f"{pod.name} stands in namespace {pod.namespace!r}, which is not rendered as restricted"


@_policy
def references_resolve(world: World) -> Iterator[str]:
    """Volume claims, config maps and services point at what is rendered."""
    for pod in world.pods:
        for kind, name in _references(pod.spec):
            if name not in world.names(kind, pod.namespace):
                yield f"{pod.name} refers to {kind}/{name}, which is not rendered"
    for service in world.of_kind("Service"):
        wanted = {"matchLabels": service["spec"].get("selector", {})}
        if not any(selects(wanted, pod.labels) for pod in world.pods if pod.namespace == namespace_of(service)):
            yield f"Service/{service['metadata']['name']} selects no pod"


def _references(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for variable in container.get("env", []):
            if "configMapKeyRef" in variable.get("valueFrom", {}):
                yield "ConfigMap", variable["valueFrom"]["configMapKeyRef"]["name"]
        yield from (
            ("ConfigMap", s["configMapRef"]["name"]) for s in container.get("envFrom", []) if "configMapRef" in s
        )
