"""Promotion and rollback as commits in the deployment repository; history is read back from the same commits.

Layout of that repository::

    releases/<release>.json                     the manifest, written once and signed
    releases/<release>.md, .html                the model card
    environments/<env>/release.yaml             a ConfigMap that names what runs
    environments/<env>/kustomization.yaml       a kustomize Component: image digests and pod annotations
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from polymart.errors import ReleaseError
from polymart.release.commits import Promotion, commit_environment, keep_manifest, require_compared
from polymart.release.history import Deployment, previous_release, read_history
from polymart.release.manifest import ReleaseManifest, load_manifest
from polymart.release.repository import AUTHOR, Clone, clone, ensure_repository
from polymart.release.signing import TrustedKeys, require_signed, standing

if TYPE_CHECKING:
    from polymart.release.card import Card

__all__ = [
    "Deployment",
    "Promotion",
    "current_manifest",
    "history",
    "promote_release",
    "promote_released",
    "released_manifest",
    "rollback_release",
]


def promote_release(
    repository: str,
    manifest: ReleaseManifest,
    environment: str,
    *,
    card: Card | None = None,
    author: str = AUTHOR,
    compared_with: str | None = None,
    merge_request: bool = False,
) -> Promotion:
    """Make ``environment`` run ``manifest``'s release by one commit; a second call makes none.

    Args:
        repository: path or address; a bare repository is created at a path where nothing is.
        environment: lower-case name, e.g. ``staging``.
        card: the model card, kept beside the manifest.
        author: ``Name <mail>`` of the commit.
        compared_with: the release that the verdict compared with, empty where there was none; None where it was not
            asked to.
        merge_request: push the commit to a branch of its own, which people merge; its text is `Promotion.text`.

    Raises:
        ReleaseError: the repository is unreachable or refuses, holds another manifest under this name, or the
            environment runs another release than the one compared with.
    """
    _check_environment(environment)
    ensure_repository(repository)

    def choose(work: Clone) -> ReleaseManifest:
        if compared_with is not None:
            require_compared(work, environment, manifest, compared_with)
        return keep_manifest(work, manifest, card)

    return commit_environment(repository, environment, "promote", choose, author, merge_request=merge_request)


def promote_released(
    repository: str,
    release: str,
    environment: str,
    *,
    author: str = AUTHOR,
    keys: TrustedKeys | None = None,
    merge_request: bool = False,
) -> Promotion:
    """Make ``environment`` run a release that the repository holds already; `promote_release` tells the rest.

    Raises:
        ReleaseError: see `promote_release`; also where there is no such release, or none of ``keys`` signed it.
    """
    _check_environment(environment)

    def choose(work: Clone) -> ReleaseManifest:
        return _kept(work, release, keys)

    return commit_environment(repository, environment, "promote", choose, author, merge_request=merge_request)


def rollback_release(
    repository: str,
    environment: str,
    to: str | None = None,
    *,
    author: str = AUTHOR,
    keys: TrustedKeys | None = None,
    merge_request: bool = False,
) -> Promotion:
    """Return ``environment`` to the release before the current one, or to the earlier release ``to``, by one commit.

    Releases that were rolled back from are skipped, so two rollbacks in a row go two releases back.

    Raises:
        ReleaseError: there is no such earlier release, none of ``keys`` signed it (where these are given), somebody
            deployed another one meanwhile, or the repository is unreachable.
    """
    _check_environment(environment)
    aim: list[tuple[str, str]] = []  # (from, to), fixed at the first attempt: a retry must not go back twice

    def choose(work: Clone) -> ReleaseManifest:
        past = read_history(work, environment)
        current = past[0].release if past else ""
        if not aim:
            aim.append((current, _target(past, environment, to)))
        if current not in aim[0]:
            raise ReleaseError(
                f"{environment} moved from {aim[0][0]} to {current} during the rollback",
                remedy="look at `polymart deploy history` and roll back again if still needed",
            )
        return _kept(work, aim[0][1], keys)

    return commit_environment(repository, environment, "rollback", choose, author, merge_request=merge_request)


def history(
    repository: str, environment: str, *, keys: TrustedKeys | None = None, signers: Path | None = None
) -> list[Deployment]:
    """Every release that ``environment`` ran, newest first.

    Args:
        repository: path or address.
        environment: lower-case name, e.g. ``staging``.
        keys: with these, each deployment's ``standing`` says whether its release is signed.
        signers: with this file of allowed signers, its ``commit_signature`` says whether its commit is.

    Raises:
        ReleaseError: the repository is unreachable.
    """
    _check_environment(environment)
    with clone(repository) as work:
        past = read_history(work, environment, signers=signers)
        if keys is None:
            return past
        found = {name: _standing(work, name, keys) for name in {deployment.release for deployment in past}}
        return [replace(deployment, standing=found[deployment.release]) for deployment in past]


def _kept(work: Clone, release: str, keys: TrustedKeys | None) -> ReleaseManifest:
    manifest = load_manifest(work.folder / "releases" / f"{release}.json")
    require_signed(manifest, keys)
    return manifest


def _standing(work: Clone, release: str, keys: TrustedKeys) -> str:
    try:
        return standing(load_manifest(work.folder / "releases" / f"{release}.json"), keys)
    except ReleaseError:
        return "altered: its manifest is gone or was changed"


def current_manifest(repository: str, environment: str) -> ReleaseManifest:
    """The manifest of the release that ``environment`` runs now.

    Raises:
        ReleaseError: nothing was released to it yet, or the repository is unreachable.
    """
    _check_environment(environment)
    with clone(repository) as work:
        past = read_history(work, environment)
        if not past:
            raise ReleaseError(
                f"environment {environment!r} has no release in {repository}",
                remedy="train one with `polymart run suites/quick.yaml`",
            )
        return load_manifest(work.folder / "releases" / f"{past[0].release}.json")


def released_manifest(repository: str, release: str) -> ReleaseManifest:
    """The manifest of a release by its name.

    Raises:
        ReleaseError: the repository is unreachable or holds no such release.
    """
    with clone(repository) as work:
        return load_manifest(work.folder / "releases" / f"{release}.json")


def _target(past: list[Deployment], environment: str, to: str | None) -> str:
    if to is None:
        return previous_release(past, environment)
    if to not in {deployment.release for deployment in past}:
        raise ReleaseError(
            f"{environment} never ran release {to!r}",
            remedy="see `polymart deploy history`; a release that an environment never ran is promoted instead",
        )
    return to


def _check_environment(environment: str) -> None:
    # the name becomes a folder: a stray "../" must not leave the repository
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", environment):
        raise ReleaseError(
            f"an environment's name is lower-case letters, digits and '-', found {environment!r}",
            remedy="use e.g. local, staging or production",
        )
