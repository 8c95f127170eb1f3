"""The documents of a rendered overlay as policies look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


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
        """The pod template of every workload."""
        return [pod for document in self.documents if (pod := _pod(document))]

    def of_kind(self, kind: str) -> list[Document]:
        """The documents of one kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def names(self, kind: str, namespace: str) -> set[str]:
        """Names of one kind in one namespace."""
        return {d["metadata"]["name"] for d in self.of_kind(kind) if namespace_of(d) == namespace}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector (``matchLabels`` only; ``{}`` selects all) matches; expressions never match."""
    return "matchExpressions" not in selector and selector.get("matchLabels", {}).items() <= labels.items()


def namespace_of(document: Document) -> str:
    """The document's namespace; empty if it has none."""
    return str(document["metadata"].get("namespace", ""))


def _pod(document: Document) -> Pod | None:
    kind, template = document["kind"], document.get("spec", {})
    if kind == "CronJob":
        template = template["jobTemplate"]["spec"]
    if kind not in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
        return None
    template = template["template"]
    labels = template.get("metadata", {}).get("labels", {})
    return Pod(f"{kind}/{document['metadata']['name']}", kind, namespace_of(document), labels, template["spec"])
