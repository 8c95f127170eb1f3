"""`/recommend` and `/search` of a release with products, in process and with a real online store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from served import service_client
from shelf import NUM_PRODUCTS, fill_shelf, household_products, save_shelf_checkpoint, shelf_suite
from starlette.testclient import TestClient

from polymart.model.predictor import Predictor
from serving.golden import answered_scores, difference, golden_requests, unserved_tasks
from serving.probe import TOLERANCE
from serving.startup import open_features


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """checkpoint, catalogue, examples and a materialised store."""
    folder = tmp_path_factory.mktemp("shelf")
    fill_shelf(folder)
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return save_shelf_checkpoint(folder / "checkpoint", shelf_suite())


@pytest.fixture(scope="module")
def client(folder: Path, predictor: Predictor) -> Iterator[TestClient]:
    with service_client(folder / "checkpoint", folder / "store") as client:
        yield client


def test_every_task_is_served_and_answers_as_the_trainer_does(
    client: TestClient, folder: Path, predictor: Predictor
) -> None:
    assert unserved_tasks(predictor) == []
    golden = golden_requests(predictor, open_features(str(folder / "store")), folder / "examples", 12)
    assert {task for one in golden for task in one.expected} == {task.name for task in shelf_suite().tasks}
    for one in golden:
        found = answered_scores(one.endpoint, client.post(f"/{one.endpoint}", json=one.body).json())
        for task, expected in one.expected.items():
            assert difference(found[task], expected, exhaustive=one.exhaustive) <= TOLERANCE, task


def test_a_search_needs_the_products_of_the_release(folder: Path, tmp_path: Path) -> None:
    predictor = save_shelf_checkpoint(tmp_path / "checkpoint", shelf_suite("search_relevance", "sentiment"))
    assert unserved_tasks(predictor) == ["search_relevance"]
    with service_client(tmp_path / "checkpoint", folder / "store") as client:
        response = client.post("/search", json={"query": "milk"})
    assert response.status_code == 404
    assert response.json()["remedy"] == "this release has: sentiment, search_relevance"


def test_a_household_is_recommended_categories_and_products_by_its_rules(client: TestClient) -> None:
    body = {"household_id": 7, "top": 9, "only": ["Grocery"], "without": ["tea"], "bought": "drop", "diversity": 0.4}
    answer = client.post("/recommend", json=body).json()
    assert not answer["degraded"]
    assert len(answer["items"]) == 6
    assert len(answer["products"]) == 9
    assert {product["category"] for product in answer["products"]} == {"milk", "soup"}
    assert not any(product["bought"] for product in answer["products"])
    every = client.post("/recommend", json={"household_id": 7, "top": NUM_PRODUCTS}).json()["products"]
    bought = household_products().set_index("household_id").product_ids[7] * 10 + 5
    assert {product["item_id"] for product in every if product["bought"]} == set(bought)


@pytest.mark.parametrize(("endpoint", "body", "status", "named"), [
    ("recommend", {"household_id": 7, "only": ["toys"]}, 404, "no department or category is called 'toys'"),
    ("recommend", {"household_id": 77}, 404, "household_id 77"),
    ("recommend", {"household_id": 7, "only": [""]}, 400, "only"),
    ("recommend", {"household_id": 7, "without": ["tea"] * 101}, 400, "without"),
    ("recommend", {"household_id": 7, "diversity": 1.1}, 400, "diversity"),
    ("recommend", {"household_id": 7, "bought": "sell"}, 400, "bought"),
    ("search", {"query": "  "}, 400, "query"),
    ("search", {"query": "tea", "top": 0}, 400, "top"),
    ("search", {"query": "tea", "household_id": 7}, 400, "household_id"),
])  # fmt: skip
def test_what_cannot_be_asked_is_refused(
    client: TestClient, endpoint: str, body: dict, status: int, named: str
) -> None:
    response = client.post(f"/{endpoint}", json=body)
    assert response.status_code == status
    assert named in response.text


def test_without_the_online_store_everyone_gets_what_is_likely_for_a_stranger(
    folder: Path, predictor: Predictor
) -> None:
    with service_client(folder / "checkpoint", folder / "nowhere") as client:
        first, other = (client.post("/recommend", json={"household_id": h, "top": 20}).json() for h in (1, 12345))
        none = client.post("/recommend", json={"household_id": 1, "only": ["deli"], "without": ["deli"]}).json()
    assert none["products"] == []
    assert first["degraded"]
    assert first["products"] == other["products"]
    assert first["items"] == other["items"]
    unknown = pd.DataFrame([dict.fromkeys(predictor.columns("next_product"))])
    ranked, shares = predictor.top_items("next_product", unknown, 20)
    assert [product["item_id"] for product in first["products"]] == (ranked[0] * 10 + 5).tolist()
    assert [product["score"] for product in first["products"]] == pytest.approx(shares[0], rel=1e-3)
    assert not any(product["bought"] for product in first["products"])
    assert [item["score"] for item in first["items"]] == sorted((i["score"] for i in first["items"]), reverse=True)
