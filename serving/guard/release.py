"""Whether a worker serves what was released."""

from __future__ import annotations

import os

from polymart.errors import ReleaseError

EXPECTED = "POLYMART_CHECKPOINT_DIGEST"


def verify_release(found: str) -> None:
    """Compare the digest of the loaded checkpoint with the release's, which ``POLYMART_CHECKPOINT_DIGEST`` names.

    Raises:
        ReleaseError: they differ.
    """
    expected = os.environ.get(EXPECTED, "")
    if expected and found != expected:
        raise ReleaseError(
            f"the release has checkpoint {expected}, found {found}", remedy="deploy the bento that the release names"
        )
