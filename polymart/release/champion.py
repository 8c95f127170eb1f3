"""The champion: the release that a candidate would replace, found in the deployment repository and fetched whole."""

from __future__ import annotations

from pathlib import Path

from polymart.errors import CheckpointError, ReleaseError
from polymart.evaluation.rivals import CHECKPOINT, write_champion
from polymart.files import atomic_folder, link_tree
from polymart.release.history import read_history
from polymart.release.manifest import ReleaseManifest, load_manifest
from polymart.release.repository import clone, ensure_repository
from polymart.training.checkpoint import verify_checkpoint

NOT_COMPARED = "set gates.champion to false in the suite, which compares the candidate with no release"


def find_champion(repository: str, environment: str, candidate: str) -> ReleaseManifest | None:
    """The release that a candidate is to replace in ``environment``; None where it would be the first.

    That is the release that runs. Where the candidate itself was released before, an unchanged run is being repeated:
    it is held against what it replaced then. Otherwise the second run of anything would compare a model with itself,
    and an unchanged run after a rollback would release again what was taken back.

    Args:
        repository: path or address; a bare repository is created at a path where nothing is.
        environment: lower-case name, e.g. ``staging``.
        candidate: digest of the candidate's checkpoint.

    Raises:
        ReleaseError: the repository is unreachable, or a release that ran has no manifest.
    """
    ensure_repository(repository)
    with clone(repository) as work:
        ran = [
            load_manifest(work.folder / "releases" / f"{deployment.release}.json")
            for deployment in read_history(work, environment)
        ]
    released = [place for place, manifest in enumerate(ran) if manifest.checkpoint_digest == candidate]
    before = ran[released[-1] + 1 :] if released else ran
    return before[0] if before else None


def fetch_champion(manifest: ReleaseManifest | None, tracking_uri: str, out: Path) -> None:
    """Write ``champion.json`` and ``checkpoint/`` of a release to ``out``, checked against its manifest.

    The files are taken from where the release says they lie, and from the registry where that is no folder of this
    machine (an object store's address, or a run that was deleted).

    Args:
        manifest: the release; None writes a ``champion.json`` that says there is none.
        tracking_uri: of the MLflow server.
        out: folder, replaced whole.

    Raises:
        ReleaseError: the checkpoint is gone, or is not the one that was released.
    """
    with atomic_folder(out) as folder:
        if manifest is None:
            write_champion(folder, "", "", "no release came before, or the suite asks for no comparison with one")
            return
        place = manifest.locations.get("checkpoint", "")
        if Path(place or "nowhere").is_dir():
            _verify(manifest, Path(place))
            link_tree(Path(place), folder / CHECKPOINT)
            note = f"linked or copied from {place}"
        else:
            _verify(manifest, _download(manifest, tracking_uri, folder))
            note = f"version {manifest.model_version} of the registry; {place or 'its place'} is no folder here"
        write_champion(folder, manifest.release, manifest.checkpoint_digest, note)


def _download(manifest: ReleaseManifest, tracking_uri: str, folder: Path) -> Path:
    from polymart.tracking.checkpoints import download_checkpoint  # mlflow takes seconds to import

    try:
        return download_checkpoint(tracking_uri, manifest.model_version, folder)
    except ReleaseError as error:
        raise ReleaseError(
            f"the checkpoint of {manifest.release}, which runs now, cannot be had: "
            f"{manifest.locations.get('checkpoint') or 'its place'} is no folder here, and {error.message}",
            remedy=f"{error.remedy}; or promote another release, or {NOT_COMPARED}",
        ) from error


def _verify(manifest: ReleaseManifest, folder: Path) -> None:
    try:
        found = verify_checkpoint(folder)
    except CheckpointError as error:
        found = error.message
    if found != manifest.checkpoint_digest:
        raise ReleaseError(
            f"the checkpoint of {manifest.release}, which runs now, must have digest {manifest.checkpoint_digest}, "
            f"found in {folder}: {found}",
            remedy=f"restore that folder, delete it if the registry has a whole copy, or {NOT_COMPARED}",
        )
