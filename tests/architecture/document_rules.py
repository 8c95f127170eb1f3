"""What documents promise: commands that resolve, paths that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer.main

from polymart.cli.main import build_app

TOP = (
    "polymart",
    "components",
    "pipelines",
    "feature_repo",
    "serving",
    "monitoring",
    "suites",
    "k8s",
    "tests",
    "bench",
    "docs",
    "requirements",
    ".ci",
)


def commands(text: str) -> list[str]:
    """Every ``polymart ...`` and ``make ...`` command in code blocks and code spans of a Markdown text."""
    fences = re.findall(r"^```(?!\w*json)[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    found = [re.sub(r"^(\w+=\S+\s+)*(\.venv/bin/)?", "", line) for line in (*lines, *spans)]
    return [line for line in found if re.match(r"(polymart|make)(\s|$)", line)]


def command_fault(command: str, root: Path) -> str | None:
    """Why a command does not resolve, or None."""
    words = shlex.split(re.split(r"[|;&>]|\s#", command)[0])
    if words[0] == "make":
        return _make_fault(words[1:], root)
    return _polymart_fault(words[1:])


def path_faults(text: str, root: Path, folder: Path) -> list[str]:
    """Paths in code spans and relative links of a Markdown text that lead nowhere."""
    spans = re.findall(r"(?<!`)`([\w./*-]+)`(?!`)", text)
    paths = [s for s in spans if "/" in s and s.partition("/")[0] in TOP]
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if not re.match(r"\w+:", link)]
    lost = [p for p in paths if not any(root.glob(p.rstrip("/")))]
    return lost + [link for link in links if not (folder / link).exists()]


def make_targets(root: Path) -> set[str]:
    """Targets that the Makefile documents."""
    return set(re.findall(r"^([a-z]+):.*##", (root / "Makefile").read_text(), flags=re.MULTILINE))


def _make_fault(words: list[str], root: Path) -> str | None:
    targets = [word for word in words if "=" not in word and not word.startswith("-")]
    unknown = sorted(set(targets) - make_targets(root))
    return f"make has no target {', '.join(unknown)}" if unknown else None


def _polymart_fault(words: list[str]) -> str | None:
    """Follow the words down the command tree, then compare the options."""
    command = typer.main.get_command(build_app())
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"`polymart` has no command {words[0]!r} here; it has {', '.join(sorted(command.commands))}"
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--debug"}
    unknown = [w for w in words if w.startswith("--") and w.partition("=")[0] not in known]
    return f"`{command.name}` has no option {', '.join(unknown)}" if unknown else None
