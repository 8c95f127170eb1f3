"""What an environment ran, read from the deployment repository's commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml

from polymart.errors import ReleaseError
from polymart.release.git import git, read_blobs
from polymart.release.repository import Clone

ACTION = "%(trailers:key=Polymart-Action,valueonly,separator=%x2C)"
"""How git's log shows what Polymart did in a commit; empty where somebody else made it."""
_FORMAT = f"%H%x00%cI%x00%an%x00%P%x00%G?%x00{ACTION}"
_SIGNED = {"N": "", "G": "signed", "B": "wrongly signed"}
"""What git found of a commit's signature; every other letter means a signer who is not known."""


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times faster in C, where libyaml was there when PyYAML was built; hundreds of commits are read."""


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
    commit_signature: str = ""
    """``signed``, ``wrongly signed`` or ``signer unknown``; empty where the commit is not signed or nobody asked."""
    standing: str = ""
    """How the release stands before the trusted keys, see `polymart.release.signing`; empty where nobody asked."""


def read_history(work: Clone, environment: str, *, signers: Path | None = None) -> list[Deployment]:
    """Changes of ``environment``'s release, newest first; empty if it never ran one.

    Args:
        work: the deployment repository.
        environment: lower-case name, e.g. ``staging``.
        signers: ssh-keygen's ``allowed_signers`` file; with it the signatures of commits are checked.
    """
    if not work.head:
        return []
    path = _path(environment)
    checked = ("-c", f"gpg.ssh.allowedSignersFile={signers.resolve()}") if signers else ()
    form = _FORMAT if signers else _FORMAT.replace("%G?", "N")  # git asks ssh-keygen once for every commit
    log = git(*checked, "log", "--first-parent", f"--format={form}", "HEAD", "--", path, cwd=work.folder)
    lines = [line.split("\0") for line in log.stdout.splitlines()]
    files = read_blobs([f"{line[0]}:{path}" for line in lines], work.folder)
    # a commit without the file deleted the environment
    return [_deployment(work, line, path, file) for line, file in zip(lines, files, strict=True) if file is not None]


def running_release(work: Clone, environment: str) -> str:
    """The release that the head makes ``environment`` run; empty if none."""
    (file,) = read_blobs([f"HEAD:{_path(environment)}"], work.folder)
    return "" if file is None else str(_data("HEAD", _path(environment), file)["release"])


def _path(environment: str) -> str:
    return f"environments/{environment}/release.yaml"


def _deployment(work: Clone, line: list[str], path: str, file: bytes) -> Deployment:
    commit, at, author, parents, signed, action = line
    if not action and len(parents.split()) > 1:  # people merged what Polymart had committed to a branch
        action = git("log", "-1", f"--format={ACTION}", parents.split()[1], cwd=work.folder).stdout.strip()
    # the file, not the message, says what ran: a commit by hand carries no trailer
    data = _data(commit, path, file)
    return Deployment(
        commit=commit, at=datetime.fromisoformat(at).astimezone(UTC), author=author,
        action="promote" if action == "promote" else "rollback" if action == "rollback" else "edit",
        release=data["release"], checkpoint=data["checkpoint_digest"], overall=data["verdict"],
        override=data.get("override", ""), model_version=data.get("model_version", ""),
        commit_signature=_SIGNED.get(signed, "signer unknown"),
    )  # fmt: skip


def _data(commit: str, path: str, file: bytes) -> dict[str, str]:
    """The data of the ConfigMap that names what runs.

    Raises:
        ReleaseError: the file is no such ConfigMap.
    """
    try:
        data = yaml.load(file, Loader=_LOADER)["data"]  # noqa: S506 - both loaders are the safe one
        missing = [name for name in ("release", "checkpoint_digest", "verdict") if name not in data]
        if missing:
            raise KeyError(*missing)
        return dict(data)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
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
