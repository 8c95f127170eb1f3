"""Names that point at something must find it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polymart.release.policies.registry import policy
from polymart.release.world import Document, Pod, World, namespace_of, selects


@policy
def references_resolve(world: World) -> Iterator[str]:
    """Volume claims, config maps, scalers, canaries and routes name what is rendered; services and monitors select."""
    for pod in world.pods:
        for kind, name in _of_pod(pod.spec):
            if name not in world.names(kind, pod.namespace):
                yield f"{pod.name} refers to {kind}/{name}, which is not rendered"
    for document in world.documents:
        for kind, name in _of_document(document):
            if name not in world.names(kind, namespace_of(document)):
                yield f"{_label(document)} refers to {kind}/{name}, which is not rendered"
        for wanted, found in _selections(document, world):
            if not any(selects(wanted, labels) for labels in found):
                yield f"{_label(document)} selects nothing"


@policy
def secrets_have_a_source(world: World) -> Iterator[str]:
    """Where secrets come from a store outside, each one that a pod or a monitor cannot do without comes from there."""
    if not world.of_kind("ExternalSecret"):
        return  # made by hand, as locally
    made = {(namespace_of(d), d["metadata"]["name"]) for d in world.of_kind("ExternalSecret")}
    for pod in world.pods:
        yield from (
            f"{pod.name} needs Secret/{n}, which has no source" for n in _secrets(pod) if (pod.namespace, n) not in made
        )
    for monitor in world.of_kind("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            name = endpoint.get("authorization", {}).get("credentials", {}).get("name")
            if name and (namespace_of(monitor), name) not in made:
                yield f"{_label(monitor)} needs Secret/{name}, which has no source"


def _of_pod(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for source, kind in _environment(spec):
        if kind == "configMap" and not source.get("optional"):
            yield "ConfigMap", source["name"]


def _secrets(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.get("volumes", []):
        if "secret" in volume and not volume["secret"].get("optional"):
            yield volume["secret"]["secretName"]
    yield from (s["name"] for s, kind in _environment(pod.spec) if kind == "secret" and not s.get("optional"))


def _environment(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """What variables are read from: the reference, and ``configMap`` or ``secret``."""
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for kind in ("configMap", "secret"):
            yield from ((s[f"{kind}Ref"], kind) for s in container.get("envFrom", []) if f"{kind}Ref" in s)
            for variable in container.get("env", []):
                if f"{kind}KeyRef" in variable.get("valueFrom", {}):
                    yield variable["valueFrom"][f"{kind}KeyRef"], kind


def _of_document(document: Document) -> Iterator[tuple[str, str]]:
    spec = document.get("spec", {})
    if document["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
        yield spec["scaleTargetRef"].get("kind", "Deployment"), spec["scaleTargetRef"]["name"]
    elif document["kind"] == "Rollout":
        if "workloadRef" in spec:
            yield spec["workloadRef"]["kind"], spec["workloadRef"]["name"]
        canary = spec.get("strategy", {}).get("canary", {})
        yield from (("Service", canary[name]) for name in ("stableService", "canaryService") if name in canary)
        for analysis in [canary.get("analysis", {}), *(step.get("analysis", {}) for step in canary.get("steps", []))]:
            yield from (("AnalysisTemplate", template["templateName"]) for template in analysis.get("templates", []))
    elif document["kind"] == "HTTPRoute":
        yield from (("Gateway", parent["name"]) for parent in spec.get("parentRefs", []))
        for rule in spec.get("rules", []):
            yield from (("Service", backend["name"]) for backend in rule.get("backendRefs", []))


def _selections(document: Document, world: World) -> Iterator[tuple[dict[str, Any], list[dict[str, str]]]]:
    """Selectors of a document, each with the labels that it may choose among."""
    spec, namespace = document.get("spec", {}), namespace_of(document)
    pods = [pod.labels for pod in world.pods if pod.namespace == namespace]
    if document["kind"] == "Service":
        yield {"matchLabels": spec.get("selector", {})}, pods
    elif document["kind"] in ("PodMonitor", "PodDisruptionBudget"):
        yield spec["selector"], pods
    elif document["kind"] == "ServiceMonitor":
        services = [d for d in world.of_kind("Service") if namespace_of(d) == namespace]
        yield spec["selector"], [d["metadata"].get("labels", {}) for d in services]


def _label(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"
