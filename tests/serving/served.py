"""The service in process, behind its real middlewares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from starlette.testclient import TestClient

from serving.service import PolymartService


@contextmanager
def service_client(checkpoint: Path, store: Path | None, **environment: str) -> Iterator[TestClient]:
    """A client of a fresh service that answers from ``checkpoint`` and ``store``."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("POLYMART_CHECKPOINT", str(checkpoint))
        monkeypatch.setenv("POLYMART_FEATURE_STORE", "" if store is None else str(store))
        monkeypatch.delenv("POLYMART_PREDICTION_LOG", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        PolymartService.inject_config()
        # As `PolymartService.to_asgi()`, without the metrics middleware, of which a process can hold only one.
        app = ServiceAppFactory(PolymartService, is_main=True, enable_metrics=False)()
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client
