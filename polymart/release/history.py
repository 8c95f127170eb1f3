"""What an environment ran, read from the deployment repository's commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import yaml

from polymart.errors import ReleaseError
from polymart.release.repository import Clone, git

_FORMAT = "%H%x00%cI%x00%an%x00%(trailers:key=Polymart-Action,valueonly,separator=%x2C)"


@dataclass(frozen=True)
class Deployment:
    """One change of what an environment runs."""

    commit: str
    at: datetime
    """When it was committed, in UTC."""
    author: str
    action: Literal["promote", "rollback", "edit"]
    """``edit`` is a commit that Polymart did not make."""
    release: str
    checkpoint: str
    """Digest of its checkpoint."""
    overall: str
    """The release's overall verdict."""
    override: str
    """Who let it through and why; empty if its verdict passed."""
    model_version: str
    """``<model>/<number>`` in the registry; empty where the release was not registered."""


def read_history(work: Clone, environment: str) -> list[Deployment]:
    """Changes of ``environment``'s release, newest first; empty if it never ran one."""
    path = f"environments/{environment}/release.yaml"
    if not work.head:
        return []
    lines = git("log", "--first-parent", f"--format={_FORMAT}", "HEAD", "--", path, cwd=work.folder).stdout.splitlines()
    return [deployment for line in lines if (deployment := _read(work, line, path))]


def _read(work: Clone, line: str, path: str) -> Deployment | None:
    commit, at, author, action = line.split("\0")
    # the file, not the message, says what ran: a commit by hand carries no trailer
    shown = git("show", f"{commit}:{path}", cwd=work.folder, check=False)
    if shown.returncode:
        return None  # this commit deleted the environment
    try:
        data = yaml.safe_load(shown.stdout)["data"]
        return Deployment(
            commit=commit, at=datetime.fromisoformat(at).astimezone(UTC), author=author,
            action="promote" if action == "promote" else "rollback" if action == "rollback" else "edit",
            release=data["release"], checkpoint=data["checkpoint_digest"], overall=data["verdict"],
            override=data.get("override", ""), model_version=data.get("model_version", ""),
        )  # fmt: skip
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ReleaseError(
            f"{path} in commit {commit[:12]} is not a release ConfigMap: {error!r}", remedy="revert that commit"
        ) from error


def previous_release(past: list[Deployment], environment: str) -> str:
    """The release to roll back to: the one below the current, where a rollback takes releases off the pile.

    Raises:
        ReleaseError: no earlier release is left.
    """
    pile: list[str] = []
    for deployment in reversed(past):
        if deployment.action == "rollback" and deployment.release in pile:
            del pile[pile.index(deployment.release) + 1 :]
        elif not pile or pile[-1] != deployment.release:
            pile.append(deployment.release)
    if len(pile) < 2:
        ran = f"only {pile[0]}" if pile else "no release"
        raise ReleaseError(
            f"{environment} has no earlier release to roll back to: {ran} is left",
            remedy="name a release with --to (see `polymart deploy history`), or promote a good one",
        )
    return pile[-2]
