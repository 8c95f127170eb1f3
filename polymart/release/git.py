"""Git commands that never prompt and never read user settings."""

from __future__ import annotations

import io
import os
import re
import subprocess
from pathlib import Path

from polymart.errors import ReleaseError

BRANCH = "main"
"""The branch that a new deployment repository starts with; an existing one keeps its own."""
TIMEOUT_S = 120
"""Longest wait for one git command."""

_PASSWORD = re.compile(r"(://)[^/@\s]+@")
# Settings of the user that would change or block a commit made by a machine.
_CONFIG = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false",
           "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", f"init.defaultBranch={BRANCH}")  # fmt: skip
TOKEN = "GIT_ASKPASS_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable with the token for an https repository; pods get it from a secret."""
# git's shell expands the variable when a server asks: the token never stands in an argument or a file
_TOKEN_HELPER = ("-c", "credential.helper=", "-c",
                 f'credential.helper=!f() {{ echo username=polymart; echo "password=${TOKEN}"; }}; f')  # fmt: skip


def redact(text: str) -> str:
    """``text`` without the user and password of any address in it."""
    return _PASSWORD.sub(r"\1***@", text)


def git(*arguments: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one git command without prompting.

    Raises:
        ReleaseError: git is absent, took longer than `TIMEOUT_S`, or (with ``check``) failed.
    """
    done = _run(arguments, cwd)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode:
        raise ReleaseError(f"`{_told(arguments)}` failed: {redact(err.strip())}", remedy="see git's own words above")
    return subprocess.CompletedProcess(arguments, done.returncode, out, err)


def read_blobs(names: list[str], cwd: Path) -> list[bytes | None]:
    """The contents of ``<commit>:<path>``, in order, by one command; None where a commit has no such file."""
    answer = io.BytesIO(_run(("cat-file", "--batch"), cwd, "".join(f"{name}\n" for name in names).encode()).stdout)
    found: list[bytes | None] = []
    for _ in names:
        header = answer.readline()
        if header.endswith(b" missing\n"):
            found.append(None)
        else:
            found.append(answer.read(int(header.split()[-1])))
            answer.readline()  # git ends every content with a line feed of its own
    return found


def _run(arguments: tuple[str, ...], cwd: Path | None, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    settings = (*_CONFIG, *_TOKEN_HELPER) if os.environ.get(TOKEN) else _CONFIG
    try:
        return subprocess.run(
            ["git", *settings, *arguments], cwd=cwd, env=_environment(), input=given, capture_output=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ReleaseError("git is not installed, but releases are git commits", remedy="install git") from error
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"`{_told(arguments)}` did not finish within {TIMEOUT_S} s",
            remedy="check that the repository's host answers",
        ) from error


def _told(arguments: tuple[str, ...]) -> str:
    return redact(f"git {' '.join(arguments)}")


def _environment() -> dict[str, str]:
    # GIT_DIR and its kin are set inside a git hook and would point every command at the wrong repository.
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    kept = {key: value for key, value in os.environ.items() if key not in foreign}
    # an askpass helper of the caller may know the password; without one, "true" answers nothing instead of asking
    defaults = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20", "GIT_ASKPASS": "true"}
    return defaults | kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
