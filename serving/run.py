"""Serve a bento folder in the foreground, for `polymart serve`."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from polymart.errors import ReleaseError
from serving.packaging import BENTO_YAML
from serving.server import serve_command, serve_environment, stop


def serve_bento(bento: Path, feature_store: Path, *, host: str = "127.0.0.1", port: int = 3000) -> int:
    """Serve until Ctrl-C or SIGTERM; then let running requests end and return the server's exit status (0 = clean).

    Args:
        bento: folder written by `serving.packaging.build_bento`.
        feature_store: materialised feature store.
        host: numeric address to listen on.
        port: TCP port, 1..65535.

    Raises:
        ReleaseError: ``bento`` is no bento folder.
    """
    if not (bento / BENTO_YAML).is_file():
        raise ReleaseError(
            f"{bento} is no bento: {BENTO_YAML} is absent", remedy="run the training pipeline, which packages one"
        )
    # A group of its own: Ctrl-C reaches only this process, which then stops the server once and in order.
    process = subprocess.Popen(
        serve_command(bento, host, port), env=serve_environment(feature_store), start_new_session=True
    )
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop(process)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
