"""What one set of rendered documents changes in another, object by object."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import yaml

from polymart.errors import ReleaseError
from polymart.release.manifests import render
from polymart.release.world import Document


def documents_at(place: Path, kubectl: Path) -> list[Document]:
    """The documents of a kustomization, or of a file that ``polymart deploy render`` printed.

    Raises:
        ReleaseError: the folder cannot be rendered, or the file holds no Kubernetes objects.
    """
    if place.is_dir():
        return render(place, kubectl)
    try:
        documents = [document for document in yaml.safe_load_all(place.read_text()) if document]
        return [document for document in documents if _name(document)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ReleaseError(
            f"{place} must hold Kubernetes objects as YAML, but cannot be read as such: {error!r}",
            remedy="name a kustomization, or a file that `polymart deploy render` printed",
        ) from error


def differences(before: list[Document], after: list[Document]) -> Iterator[str]:
    """Lines of a unified diff; objects are matched by kind, namespace and name, whatever their order."""
    old, new = ({_name(document): _lines(document) for document in side} for side in (before, after))
    for name in sorted(old.keys() | new.keys()):
        yield from unified_diff(old.get(name, []), new.get(name, []), f"before/{name}", f"after/{name}", lineterm="")


def _name(document: Document) -> str:
    metadata = document["metadata"]
    return "/".join(part for part in (document["kind"], metadata.get("namespace", ""), metadata["name"]) if part)


def _lines(document: Document) -> list[str]:
    return yaml.safe_dump(document, sort_keys=True).splitlines()
