"""The shape that every component and pipeline keeps; each rule returns the faults that it found."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import yaml

from components.readme import render

MAX_COMPONENT_LINES = 80
MAX_PIPELINE_LINES = 120
ALLOWED_AT_TOP = {"kfp", "components.image"}
"""``components.image`` holds one constant, the image; KFP ships the function's source alone, so it stays behind."""


def component_faults(folder: Path) -> list[str]:
    """What is wrong with the component in ``folder``; empty where nothing is."""
    missing = [n for n in ("component.py", "metadata.yaml", "README.md") if not (folder / n).is_file()]
    if missing:
        return [f"{folder.name} lacks {', '.join(missing)}"]
    source = (folder / "component.py").read_text()
    faults = [*_name_faults(folder, source), *_import_faults(folder, source), *_size_faults(folder, source)]
    if not faults and (folder / "README.md").read_text() != render(folder):
        faults = [f"{folder.name}/README.md is stale: run `make docs`"]
    return faults


def pipeline_faults(path: Path) -> list[str]:
    """What is wrong with the pipeline module ``path``."""
    return _too_long(path.parent.name, path.read_text(), MAX_PIPELINE_LINES)


def decorated(source: str) -> list[ast.FunctionDef]:
    """Functions made into components by ``@dsl.component``."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any("dsl.component" in ast.unparse(d) for d in f.decorator_list)]


def _name_faults(folder: Path, source: str) -> list[str]:
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    functions = decorated(source)
    names = [function.name for function in functions]
    if names != [folder.name] or metadata.get("name") != folder.name:
        given = metadata.get("name")
        return [f"folder {folder.name}, component functions {names} and metadata name {given!r} must agree"]
    summary = (ast.get_docstring(functions[0]) or "").partition("\n")[0]
    if not summary or metadata.get("description") != summary:
        return [f"{folder.name}: metadata description {metadata.get('description')!r} must be the summary {summary!r}"]
    return []


def _import_faults(folder: Path, source: str) -> list[str]:
    found = {name for node in ast.parse(source).body for name in _imported(node)}
    foreign = {n for n in found if n not in ALLOWED_AT_TOP and n.partition(".")[0] not in sys.stdlib_module_names}
    faults = [f"{folder.name} imports {name} at its top; move it into the body" for name in sorted(foreign)]
    if "__future__" in found:
        faults.append(f"{folder.name} imports __future__: KFP reads annotations, not their text")
    return faults


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "."] if isinstance(node, ast.ImportFrom) else []


def _size_faults(folder: Path, source: str) -> list[str]:
    return _too_long(folder.name, source, MAX_COMPONENT_LINES)


def _too_long(name: str, source: str, limit: int) -> list[str]:
    count = len(source.splitlines())
    return [f"{name} has {count} lines, at most {limit}: logic belongs in a library room"] if count > limit else []
