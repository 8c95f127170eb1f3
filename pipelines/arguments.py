"""The arguments of a run, read and checked against the compiled pipeline before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from polymart.errors import SettingError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe, and where it can be fast: a compiled pipeline has thousands of lines."""


def read_parameters(package: Path) -> dict[str, dict[str, Any]]:
    """Name -> ``parameterType``, ``defaultValue``, ``isOptional`` of a compiled pipeline's parameters."""
    # the first of up to two documents; the second holds the Kubernetes settings
    specification = next(yaml.load_all(package.read_text(), LOADER))
    return dict(specification["root"].get("inputDefinitions", {}).get("parameters", {}))


def fill_arguments(package: Path, given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, Any]:
    """Arguments for a run of ``package``.

    Args:
        given: what the user typed, name -> text; numbers, lists and mappings as JSON.
        known: values that Polymart fills in where the pipeline asks for them and the user did not.

    Raises:
        SettingError: an argument is unknown, has another type than the pipeline's, or is missing.
    """
    parameters = read_parameters(package)
    unknown = sorted(given.keys() - parameters.keys())
    if unknown:
        raise SettingError(
            f"the pipeline has no parameter {', '.join(unknown)}", remedy=f"use: {', '.join(sorted(parameters))}"
        )
    texts = {name: value for name, value in known.items() if name in parameters} | dict(given)
    required = {name for name, parameter in parameters.items() if not _may_be_absent(parameter)}
    if missing := sorted(required - texts.keys()):
        raise SettingError(
            f"the pipeline needs a value for {', '.join(missing)}",
            remedy="give " + " ".join(f"--argument {name}=..." for name in missing),
        )
    return {name: _typed(name, text, parameters[name]["parameterType"]) for name, text in texts.items()}


def _may_be_absent(parameter: Mapping[str, Any]) -> bool:
    return "defaultValue" in parameter or bool(parameter.get("isOptional"))


def _typed(name: str, text: str, kind: str) -> Any:
    if kind == "STRING":
        return text
    expected: dict[str, type | tuple[type, ...]] = {
        "NUMBER_INTEGER": int,
        "NUMBER_DOUBLE": (int, float),
        "BOOLEAN": bool,
        "LIST": list,
        "STRUCT": dict,
    }
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    right = isinstance(value, expected.get(kind, object)) and isinstance(value, bool) == (kind == "BOOLEAN")
    if not right:
        raise SettingError(
            f"argument {name} must be a {kind}, found {text!r}", remedy="write it as JSON, e.g. 3 or true"
        )
    return value
