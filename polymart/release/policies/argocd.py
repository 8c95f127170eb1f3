"""What Argo CD may do, and where it must not look away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polymart.release.policies.registry import policy
from polymart.release.world import World

WAVE = "argocd.argoproj.io/sync-wave"


@policy
def projects_are_closed(world: World) -> Iterator[str]:
    """An AppProject names repositories, destinations and kinds, without a wildcard; secrets are not among them."""
    for project in world.of_kind("AppProject"):
        name, spec = f"AppProject/{project['metadata']['name']}", project["spec"]
        for field in ("sourceRepos", "destinations", "namespaceResourceWhitelist"):
            if not spec.get(field):
                yield f"{name} states no {field}"
        yield from (f"{name} has a wildcard: {text}" for text in _texts(spec) if "*" in text)
        if any(kind["kind"] == "Secret" for kind in spec.get("namespaceResourceWhitelist", [])):
            yield f"{name} lets secrets be deployed from Git"


@policy
def applications_keep_to_git(world: World) -> Iterator[str]:
    """An Application heals and prunes itself, has a wave, and stays within a project that is rendered."""
    projects = {d["metadata"]["name"]: d["spec"] for d in world.of_kind("AppProject")}
    for application in world.of_kind("Application"):
        name, spec = f"Application/{application['metadata']['name']}", application["spec"]
        automated = spec.get("syncPolicy", {}).get("automated", {})
        if not (automated.get("selfHeal") and automated.get("prune")):
            yield f"{name} does not heal and prune itself"
        if WAVE not in application["metadata"].get("annotations", {}):
            yield f"{name} has no {WAVE}"
        project = projects.get(spec["project"])
        if project is None:
            yield f"{name} belongs to project {spec['project']!r}, which is not rendered"
            continue
        if _place(spec["destination"]) not in [_place(place) for place in project["destinations"]]:
            yield f"{name} goes to {spec['destination']}, which its project does not name"
        for source in spec.get("sources", [spec.get("source")]):
            if source["repoURL"] not in project["sourceRepos"]:
                yield f"{name} comes from {source['repoURL']}, which its project does not name"


def _place(destination: dict[str, Any]) -> tuple[str, str]:
    return destination.get("server") or destination.get("name", ""), destination.get("namespace", "")


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _texts(item)
