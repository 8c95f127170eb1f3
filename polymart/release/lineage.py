"""From the checkpoint that answered back to the release, its commit, the registered version, code and data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from polymart.errors import ReleaseError
from polymart.release.git import redact
from polymart.release.history import Deployment, read_history
from polymart.release.manifest import ReleaseManifest, load_manifest
from polymart.release.repository import Clone, clone


@dataclass(frozen=True)
class Lineage:
    """Where an answer comes from."""

    deployment: Deployment
    """The commit that made the environment run the release."""
    manifest: ReleaseManifest
    run: str = ""
    """Id of the registry's run; empty where the registry tells nothing."""
    aliases: tuple[str, ...] = ()
    """What the registry calls the version now."""
    tags: dict[str, str] = field(default_factory=dict)
    """What the registry says of the version, see `polymart.tracking.facts`."""
    gap: str = ""
    """Why the registry tells nothing; empty where it does."""


def trace(repository: str, environment: str, tracking_uri: str, *, checkpoint: str, at: datetime) -> Lineage:
    """The lineage of an answer that ``environment`` gave at ``at``.

    Args:
        repository: the deployment repository.
        checkpoint: digest of the checkpoint that answered.
        at: with a time zone; several releases may hold one checkpoint.

    Raises:
        ReleaseError: the repository is unreachable, ``environment`` never ran such a checkpoint, its release is gone,
            or the registry's version holds another checkpoint.
    """
    with clone(repository) as work:
        past = read_history(work, environment)
        ran = [deployment for deployment in past if deployment.checkpoint == checkpoint]
        if not ran:
            raise _never_ran(work, environment, past, checkpoint)
        # A service answers from a release until its successor has rolled out, so the time alone does not decide.
        deployment = next((one for one in ran if one.at <= at), ran[-1])
        manifest = _manifest(work, deployment)
    return _with_registry(deployment, manifest, tracking_uri)


def _manifest(work: Clone, deployment: Deployment) -> ReleaseManifest:
    path = work.folder / "releases" / f"{deployment.release}.json"
    if not path.is_file():
        raise ReleaseError(
            f"the answer came from release {deployment.release}, whose manifest is gone from {redact(work.repository)}",
            remedy=f"restore it: git checkout {deployment.commit[:12]} -- releases/{path.name}",
        )
    return load_manifest(path)


def _with_registry(deployment: Deployment, manifest: ReleaseManifest, tracking_uri: str) -> Lineage:
    if not manifest.model_version:
        return Lineage(deployment, manifest, gap="the release was never registered")
    from polymart.tracking import read_version  # mlflow takes seconds to import

    try:
        found = read_version(tracking_uri, manifest.model_version)
    except ReleaseError as error:
        return Lineage(deployment, manifest, gap=f"{error.message} ({error.remedy})")
    if found.tags.get("checkpoint") != manifest.checkpoint_digest:
        raise ReleaseError(
            f"the registry's {manifest.model_version} holds checkpoint {found.tags.get('checkpoint')}, but release "
            f"{manifest.release} has {manifest.checkpoint_digest}",
            remedy="POLYMART_MLFLOW_URI names another registry than the one that the release was registered in",
        )
    return Lineage(deployment, manifest, found.run_id, found.aliases, found.tags)


def _never_ran(work: Clone, environment: str, past: list[Deployment], checkpoint: str) -> ReleaseError:
    others = sorted(path.name for path in (work.folder / "environments").glob("*") if path.name != environment)
    elsewhere = [name for name in others if any(one.checkpoint == checkpoint for one in read_history(work, name))]
    found = f"{', '.join(elsewhere)} ran it" if elsewhere else f"none of its {len(past)} deployments had it"
    return ReleaseError(
        f"environment {environment!r} never ran checkpoint {checkpoint}: {found}",
        remedy="name the environment that answered with --environment, and its deployment repository with --repository",
    )
