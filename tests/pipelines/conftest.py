"""A running stand-in of Kubeflow Pipelines, and a small pipeline compiled by kfp.

No future annotations here: kfp reads a component's types from its signature.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kfp import compiler, dsl
from stand_ins.kfp_server import KfpServer

from pipelines.client import Order, Server
from polymart.config import Cluster


@dsl.component(base_image="polymart/test-python:0", install_kfp_package=False)
def double(rows: int) -> int:
    return 2 * rows


@dsl.pipeline(name="tiny")
def tiny(rows: int = 1, data_version: str = "") -> int:
    return double(rows=rows).set_cpu_limit("2").set_memory_limit("4Gi").output


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "tiny.yaml"
    compiler.Compiler().compile(tiny, str(path))
    return path


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("server", "submission"):
        monkeypatch.setattr(f"pipelines.client.{module}.PAUSE_S", 0.01)


@pytest.fixture
def server() -> Iterator[KfpServer]:
    """Whoever makes it complain says so by emptying ``complaints``."""
    with KfpServer() as running:
        yield running
        assert running.complaints == []


@pytest.fixture
def client(server: KfpServer) -> Server:
    return Server(Cluster(), host=server.host)


@pytest.fixture
def order(package: Path) -> Callable[..., Order]:
    """An order of the training pipeline; arguments by name."""

    def order(**arguments: object) -> Order:
        told = {"data_version": "sha256:0", **arguments}
        return Order("training", "shop", package, "shop", {k: v for k, v in told.items() if v is not None})

    return order
