"""Kubernetes manifests: rendered by kubectl, checked against the strict schemas, then against our policies."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import kubernetes_validate
import yaml

from polymart.config import Settings
from polymart.data.archives import fetch
from polymart.errors import ReleaseError
from polymart.release import custom_kinds
from polymart.release.policies import broken_policies
from polymart.release.world import Document

KUBERNETES = "1.34"
"""The Kubernetes version whose schemas count; kubectl has the same."""


def find_kubectl(settings: Settings) -> Path:
    """The pinned kubectl, fetched the first time.

    Raises:
        ArchiveError: it cannot be fetched.
    """
    return fetch("kubectl", settings) / "kubectl"


def render_text(overlay: Path, kubectl: Path) -> str:
    """What ``kubectl kustomize`` makes of a folder; touches no cluster.

    Raises:
        ReleaseError: the folder is no kustomization, or kustomize refuses it.
    """
    command = [str(kubectl), "kustomize", str(overlay)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"rendering {overlay} took more than 60 s", remedy="remove remote resources that do not answer"
        ) from error
    if done.returncode:
        raise ReleaseError(
            f"{overlay} cannot be rendered: {done.stderr.strip()}", remedy="correct the kustomization named above"
        )
    return done.stdout


def render(overlay: Path, kubectl: Path) -> list[Document]:
    """The documents of a rendered folder.

    Raises:
        ReleaseError: the folder is no kustomization, or kustomize refuses it.
    """
    return [document for document in yaml.safe_load_all(render_text(overlay, kubectl)) if document]


def broken_schemas(
    documents: list[Document], crd_schemas: Path | None = None, *, kubernetes: str = KUBERNETES
) -> list[str]:
    """One line for every document that the strict schema of its kind refuses; an unknown kind is refused too.

    Args:
        crd_schemas: folder with the schemas of custom resources; without it every custom kind is unknown.
    """
    return [
        f"{_label(document)}: {fault}" for document in documents for fault in _faults(document, crd_schemas, kubernetes)
    ]


def _faults(document: Document, crd_schemas: Path | None, kubernetes: str) -> Iterator[str]:
    if missing := [name for name in ("apiVersion", "kind", "metadata") if name not in document]:
        yield f"{', '.join(missing)} is missing"
        return
    try:
        kubernetes_validate.validate(document, kubernetes, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(str(part) for part in error.absolute_path) or 'document'}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError:
        yield from _custom_faults(document, crd_schemas, kubernetes)


def _custom_faults(document: Document, crd_schemas: Path | None, kubernetes: str) -> Iterator[str]:
    kind = f"{document['apiVersion']} {document['kind']}"
    if crd_schemas is None:
        yield f"{kind} is no kind of Kubernetes {kubernetes}; give --crd-schemas a folder with its schema"
        return
    try:
        yield from (f"{place}: {reason}" for place, reason in custom_kinds.faults(document, crd_schemas))
    except LookupError as error:
        yield f"unknown kind: {error.args[0]}"


def validate_overlays(overlays: Sequence[Path], kubectl: Path, crd_schemas: Path | None = None) -> list[Document]:
    """Render folders that run side by side and check every document; returns the documents when all is well.

    Args:
        overlays: together they are one world: what one refers to may stand in another.
        crd_schemas: see `broken_schemas`.

    Raises:
        ReleaseError: one cannot be rendered, a document breaks its schema or a policy (each is named), or two folders
            hold the same object.
    """
    documents = [document for overlay in overlays for document in render(overlay, kubectl)]
    # policies may rely on the schema
    problems = _twice(documents) or broken_schemas(documents, crd_schemas) or broken_policies(documents)
    if problems or not documents:
        told = "\n".join(f"  {problem}" for problem in problems) or "  it renders to nothing"
        raise ReleaseError(
            f"{', '.join(map(str, overlays))} breaks {len(problems) or 1} rule(s):\n{told}",
            remedy="correct the named documents",
        )
    return documents


def _twice(documents: list[Document]) -> list[str]:
    counted = Counter(
        (d.get("apiVersion", "").partition("/")[0], _label(d), d.get("metadata", {}).get("namespace"))
        for d in documents
    )
    return [f"{label} is rendered {times} times" for (_, label, _), times in counted.items() if times > 1]


def _label(document: Document) -> str:
    return f"{document.get('kind', 'document')}/{document.get('metadata', {}).get('name', 'unnamed')}"
