"""What a pod may be: pinned, bounded, watched, without privileges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from polymart.release.policies.registry import policy
from polymart.release.world import World

MAX_TOKEN_S = 3600
"""Longest life of a token that is made for one audience."""


@policy
def something_runs(world: World) -> Iterator[str]:
    """The overlay holds at least one pod, or Applications that lead to some: the other rules looked at something."""
    if not world.pods and not world.of_kind("Application"):
        yield "no workload is rendered"


@policy
def every_pod_is_seen(world: World) -> Iterator[str]:
    """No document hides containers where no rule looks, as a kind that is new here would."""
    seen = {id(pod.spec) for pod in world.pods}
    for document in world.documents:
        for spec in _pod_specs(document.get("spec")):
            if id(spec) not in seen:
                yield f"{document['kind']}/{document['metadata']['name']} holds containers that no rule looks at"


def _pod_specs(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, list):
        for item in part:
            yield from _pod_specs(item)
    elif isinstance(part, dict):
        if isinstance(part.get("containers"), list):
            yield part
        for item in part.values():
            yield from _pod_specs(item)


@policy
def images_by_digest(world: World) -> Iterator[str]:
    """An image is named by digest: a tag can be moved."""
    for pod in world.pods:
        for name, container in pod.containers:
            if not re.fullmatch(r"[^\s@]+@sha256:[0-9a-f]{64}", container.get("image", "")):
                yield f"{name} runs {container.get('image')!r}"


@policy
def resources_are_bounded(world: World) -> Iterator[str]:
    """Requests and limits of processor and memory are stated, and how large a scratch folder may grow."""
    for pod in world.pods:
        for name, container in pod.containers:
            for side in ("requests", "limits"):
                missing = {"cpu", "memory"} - container.get("resources", {}).get(side, {}).keys()
                if missing:
                    yield f"{name} states no {side} of {', '.join(sorted(missing))}"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
                yield f"{pod.name} may fill its node with volume {volume['name']}"


@policy
def servers_have_probes(world: World) -> Iterator[str]:
    """Whatever runs for ever says when it has started, is ready and is alive."""
    for pod in world.pods:
        if pod.runs_for_ever:
            for container in pod.spec["containers"]:
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    if probe not in container:
                        yield f"{pod.name}/{container['name']} has no {probe}"


@policy
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


@policy
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


@policy
def no_service_account_tokens(world: World) -> Iterator[str]:
    """Each workload has a service account of its own and no token of it but short ones for a named audience."""
    for pod in world.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name} mounts a token"
        if pod.spec.get("serviceAccountName") not in world.names("ServiceAccount", pod.namespace):
            yield f"{pod.name} uses service account {pod.spec.get('serviceAccountName')!r}, which is not rendered"
        for token in _projected_tokens(pod.spec):
            if not token.get("audience") or token.get("expirationSeconds", MAX_TOKEN_S + 1) > MAX_TOKEN_S:
                yield f"{pod.name} projects a token without audience, or for longer than {MAX_TOKEN_S} s"


def _projected_tokens(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for volume in spec.get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                yield source["serviceAccountToken"]


@policy
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
