"""Schemas of custom resources, as strict as an API server that prunes unknown fields would have to be.

A folder holds them in either form: ``<group>/<kind>_<version>.json`` (lower case), or a CustomResourceDefinition in a
YAML file whose name begins with the group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

Schema = Any
_ENVELOPE = {
    "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "status": {},
}  # fmt: skip
_BRANCHES = ("allOf", "anyOf", "oneOf", "not")
"""Parts that restrict what is declared outside of them and declare nothing."""
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def faults(document: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Place and reason of everything that the schema of a custom resource refuses.

    Raises:
        LookupError: the folder holds no schema of its group, version and kind.
    """
    group, _, version = document["apiVersion"].partition("/")
    validator = Draft7Validator(_schema(folder, group, version, document["kind"]))
    for error in validator.iter_errors(document):
        yield ".".join(str(part) for part in error.absolute_path) or "document", error.message


def closed(schema: Schema) -> Schema:
    """A schema with fields refused that it does not declare, and Kubernetes' own keywords in JSON Schema's words."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string", *(["null"] if schema.get("nullable") else [])]}
    found = {name: _within(name, part) for name, part in schema.items() if not name.startswith("x-kubernetes")}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        found["type"] = [schema["type"], "null"]
    return found


def _within(name: str, part: Schema) -> Schema:
    if name in _BRANCHES:
        return part
    if name == "properties":
        return {field: closed(inner) for field, inner in part.items()}
    return closed(part) if name in ("items", "additionalProperties") else part


@cache
def _schema(folder: Path, group: str, version: str, kind: str) -> Schema:
    plain = folder / group / f"{kind.lower()}_{version}.json"
    schema = json.loads(plain.read_text()) if plain.is_file() else _of_definition(folder, group, version, kind)
    schema["properties"] |= _ENVELOPE
    return closed(schema)


def _of_definition(folder: Path, group: str, version: str, kind: str) -> Schema:
    for path in sorted(folder.rglob(f"{group}_*.yaml")):
        spec = yaml.load(path.read_text(), Loader=_Loader)["spec"]  # noqa: S506 - the C build of the safe loader
        if spec["names"]["kind"] == kind:
            for served in spec["versions"]:
                if served["name"] == version:
                    return served["schema"]["openAPIV3Schema"]
    raise LookupError(f"{folder} holds no schema of {group}/{version} {kind}")
