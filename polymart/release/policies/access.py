"""Who may do what, and that no secret stands in Git."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from polymart.release.policies.registry import policy
from polymart.release.world import World

TAKING_OVER = {"escalate", "bind", "impersonate"}
SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|(ACCESS|API|PRIVATE|PSEUDONYM|ROUTING)_KEY(_ID)?)$"
)
SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{20,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.|://[^/\s:@$]+:[^/\s@$]+@"
)
"""Private keys, tokens of clouds and git hosts, JSON Web Tokens, and addresses with a password."""


@policy
def no_bare_pods_or_secrets(world: World) -> Iterator[str]:
    """Pods come from workloads, and secrets never stand in git."""
    for kind in ("Pod", "ReplicaSet", "Secret"):
        yield from (f"{kind}/{document['metadata']['name']} stands in the overlay" for document in world.of_kind(kind))


@policy
def no_secret_values(world: World) -> Iterator[str]:
    """No setting that is named like a secret has a value, and no text looks like a secret."""
    for document in world.documents:
        label = f"{document['kind']}/{document['metadata']['name']}"
        for name, value in _texts(document, ""):
            if SECRET_NAME.search(name.upper()) and value and "/" not in value and "$" not in value:
                yield f"{label} states a value of {name}"
            elif SECRET_VALUE.search(value):
                yield f"{label} holds what looks like a secret in {name or 'a text'}"


def _texts(part: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every text with the name that it stands under; ``{name: X, value: Y}`` stands under X."""
    if isinstance(part, str):
        yield name, part
    elif isinstance(part, list):
        for item in part:
            yield from _texts(item, "")
    elif isinstance(part, dict) and part.keys() == {"name", "value"}:
        yield from _texts(part["value"], str(part["name"]))
    elif isinstance(part, dict):
        for key, item in part.items():
            yield from _texts(item, "" if key in REFERENCES else str(key))


REFERENCES = {"key", "secretKey", "path", "name"}
"""Fields whose text names something instead of being it."""


@policy
def roles_are_least(world: World) -> Iterator[str]:
    """A role names verbs and resources, reads single secrets by name at most, and gives nobody another's rights."""
    for role in [*world.of_kind("Role"), *world.of_kind("ClusterRole")]:
        name = f"{role['kind']}/{role['metadata']['name']}"
        for rule in role.get("rules") or []:
            verbs, resources = set(rule["verbs"]), set(rule.get("resources", []))
            if "*" in verbs | resources | set(rule.get("apiGroups", [])) or any("*" in r for r in resources):
                yield f"{name} has a wildcard"
            if verbs & TAKING_OVER:
                yield f"{name} may {', '.join(sorted(verbs & TAKING_OVER))}"
            if "secrets" in resources and (verbs != {"get"} or not rule.get("resourceNames")):
                yield f"{name} may do more with secrets than get some by name"
            if resources & {"pods/exec", "pods/attach", "serviceaccounts/token"}:
                yield f"{name} may enter pods or make tokens"


@policy
def bindings_stay_inside(world: World) -> Iterator[str]:
    """Rights are given in a namespace, to service accounts by name, from roles that stand beside them."""
    for document in world.of_kind("ClusterRoleBinding"):
        yield f"ClusterRoleBinding/{document['metadata']['name']} gives rights in every namespace"
    for binding in world.of_kind("RoleBinding"):
        name = f"RoleBinding/{binding['metadata']['name']}"
        role, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
        if role["kind"] != "Role" or role["name"] not in world.names("Role", namespace):
            yield f"{name} refers to {role['kind']}/{role['name']}, which is not rendered"
        for subject in binding.get("subjects") or []:
            if subject["kind"] != "ServiceAccount" or subject["name"] == "default":
                yield f"{name} gives rights to {subject['kind']}/{subject['name']}"
