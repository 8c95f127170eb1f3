"""The documents of a rendered overlay as policies look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
SERVERS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")
RUNTIMES = ("TrainingRuntime", "ClusterTrainingRuntime")


@dataclass(frozen=True)
class Pod:
    """The pod template of a workload."""

    name: str
    """``Kind/name`` of the workload."""
    kind: str
    namespace: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def runs_for_ever(self) -> bool:
        """Whether it is a server, not a job."""
        return self.kind in SERVERS

    @property
    def containers(self) -> list[tuple[str, dict[str, Any]]]:
        """Every container, init containers too, with its full name."""
        listed = [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]
        return [(f"{self.name}/{container['name']}", container) for container in listed]


@dataclass(frozen=True)
class World:
    """The documents of one overlay."""

    documents: list[Document]

    @property
    def pods(self) -> list[Pod]:
        """The pod templates of every workload."""
        return [
            Pod(f"{d['kind']}/{d['metadata']['name']}", d["kind"], namespace_of(d), _labels(template), template["spec"])
            for d in self.documents
            for template in _templates(d)
        ]

    def of_kind(self, kind: str) -> list[Document]:
        """The documents of one kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def names(self, kind: str, namespace: str) -> set[str]:
        """Names of one kind in one namespace."""
        return {d["metadata"]["name"] for d in self.of_kind(kind) if namespace_of(d) == namespace}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector matches; ``{}`` selects all."""
    plain = selector.get("matchLabels", {}).items() <= labels.items()
    return plain and all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def _holds(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def namespace_of(document: Document) -> str:
    """The document's namespace; empty if it has none."""
    return str(document["metadata"].get("namespace", ""))


def _templates(document: Document) -> list[dict[str, Any]]:
    kind, spec = document["kind"], document.get("spec", {})
    if kind in RUNTIMES:  # Kubeflow Trainer: jobs of a JobSet, each with a Job inside
        return [job["template"]["spec"]["template"] for job in spec["template"]["spec"]["replicatedJobs"]]
    if kind == "CronJob":
        return [spec["jobTemplate"]["spec"]["template"]]
    # A Rollout with a workloadRef has no template: its pods are those of the Deployment that it names.
    return [spec["template"]] if kind in (*SERVERS, "Job") and "template" in spec else []


def _labels(template: dict[str, Any]) -> dict[str, str]:
    return dict(template.get("metadata", {}).get("labels", {}))
