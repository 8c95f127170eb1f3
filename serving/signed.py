"""Whether a worker serves a release that a trusted key signed."""

from __future__ import annotations

import logging
import os

from polymart.config import Settings
from polymart.errors import ReleaseError
from polymart.release.manifest import manifest_from_json
from polymart.release.signing import require_signed, trusted_keys

MANIFEST = "POLYMART_RELEASE_MANIFEST"
"""Variable with the release's manifest as JSON; pods have it from an annotation that promotion writes."""
_log = logging.getLogger(__name__)


def require_signed_release(checkpoint: str) -> None:
    """Refuse to serve a checkpoint that is not that of a signed release, where POLYMART_RELEASE_KEYS asks for one.

    Args:
        checkpoint: digest of the loaded checkpoint.

    Raises:
        ReleaseError: there is no manifest, it was altered, none of the keys signed it, or it names another checkpoint.
        SettingError: the file of keys cannot be read.
    """
    keys, text = trusted_keys(Settings()), os.environ.get(MANIFEST, "")
    if keys is None:
        _log.warning("POLYMART_RELEASE_KEYS is not set: nobody checks who signed this release")
    elif not text:
        raise ReleaseError(
            f"POLYMART_RELEASE_KEYS asks for a signed release, but {MANIFEST} is empty",
            remedy="start it with `polymart serve`, or deploy a promoted release, whose pods carry their manifest",
        )
    if text:
        manifest = manifest_from_json(text, origin=MANIFEST)
        require_signed(manifest, keys)
        if manifest.checkpoint_digest != checkpoint:
            raise ReleaseError(
                f"release {manifest.release} has checkpoint {manifest.checkpoint_digest}, found {checkpoint}",
                remedy="deploy the bento that the release names",
            )
