"""One server of each kind for all tests of a process; a database of its own where a test wants a fresh one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    with servers.postgres() as port:
        yield port


@pytest.fixture(scope="session")
def redis() -> Iterator[int]:
    with servers.redis() as port:
        yield port


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with servers.s3() as address:
        yield address


@pytest.fixture(scope="session")
def mlflow_server(postgres: int, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    servers.new_database(postgres, "mlflow")
    folder = tmp_path_factory.mktemp("mlflow-server")
    with servers.mlflow_server(servers.postgres_address(postgres, "mlflow"), s3, folder) as address:
        yield address
