"""Serve a bento folder in the foreground, for `polymart serve`."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from polymart.errors import ReleaseError
from polymart.release.manifest import ReleaseManifest
from serving.guard.settings import guard_settings
from serving.packaging import BENTO_YAML, bento_digest
from serving.server import GRACE_S, serve_command, serve_environment, stop
from serving.signed import MANIFEST


def serve_bento(
    bento: Path,
    feature_store: Path,
    release: ReleaseManifest | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 3000,
) -> int:
    """Serve until Ctrl-C or SIGTERM; then let running requests end and return the server's exit status (0 = clean).

    Args:
        bento: folder written by `serving.packaging.build_bento`.
        feature_store: materialised feature store.
        release: the release whose bento this is to be; the worker verifies it, too.
        host: numeric address to listen on.
        port: TCP port, 1..65535.

    Raises:
        ReleaseError: ``bento`` is no bento folder, or another one than was released.
        SettingError: a setting of the guards is wrong.
    """
    guards = guard_settings()  # before the worker reads them, whose message would be one among many in its log
    if not (bento / BENTO_YAML).is_file():
        raise ReleaseError(
            f"{bento} is no bento: {BENTO_YAML} is absent", remedy="run the training pipeline, which packages one"
        )
    environment = serve_environment(feature_store)
    if release is not None:
        if (found := bento_digest(bento)) != release.bento_digest:
            raise ReleaseError(
                f"the release has a bento with digest {release.bento_digest}, found {found} in {bento}",
                remedy="restore the folder, or run the training pipeline again, which packages and releases one",
            )
        environment[MANIFEST] = release.model_dump_json()
    # A group of its own: Ctrl-C reaches only this process, which then stops the server once and in order.
    process = subprocess.Popen(serve_command(bento, host, port), env=environment, start_new_session=True)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop(process, GRACE_S + guards.drain_s + guards.timeout_s)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
