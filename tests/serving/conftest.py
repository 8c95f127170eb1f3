"""A tiny checkpoint (random weights), its feature rows and example tables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from checkpoints import SUITE, example_tables, feature_tables, save_tiny_checkpoint

from feature_repo import retrieval
from polymart.config import Suite
from polymart.model.predictor import Predictor
from serving.packaging import BuiltBento, build_bento

# A test client speaks to the host `testserver`, which is no loopback address; tests of the guards take this back.
os.environ["POLYMART_ALLOW_OPEN"] = "true"


@pytest.fixture(scope="session")
def suite() -> Suite:
    return SUITE


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_tiny_checkpoint(folder, SUITE)
    return folder


@pytest.fixture(scope="session")
def predictor(checkpoint: Path) -> Predictor:
    return Predictor.load(checkpoint)


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for task, frame in example_tables().items():
        frame.to_parquet(folder / f"{task}.parquet", coerce_timestamps="us")
    return folder


@pytest.fixture(scope="session")
def feature_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables, store = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("feature_store")
    (tables / "features").mkdir()
    for name, table in feature_tables().items():
        table.to_parquet(tables / "features" / f"{name}.parquet", coerce_timestamps="us")
    retrieval.apply(tables, store)
    retrieval.materialize(store)
    return store


@pytest.fixture(scope="session")
def built(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuiltBento]:
    out = tmp_path_factory.mktemp("built") / "bento"
    return out, build_bento(checkpoint, out)
