"""Component `fetch_champion`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def fetch_champion(
    champion: dsl.Output[dsl.Model],
    manifest: str,
    code_version: str,
    tracking_uri: str = "",
) -> None:
    """Fetch the checkpoint of the release that the candidate would replace, checked against its manifest.

    Args:
        champion: folder with ``champion.json`` (release, digest, note) and, where there is a release, ``checkpoint/``.
        manifest: the release's manifest as JSON; empty where there is none.
        code_version: digest of the library's source; a cache key.
        tracking_uri: MLflow server; empty means the setting POLYMART_MLFLOW_URI.

    Raises:
        ReleaseError: the checkpoint is gone, or is not the one that was released.
    """
    from pathlib import Path

    from polymart.config import Settings
    from polymart.errors import shown_to_user
    from polymart.release.champion import fetch_champion
    from polymart.release.manifest import manifest_from_json

    with shown_to_user():
        found = manifest_from_json(manifest, origin="the champion") if manifest else None
        fetch_champion(found, tracking_uri or Settings().tracking_uri, Path(champion.path))
