"""The deployment repository: a clone to work in.

Git itself is the lock: a push that lost a race is refused by the server, and the caller starts again from the new head.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polymart.config import Settings
from polymart.errors import ReleaseError
from polymart.files import storage_errors
from polymart.release.git import git, redact

AUTHOR = "Polymart <polymart@localhost>"

# How servers word "somebody else pushed first"; any other refusal (hook, protected branch) is final.
_RACE = re.compile(r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value")
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://|^[^/]+:")


class PushRace(Exception):
    """Somebody pushed between our fetch and our push; try again from the new head."""


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
        git("fetch", "--quiet", "--prune", "origin", cwd=self.folder)
        remote = f"refs/remotes/origin/{self.branch}"
        if git("rev-parse", "--quiet", "--verify", remote, cwd=self.folder, check=False).returncode == 0:
            git("reset", "--quiet", "--hard", remote, cwd=self.folder)
        git("clean", "--quiet", "-d", "--force", cwd=self.folder)

    def commit(self, message: str, *, author: str) -> bool:
        """Commit whatever changed, signed where POLYMART_COMMIT_KEY_FILE names a key; False if nothing did.

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
        git(*who, *_signed(), "commit", "--quiet", "--message", message, cwd=self.folder)
        return True

    def push(self) -> None:
        """Push the head to the branch that was cloned.

        Raises:
            PushRace: somebody pushed first.
            ReleaseError: the repository is unreachable or refuses.
        """
        self._push(f"HEAD:refs/heads/{self.branch}")

    def push_branch(self, branch: str) -> bool:
        """Make the head the tip of a branch of its own; False where the branch offers just this already.

        Raises:
            PushRace: somebody changed that branch meanwhile.
            ReleaseError: the repository is unreachable or refuses.
        """
        remote = f"refs/remotes/origin/{branch}"
        old = git("rev-parse", "--quiet", "--verify", remote, cwd=self.folder, check=False).stdout.strip()
        # the same files on the same parent: pushing again would only change the commit's time
        same = ("rev-parse", "HEAD^{tree}", "HEAD^", f"{old}^{{tree}}", f"{old}^")
        ids = git(*same, cwd=self.folder, check=False).stdout.split() if old else []
        if old and ids[:2] == ids[2:]:
            git("reset", "--quiet", "--hard", old, cwd=self.folder)
            return False
        self._push(f"--force-with-lease=refs/heads/{branch}:{old}", f"HEAD:refs/heads/{branch}")
        return True

    def _push(self, *what: str) -> None:
        options, (refspec,) = what[:-1], what[-1:]
        done = git("push", "--porcelain", *options, "origin", refspec, cwd=self.folder, check=False)
        if not done.returncode:
            return
        words = redact(f"{done.stdout}{done.stderr}".strip())
        if _RACE.search(words):
            raise PushRace(words)
        raise ReleaseError(
            f"deployment repository {redact(self.repository)} refused the push: {words}",
            remedy="check write access, that a local repository is bare, and branch protection: where people merge, "
            "ask them with --merge-request",
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


def _signed() -> tuple[str, ...]:
    key = Settings().commit_key_file
    return (
        ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key.resolve()}", "-c", "commit.gpgsign=true") if key else ()
    )
