"""The service in process: answers, refusals, and hostile bodies that must never cause a 5xx."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from checkpoints import SUITE, save_tiny_checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import service_client
from starlette.testclient import TestClient

from polymart.model.predictor import Predictor
from serving.contract import MAX_ID, MAX_TEXT
from serving.golden import answered_scores, difference
from serving.guard import MAX_BODY
from serving.service import PolymartService

VALID = {
    "recommend": {"household_id": 1, "top": 3},
    "ads": {"household_id": 1, "campaign_ids": [1, 2]},
    "demand": {"category_id": 1, "store_id": 31},
    "understand": {"text": "where is my refund"},
}


@pytest.fixture(scope="module")
def client(checkpoint: Path, feature_store: Path) -> Iterator[TestClient]:
    with service_client(checkpoint, feature_store) as client:
        yield client


@pytest.mark.parametrize("endpoint", VALID)
def test_every_answer_carries_checkpoint_and_prediction_id(
    client: TestClient, predictor: Predictor, endpoint: str
) -> None:
    first, second = (client.post(f"/{endpoint}", json=VALID[endpoint]).json() for _ in range(2))
    assert first["checkpoint"] == predictor.checkpoint.digest
    assert re.fullmatch("[0-9a-f]{32}", first["prediction_id"])
    assert first["prediction_id"] != second["prediction_id"]
    assert answered_scores(endpoint, first) == answered_scores(endpoint, second)


def test_recommend_returns_the_best_first(client: TestClient) -> None:
    items = client.post("/recommend", json=VALID["recommend"]).json()["items"]
    assert len(items) == 3
    assert [item["score"] for item in items] == sorted((item["score"] for item in items), reverse=True)


def test_ads_ranks_each_campaign_once_also_one_never_sent(client: TestClient) -> None:
    items = client.post("/ads", json={"household_id": 2, "campaign_ids": [3, 1, 3, 2]}).json()["items"]
    assert sorted(item["campaign_id"] for item in items) == [1, 2, 3]
    assert [item["score"] for item in items] == sorted((item["score"] for item in items), reverse=True)


def test_understand_answers_every_text_task_as_if_asked_alone(
    client: TestClient, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = client.post("/understand", json={"text": "  the milk was sour ", "top": 2}).json()["tasks"]
    assert set(tasks) == {"sentiment", "intent"}
    for task, answer in tasks.items():
        alone = predictor.answer(task, pd.DataFrame({"text": ["the milk was sour"]}))[0]
        assert len(answer["scores"]) == 2
        assert answer["label"] == alone["label"]
        assert difference(answer["scores"], alone["scores"]) < 1e-6


@pytest.mark.parametrize(("endpoint", "body", "named"), [
    ("recommend", {"household_id": 77}, "household_id 77"),
    ("recommend", {"household_id": MAX_ID}, f"household_id {MAX_ID}"),
    ("ads", {"household_id": 77, "campaign_ids": [1]}, "household_id 77"),
    ("ads", {"household_id": 1, "campaign_ids": [1, 55]}, "campaign_id 55"),
    ("demand", {"category_id": 1, "store_id": 99}, "category_id 1 with store_id 99"),
])  # fmt: skip
def test_an_unknown_entity_is_404_and_named(client: TestClient, endpoint: str, body: dict, named: str) -> None:
    response = client.post(f"/{endpoint}", json=body)
    assert response.status_code == 404
    assert response.json() == {
        "error": f"the feature store knows no {named}",
        "remedy": "use ids that occur in the shop's tables",
    }


@pytest.mark.parametrize(("endpoint", "body", "field"), [
    ("understand", {"text": ""}, "text"),
    ("understand", {"text": " \n\t "}, "text"),
    ("understand", {"text": "x" * (MAX_TEXT + 1)}, "text"),
    ("understand", {"text": 7}, "text"),
    ("understand", {"text": "tea", "top": 0}, "top"),
    ("understand", {"text": "tea", "top": 101}, "top"),
    ("understand", {"text": "tea", "lang": "en"}, "lang"),
    ("understand", {}, "text"),
    ("recommend", {"household_id": -1}, "household_id"),
    ("recommend", {"household_id": "1"}, "household_id"),
    ("recommend", {"household_id": 1.5}, "household_id"),
    ("recommend", {"household_id": True}, "household_id"),
    ("recommend", {"household_id": MAX_ID + 1}, "household_id"),
    ("ads", {"household_id": 1, "campaign_ids": []}, "campaign_ids"),
    ("ads", {"household_id": 1, "campaign_ids": [1] * 101}, "campaign_ids"),
    ("demand", {"category_id": 1}, "store_id"),
])  # fmt: skip
def test_a_body_outside_its_bounds_is_400_and_names_the_field(
    client: TestClient, endpoint: str, body: dict, field: str
) -> None:
    response = client.post(f"/{endpoint}", json=body)
    assert response.status_code == 400
    assert field in [item["loc"][0] for item in response.json()["detail"]]
    assert "Traceback" not in response.text


def test_the_longest_text_passes_even_when_escaped(client: TestClient) -> None:
    body = json.dumps({"text": "\U0001f95b" * MAX_TEXT}).encode()  # escaped: twelve bytes a character
    assert MAX_TEXT * 12 < len(body) < MAX_BODY
    assert client.post("/understand", content=body, headers={"content-type": "application/json"}).status_code == 200


@pytest.mark.parametrize(("content", "media_type", "status"), [
    (b"{", "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b'{"text": "\\ud800"}', "application/json", 400),
    (b"[" * 30_000, "application/json", 400),
    (b"null", "application/json; charset=utf-8", 400),
    (b"x" * (MAX_BODY + 1), "application/json", 413),
    (b"text=tea", "application/x-www-form-urlencoded", 415),
    (b"--x--", "multipart/form-data; boundary=x", 415),
    (b"\x80\x04.", "application/vnd.bentoml+pickle", 415),
    (b"ARROW1", "application/vnd.apache.arrow.stream", 415),
    (b"tea", "text/plain", 415),
])  # fmt: skip
def test_a_hostile_body_is_refused(client: TestClient, content: bytes, media_type: str, status: int) -> None:
    response = client.post("/understand", content=content, headers={"content-type": media_type})
    assert response.status_code == status
    assert response.json()["error"]


def test_a_body_without_a_length_is_bounded_too(client: TestClient) -> None:
    response = client.post(
        "/understand", content=iter([b"x" * 40_000] * 3), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4), max_leaves=12,
)  # fmt: skip
_fields = st.dictionaries(
    st.sampled_from(["text", "top", "household_id", "campaign_ids", "category_id", "store_id"]),
    _json | st.integers(0, 5) | st.lists(st.integers(0, 4), max_size=5),
    max_size=4,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(endpoint=st.sampled_from(sorted(VALID)), body=_fields | _json)
def test_no_json_causes_a_server_error(client: TestClient, endpoint: str, body: Any) -> None:
    response = client.post(f"/{endpoint}", content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 404)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=300))
def test_any_text_is_understood_or_refused(client: TestClient, text: str) -> None:
    response = client.post("/understand", json={"text": text})
    assert response.status_code in ((200,) if text.isalnum() else (200, 400))


def test_a_missing_store_is_503_and_texts_are_still_understood(checkpoint: Path, tmp_path: Path) -> None:
    for store in (tmp_path / "nowhere", None):
        with service_client(checkpoint, store) as client:
            ads = client.post("/ads", json=VALID["ads"]).json()
            assert ads["degraded"]
            assert [item["campaign_id"] for item in ads["items"]] == VALID["ads"]["campaign_ids"]
            assert client.post("/recommend", json=VALID["recommend"]).json()["degraded"]
            response = client.post("/demand", json=VALID["demand"])
            assert response.status_code == 503
            assert "feature store" in response.json()["error"]
            assert client.post("/understand", json=VALID["understand"]).status_code == 200
            assert client.get("/readyz").status_code == 200


def test_a_store_whose_online_database_vanished_is_503(checkpoint: Path, feature_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(feature_store, tmp_path / "store"))
    (store / "online.db").unlink()
    with service_client(checkpoint, store) as client:
        for _ in range(2):
            assert client.post("/demand", json=VALID["demand"]).status_code == 503


def test_a_task_that_the_release_lacks_is_404_and_names_those_present(
    feature_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept, asked in (
        (["demand"], ["recommend", "ads", "understand"]),
        (["sentiment"], ["recommend", "ads", "demand"]),
    ):
        suite = SUITE.model_copy(update={"tasks": [SUITE.task(name) for name in kept]})
        save_tiny_checkpoint(tmp_path / "checkpoint", suite)
        with service_client(tmp_path / "checkpoint", feature_store) as client:
            for endpoint in asked:
                response = client.post(f"/{endpoint}", json=VALID[endpoint])
                assert response.status_code == 404
                assert response.json()["remedy"] == f"this release has: {kept[0]}"


def test_the_openapi_document_has_bounds_and_examples() -> None:
    schemas = PolymartService.openapi_spec.asdict()["components"]["schemas"]
    text = next(schema for name, schema in schemas.items() if name.startswith("UnderstandRequest"))
    assert text["example"] == {"text": "Where is my refund?", "top": 3}
    assert text["properties"]["text"]["maxLength"] == MAX_TEXT


def test_free_text_never_reaches_the_server_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        client.post("/understand", json={"text": "my secret " + "x" * MAX_TEXT})
        client.post("/understand", json={"text": "my secret", "top": "seven"})
        client.post("/understand", json={"text": "my secret"})
    assert "validation error" in caplog.text
    assert "my secret" not in caplog.text


def test_answers_reach_the_prediction_log_when_the_service_stops(
    checkpoint: Path, feature_store: Path, tmp_path: Path
) -> None:
    environment = {"POLYMART_PREDICTION_LOG": str(tmp_path / "log"), "POLYMART_PSEUDONYM_KEY": "k" * 32}
    with service_client(checkpoint, feature_store, **environment) as client:
        answers = {endpoint: client.post(f"/{endpoint}", json=body).json() for endpoint, body in VALID.items()}
    rows = pd.concat(pd.read_parquet(path) for path in (tmp_path / "log").rglob("*.parquet"))
    assert sorted(rows["task"]) == [
        "coupon_response",
        "coupon_response",
        "demand",
        "intent",
        "next_category",
        "sentiment",
    ]
    assert set(rows["prediction_id"]) == {answer["prediction_id"] for answer in answers.values()}
    assert VALID["understand"]["text"] not in rows.to_csv()
