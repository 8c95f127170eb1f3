"""Kubernetes manifests: rendered by kubectl, checked against the strict schemas, then against our policies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import kubernetes_validate
import yaml

from polymart.config import Settings
from polymart.data.archives import fetch
from polymart.errors import ReleaseError
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


def broken_schemas(documents: list[Document], *, kubernetes: str = KUBERNETES) -> list[str]:
    """One line for every document that the strict schema of its kind refuses; an unknown kind is refused too."""
    problems = []
    for document in documents:
        try:
            kubernetes_validate.validate(document, kubernetes, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(str(part) for part in error.absolute_path) or "document"
            problems.append(f"{_label(document)}: {place}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            problems.append(f"{_label(document)}: {error.message}")
        except KeyError as error:
            problems.append(f"{_label(document)}: {error} is missing")
    return problems


def validate_overlay(overlay: Path, kubectl: Path) -> list[Document]:
    """Render a folder and check every document; returns the documents when all is well.

    Raises:
        ReleaseError: it cannot be rendered, or a document breaks its schema or a policy (each is named).
    """
    documents = render(overlay, kubectl)
    problems = broken_schemas(documents) or broken_policies(documents)  # policies may rely on the schema
    if problems or not documents:
        told = "\n".join(f"  {problem}" for problem in problems) or "  it renders to nothing"
        raise ReleaseError(
            f"{overlay} breaks {len(problems) or 1} rule(s):\n{told}", remedy="correct the named documents"
        )
    return documents


def _label(document: Document) -> str:
    return f"{document.get('kind', 'document')}/{document.get('metadata', {}).get('name', 'unnamed')}"
