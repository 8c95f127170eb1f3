"""Look up a run that was submitted earlier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.client import Submission, _connect, _told

if TYPE_CHECKING:
    from kfp import Client


def find_run(run_name: str, *, host: str, token_file: Path | None = None, run_id: str = "") -> Submission | None:
    """The newest run called ``run_name``, or the very run ``run_id``; None where the server knows no such run.

    Raises:
        SettingError: ``host`` is missing, unreachable or refuses the token.
        PolymartError: the server failed.
    """
    client = _connect(host, token_file)
    with _told(host):
        run = _by_id(client, run_id) if run_id else _by_name(client, run_name)
    if run is None:
        return None
    words = run.error.message if run.error and run.error.message else ""
    return Submission(
        run.run_id, run_name, f"{host.rstrip('/')}/#/runs/details/{run.run_id}", run.state or "PENDING", words
    )


def _by_id(client: Client, run_id: str) -> Any:
    from kfp_server_api import ApiException

    try:
        return client.get_run(run_id)
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def _by_name(client: Client, run_name: str) -> Any:
    named = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": run_name}]}
    found = client.list_runs(page_size=1, sort_by="created_at desc", filter=json.dumps(named)).runs
    return found[0] if found else None
