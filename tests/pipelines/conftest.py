"""A running stand-in of Kubeflow Pipelines, and a small pipeline compiled by kfp.

No future annotations here: kfp reads a component's types from its signature.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl

STAND_IN = Path(__file__).parents[1] / "stand_ins/kfp_server.py"


@dsl.component(base_image="polymart/test-python:0", install_kfp_package=False)
def double(rows: int) -> int:
    return 2 * rows


@dsl.pipeline(name="tiny")
def tiny(rows: int = 1) -> int:
    return double(rows=rows).output


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "tiny.yaml"
    compiler.Compiler().compile(tiny, str(path))
    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))  # not the user's own
    spec = importlib.util.spec_from_file_location("kfp_server", STAND_IN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.KfpServer() as running:
        yield running
