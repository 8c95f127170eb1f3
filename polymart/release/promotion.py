"""Promotion and rollback as commits in the deployment repository; history is read back from the same commits.

Layout of that repository::

    releases/<release>.json                     the manifest, written once
    environments/<env>/release.yaml             a ConfigMap that names what runs
    environments/<env>/kustomization.yaml       a kustomize Component: image digests and a pod annotation
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from polymart.errors import ReleaseError
from polymart.files import write_json
from polymart.release.history import Deployment, previous_release, read_history
from polymart.release.manifest import ReleaseManifest, load_manifest
from polymart.release.overlay import write_environment
from polymart.release.repository import AUTHOR, Clone, PushRace, clone, ensure_repository, redact

PUSH_ATTEMPTS = 25
"""Tries before a push that keeps losing races gives up (about 40 s)."""


@dataclass(frozen=True)
class Promotion:
    """What a promotion or rollback did."""

    environment: str
    release: str
    previous: str
    """The release that ran before; empty if none did."""
    commit: str
    """Head of the deployment repository that carries the release."""
    changed: bool
    """False if the environment already ran exactly this release, so no commit was made."""


def promote_release(repository: str, manifest: ReleaseManifest, environment: str, *, author: str = AUTHOR) -> Promotion:
    """Make ``environment`` run ``manifest``'s release by one commit; a second call makes none.

    Args:
        repository: path or address; a bare repository is created at a path where nothing is.
        environment: lower-case name, e.g. ``staging``.
        author: ``Name <mail>`` of the commit.

    Raises:
        ReleaseError: the repository is unreachable or refuses, or holds another manifest under this name.
    """
    _check_environment(environment)
    ensure_repository(repository)

    def edit(work: Clone) -> tuple[ReleaseManifest, str]:
        kept = _keep_manifest(work, manifest)
        return kept, _message("Promote", "promote", kept, environment)

    return _commit_environment(repository, environment, edit, author)


def rollback_release(repository: str, environment: str, to: str | None = None, *, author: str = AUTHOR) -> Promotion:
    """Return ``environment`` to the release before the current one, or to the earlier release ``to``, by one commit.

    Releases that were rolled back from are skipped, so two rollbacks in a row go two releases back.

    Raises:
        ReleaseError: there is no such earlier release, somebody deployed another one meanwhile, or the repository
            is unreachable.
    """
    _check_environment(environment)
    aim: list[tuple[str, str]] = []  # (from, to), fixed at the first attempt: a retry must not go back twice

    def edit(work: Clone) -> tuple[ReleaseManifest, str]:
        past = read_history(work, environment)
        current = past[0].release if past else ""
        if not aim:
            aim.append((current, _target(past, environment, to)))
        if current not in aim[0]:
            raise ReleaseError(
                f"{environment} moved from {aim[0][0]} to {current} during the rollback",
                remedy="look at `polymart deploy history` and roll back again if still needed",
            )
        manifest = load_manifest(work.folder / "releases" / f"{aim[0][1]}.json")
        return manifest, _message("Roll back", "rollback", manifest, environment)

    return _commit_environment(repository, environment, edit, author)


def history(repository: str, environment: str) -> list[Deployment]:
    """Every release that ``environment`` ran, newest first.

    Raises:
        ReleaseError: the repository is unreachable.
    """
    _check_environment(environment)
    with clone(repository) as work:
        return read_history(work, environment)


def _commit_environment(
    repository: str, environment: str, edit: Callable[[Clone], tuple[ReleaseManifest, str]], author: str
) -> Promotion:
    """Apply ``edit`` to the newest head, commit and push; start again from the new head when a push lost a race."""
    retrying = Retrying(
        retry=retry_if_exception_type(PushRace),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_attempt(PUSH_ATTEMPTS),
    )
    with clone(repository) as work:
        try:
            return retrying(_attempt, work, environment, edit, author)
        except RetryError as error:
            raise ReleaseError(
                f"the push to {redact(repository)} lost {PUSH_ATTEMPTS} races: {error.last_attempt.exception()}",
                remedy="nothing was changed; try again when fewer promotions run at once",
            ) from error


def _attempt(
    work: Clone, environment: str, edit: Callable[[Clone], tuple[ReleaseManifest, str]], author: str
) -> Promotion:
    work.refresh()
    past = read_history(work, environment)
    manifest, message = edit(work)
    write_environment(work.folder / "environments" / environment, manifest)
    changed = work.commit(message, author=author)
    if changed:
        work.push()
    return Promotion(environment, manifest.release, past[0].release if past else "", work.head, changed)


def _keep_manifest(work: Clone, manifest: ReleaseManifest) -> ReleaseManifest:
    """Write the manifest unless it is there already: the first packaging time stays."""
    path = work.folder / "releases" / f"{manifest.release}.json"
    if not path.exists():
        write_json(path, manifest.model_dump(mode="json"))
    kept = load_manifest(path)
    if kept.digest != manifest.digest:
        raise ReleaseError(
            f"releases/{path.name} already holds digest {kept.digest}, not {manifest.digest}",
            remedy="two releases share a short name; change any input (e.g. the suite's description) and package again",
        )
    return kept


def _target(past: list[Deployment], environment: str, to: str | None) -> str:
    if to is None:
        return previous_release(past, environment)
    if to not in {deployment.release for deployment in past}:
        raise ReleaseError(
            f"{environment} never ran release {to!r}",
            remedy="see `polymart deploy history`; a release that an environment never ran is promoted instead",
        )
    return to


def _message(verb: str, action: str, manifest: ReleaseManifest, environment: str) -> str:
    rows = [
        f"| {gate.task} | {gate.gate} | {gate.outcome} | {_number(gate.number)} | {gate.rule} |"
        for gate in manifest.gates
    ]
    override = [f"OVERRIDE: {manifest.override}"] if manifest.override else []
    return "\n".join([
        f"{verb} {environment} to {manifest.release}", "",
        f"Verdict: {manifest.overall}", *override, "",
        "| task | gate | outcome | number | rule |", "|---|---|---|---|---|", *rows, "",
        f"Polymart-Action: {action}", f"Polymart-Environment: {environment}",
        f"Polymart-Release: {manifest.release}", f"Polymart-Digest: {manifest.digest}",
    ])  # fmt: skip


def _number(value: float | None) -> str:
    return "not computable" if value is None else f"{value:.4g}"


def _check_environment(environment: str) -> None:
    # the name becomes a folder: a stray "../" must not leave the repository
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", environment):
        raise ReleaseError(
            f"an environment's name is lower-case letters, digits and '-', found {environment!r}",
            remedy="use e.g. local, staging or production",
        )
