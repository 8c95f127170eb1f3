"""A release in which tasks have layers of their own: each reads texts through its own, from training to the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from served import service_client
from shelf import fill_shelf, products, save_shelf_checkpoint, shelf_examples, shelf_suite

from polymart.config import Suite
from polymart.model.encoder import TextEncoder
from polymart.model.predictor import Predictor
from serving.encoding import packaged as packaged_module
from serving.encoding.packaged import encoder_folder, package_encoder
from serving.encoding.runtimes import SETTING, runtime_name
from serving.golden import Golden, answered_scores, difference, golden_requests
from serving.precision import golden_of_runtime
from serving.probe import TOLERANCE
from serving.startup import open_features

OWN = {"search_relevance": 2, "sentiment": 1}


@pytest.fixture(scope="module")
def suite() -> Suite:
    shared = shelf_suite()
    tasks = [task.model_copy(update={"own_layers": OWN.get(task.name, 0)}) for task in shared.tasks]
    encoder = shared.encoder.model_copy(update={"trainable_layers": 2})
    return shared.model_copy(update={"tasks": tasks, "encoder": encoder})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, suite: Suite) -> Path:
    """checkpoint, its packaged encoder and catalogue, examples and a materialised store."""
    folder = tmp_path_factory.mktemp("own")
    fill_shelf(folder)
    predictor = save_shelf_checkpoint(folder / "checkpoint", suite)
    package_encoder(predictor, encoder_folder(folder / "checkpoint"))
    return folder


def answers_as(folder: Path, golden: list[Golden]) -> None:
    with service_client(folder / "checkpoint", folder / "store") as client:
        for one in golden:
            found = answered_scores(one.endpoint, client.post(f"/{one.endpoint}", json=one.body).json())
            for task, expected in one.expected.items():
                assert difference(found[task], expected, exhaustive=one.exhaustive) <= TOLERANCE, task


@pytest.mark.parametrize("runtime", ["openvino-float32", "torch-float32"])
def test_the_service_answers_as_the_trainer_does(
    folder: Path, suite: Suite, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, runtime)
    predictor, features = Predictor.load(folder / "checkpoint"), open_features(str(folder / "store"))
    trained = golden_requests(predictor, features, folder / "examples", 12)
    golden, precision = golden_of_runtime(predictor, folder / "checkpoint", features, folder / "examples", 12)
    assert precision["runtime"] == runtime
    assert precision["difference"] < 1e-3
    assert precision["overlap"] > 0.99
    assert {task for one in golden for task in one.expected} == {task.name for task in suite.tasks}
    answers_as(folder, golden)
    # through the shared layers they would have answered otherwise
    plain = Predictor.load(folder / "checkpoint")
    for task in OWN:
        plain.model.use_encoder(plain.model.encoder, task)
    moved = golden_requests(plain, features, folder / "examples", 12)
    for task in OWN:
        pairs = [(a, b) for a, b in zip(trained, moved, strict=True) if task in a.expected]
        assert pairs
        assert max(difference(b.expected[task], a.expected[task]) for a, b in pairs) > 0.01, task


def test_products_are_searched_by_vectors_of_the_tasks_own_layers(folder: Path) -> None:
    predictor = Predictor.load(folder / "checkpoint")
    texts = products()["text"].unique()
    rows = shelf_examples()["search_relevance"].iloc[[0] * len(texts)].assign(product_text=texts)
    scores = dict(zip(texts, predictor.scores("search_relevance", rows)[:, 0], strict=True))
    with service_client(folder / "checkpoint", folder / "store") as client:
        found = client.post("/search", json={"query": rows["query"].iloc[0], "top": 10}).json()["products"]
    assert [product["text"] for product in found] == sorted(texts, key=scores.__getitem__, reverse=True)[:10]
    np.testing.assert_allclose([p["score"] for p in found], [scores[p["text"]] for p in found], atol=1e-3)


def test_one_trunk_that_cannot_be_converted_leaves_all_to_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, save = Predictor.load(folder / "checkpoint"), packaged_module.save_trunk

    def all_but_one(encoder: TextEncoder, out: Path, task: str | None = None) -> bool:
        return task != "sentiment" and save(encoder, out, task)

    monkeypatch.setattr(packaged_module, "save_trunk", all_but_one)
    package_encoder(predictor, tmp_path / "encoder")
    assert not list((tmp_path / "encoder").glob("trunk*"))
    assert runtime_name(tmp_path / "encoder").startswith("torch")
