"""KFP's published OpenAPI document, read back from the client that KFP generates from it (PyPI `kfp-server-api`).

Nothing here is written by hand about any endpoint: paths, methods, query parameters, bodies and answers come from the
client's service classes, JSON schemas from its models. Unknown keys are refused.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema
import kfp_server_api
from kfp_server_api import models

SCALARS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": {},
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    """A template, e.g. ``/apis/v2beta1/runs/{run_id}:terminate``."""
    query: tuple[str, ...]
    body: str
    """Type of the body; empty where there is none."""
    answer: str
    upload: bool

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Path parameters, if a request means this operation."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/:]+)", self.path)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return found.groupdict() if found else None


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the document."""
    return tuple(_operations())


def _operations() -> Iterator[Operation]:
    services = (
        kind for name, kind in inspect.getmembers(kfp_server_api, inspect.isclass) if name.endswith("ServiceApi")
    )
    for service in services:
        for name, method in inspect.getmembers(service, inspect.isfunction):
            if name.endswith("_with_http_info"):
                yield _operation(name.removesuffix("_with_http_info"), inspect.getsource(method))


def _operation(name: str, source: str) -> Operation:
    call = re.search(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source)
    answer = re.search(r"response_type='([^']+)'", source)
    assert call, name
    body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
    kind = re.search(rf":type {body[1]}: (\w+)", source) if body else None
    return Operation(
        name=name,
        method=call[2],
        path=call[1],
        query=tuple(re.findall(r"query_params\.append\(\('([^']+)'", source)),
        body=kind[1] if kind else "",
        answer=answer[1] if answer else "object",
        upload="local_var_files['uploadfile']" in source,
    )


@cache
def schema(kind: str) -> dict[str, Any]:
    """JSON schema of a type of the document."""
    if many := re.fullmatch(r"list\[(.+)\]", kind):
        return {"type": "array", "items": schema(many[1])}
    if mapping := re.fullmatch(r"dict\(str, (.+)\)", kind):
        return {"type": "object", "additionalProperties": schema(mapping[1])}
    if kind in SCALARS:
        return SCALARS[kind]
    return {"$ref": f"#/$defs/{kind}"}


@cache
def _definitions() -> dict[str, Any]:
    return {name: _model(kind) for name, kind in inspect.getmembers(models, inspect.isclass)}


def _model(kind: Any) -> dict[str, Any]:
    if values := getattr(kind, "allowable_values", None):
        return {"enum": values}
    properties = {kind.attribute_map[name]: schema(of) for name, of in kind.openapi_types.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema(kind), "$defs": _definitions()})


def faults(kind: str, value: Any) -> list[str]:
    """What is wrong with ``value`` as a ``kind``; empty where nothing is."""
    return [f"{kind} at {error.json_path}: {error.message[:200]}" for error in _validator(kind).iter_errors(value)]
