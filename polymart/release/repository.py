"""The deployment repository: a clone to work in, and git commands that never prompt and never read user settings.

Git itself is the lock: a push that lost a race is refused by the server, and the caller starts again from the new head.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polymart.errors import ReleaseError
from polymart.files import storage_errors

BRANCH = "main"
"""The branch that a new deployment repository starts with; an existing one keeps its own."""
AUTHOR = "Polymart <polymart@localhost>"
TIMEOUT_S = 120
"""Longest wait for one git command."""

# How servers word "somebody else pushed first"; any other refusal (hook, protected branch) is final.
_RACE = re.compile(r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value")
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://|^[^/]+:")
_PASSWORD = re.compile(r"(://)[^/@\s]+@")
# Settings of the user that would change or block a commit made by a machine.
_CONFIG = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false",
           "-c", "gc.auto=0", "-c", f"init.defaultBranch={BRANCH}")  # fmt: skip
TOKEN = "GIT_ASKPASS_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable with the token for an https repository; pods get it from a secret."""
# git's shell expands the variable when a server asks: the token never stands in an argument or a file
_TOKEN_HELPER = ("-c", "credential.helper=", "-c",
                 f'credential.helper=!f() {{ echo username=polymart; echo "password=${TOKEN}"; }}; f')  # fmt: skip


class PushRace(Exception):
    """Somebody pushed between our fetch and our push; try again from the new head."""


def redact(text: str) -> str:
    """``text`` without the user and password of any address in it."""
    return _PASSWORD.sub(r"\1***@", text)


def git(*arguments: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one git command without prompting.

    Raises:
        ReleaseError: git is absent, took longer than `TIMEOUT_S`, or (with ``check``) failed.
    """
    told = redact(f"git {' '.join(arguments)}")
    settings = (*_CONFIG, *_TOKEN_HELPER) if os.environ.get(TOKEN) else _CONFIG
    try:
        done = subprocess.run(
            ["git", *settings, *arguments], cwd=cwd, env=_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ReleaseError("git is not installed, but releases are git commits", remedy="install git") from error
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"`{told}` did not finish within {TIMEOUT_S} s", remedy="check that the repository's host answers"
        ) from error
    if check and done.returncode:
        raise ReleaseError(f"`{told}` failed: {redact(done.stderr.strip())}", remedy="see git's own words above")
    return done


def _environment() -> dict[str, str]:
    # GIT_DIR and its kin are set inside a git hook and would point every command at the wrong repository.
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    kept = {key: value for key, value in os.environ.items() if key not in foreign}
    # an askpass helper of the caller may know the password; without one, "true" answers nothing instead of asking
    defaults = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20", "GIT_ASKPASS": "true"}
    return defaults | kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def ensure_repository(repository: str) -> None:
    """Create a bare repository where ``repository`` is a local path with nothing there (the embedded default).

    Raises:
        StorageError: the folder cannot be written.
    """
    path = Path(repository)
    if _REMOTE.match(repository) or path.exists():
        return
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        git("init", "--quiet", "--bare", str(temporary))
        temporary.chmod(0o755)
        try:
            temporary.rename(path)
        except OSError:
            if not path.exists():
                raise
            shutil.rmtree(temporary)  # another process made it first; theirs is as good as ours


@dataclass(frozen=True)
class Clone:
    """A temporary working copy of the deployment repository."""

    folder: Path
    repository: str
    branch: str

    @property
    def head(self) -> str:
        """Commit id of the current head; empty in an empty repository."""
        return git("rev-parse", "--quiet", "--verify", "HEAD", cwd=self.folder, check=False).stdout.strip()

    def refresh(self) -> None:
        """Forget local commits and take the remote's head.

        Raises:
            ReleaseError: the repository cannot be reached.
        """
        git("fetch", "--quiet", "origin", cwd=self.folder)
        remote = f"refs/remotes/origin/{self.branch}"
        if git("rev-parse", "--quiet", "--verify", remote, cwd=self.folder, check=False).returncode == 0:
            git("reset", "--quiet", "--hard", remote, cwd=self.folder)
        git("clean", "--quiet", "-d", "--force", cwd=self.folder)

    def commit(self, message: str, *, author: str) -> bool:
        """Commit whatever changed; False if nothing did.

        Raises:
            ReleaseError: ``author`` is not of the form ``Name <mail>``.
        """
        git("add", "--all", cwd=self.folder)
        if not git("status", "--porcelain", cwd=self.folder).stdout:
            return False
        matched = re.fullmatch(r"([^<>\n]+) <([^<>\s]+)>", author)
        if not matched:
            raise ReleaseError(
                f"a commit's author must be 'Name <mail>', found {author!r}", remedy=f"give e.g. {AUTHOR!r}"
            )
        who = ("-c", f"user.name={matched[1]}", "-c", f"user.email={matched[2]}")
        git(*who, "commit", "--quiet", "--message", message, cwd=self.folder)
        return True

    def push(self) -> None:
        """Push the head.

        Raises:
            PushRace: somebody pushed first.
            ReleaseError: the repository is unreachable or refuses.
        """
        done = git("push", "--porcelain", "origin", f"HEAD:refs/heads/{self.branch}", cwd=self.folder, check=False)
        if not done.returncode:
            return
        words = redact(f"{done.stdout}{done.stderr}".strip())
        if _RACE.search(words):
            raise PushRace(words)
        raise ReleaseError(
            f"deployment repository {redact(self.repository)} refused the push: {words}",
            remedy="check write access, branch protection, and that a local repository is bare",
        )


@contextmanager
def clone(repository: str) -> Iterator[Clone]:
    """Clone ``repository`` into a temporary folder that is gone afterwards.

    Raises:
        ReleaseError: the repository is unreachable, forbidden or not a git repository.
    """
    with tempfile.TemporaryDirectory(prefix="polymart-deploy-") as temporary:
        folder = Path(temporary) / "clone"
        # file:// instead of a plain path: git then copies objects through its protocol, safe beside a running push
        source = repository if _REMOTE.match(repository) else Path(repository).resolve().as_uri()
        done = git("clone", "--quiet", "--no-tags", "--", source, str(folder), check=False)
        if done.returncode:
            raise ReleaseError(
                f"deployment repository {redact(repository)} cannot be cloned: {redact(done.stderr.strip())}",
                remedy="check POLYMART_DEPLOY_REPO, the network and your access to it",
            )
        branch = git("symbolic-ref", "--short", "HEAD", cwd=folder).stdout.strip()
        yield Clone(folder, repository, branch)
