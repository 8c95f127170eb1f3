"""``/fraud``, ``/demand``, ``/picture`` and ``/household``: equal to the trainer's code, and deaf to hostile bodies."""

from __future__ import annotations

import json
import math
import re
import struct
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from served import service_client
from starlette.testclient import TestClient
from till import SHOP, TASKS, png, save_till, till_examples, till_suite, write_store

from polymart.model.image import ImageTower
from polymart.model.predictor import Predictor
from polymart.tasks.inventory import Demand, Stock, suggest_order
from serving.contract import MAX_PICTURE, FraudRequest
from serving.features import OnlineFeatures
from serving.golden import Golden, answered_scores, difference, golden_requests, unserved_tasks
from serving.golden.requests import ENDPOINTS
from serving.service import PolymartService

PAYMENT = FraudRequest.model_config["json_schema_extra"]["example"]
SERIES = {"category_id": 1, "store_id": 31}


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("till")
    save_till(folder / "checkpoint", till_suite(), folder / "backbone")
    write_store(folder / "tables", folder / "store")
    (folder / "examples").mkdir()
    for task, frame in till_examples().items():
        frame.to_parquet(folder / "examples" / f"{task}.parquet", coerce_timestamps="us")
    return folder


@pytest.fixture(scope="module")
def client(till: Path) -> Iterator[TestClient]:
    with service_client(till / "checkpoint", till / "store") as client:
        yield client


@pytest.fixture(scope="module")
def golden(till: Path) -> list[Golden]:
    predictor = Predictor.load(till / "checkpoint")
    assert unserved_tasks(predictor) == []
    return golden_requests(predictor, OnlineFeatures(till / "store"), till / "examples", 3 * len(TASKS))


def test_every_head_answers_as_the_trainer_does(client: TestClient, golden: list[Golden]) -> None:
    assert {task for one in golden for task in one.expected} == set(TASKS)
    for one in golden:
        answer = client.post(f"/{one.endpoint}", json=one.body)
        assert answer.status_code == 200, answer.text
        for task, expected in one.expected.items():
            assert difference(answered_scores(one.endpoint, answer.json())[task], expected) < 1e-5, one


def test_no_task_of_the_shop_stays_unprobed() -> None:
    assert [task.name for task in SHOP.tasks if not any(one.serves(task) for one in ENDPOINTS.values())] == []


def test_golden_payments_are_told_apart(golden: list[Golden]) -> None:
    payments = [one for one in golden if one.endpoint == "fraud"]
    assert [one.body["card_expires"] for one in payments] == ["08/24", "07/19", "07/30"]
    assert len({one.expected["fraud"]["score"] for one in payments}) == 3


def test_every_example_of_the_openapi_page_is_accepted(client: TestClient) -> None:
    schemas = PolymartService.openapi_spec.asdict()["components"]["schemas"]
    examples = {name.partition("Request")[0].lower(): schema["example"] for name, schema in schemas.items()
                if "Request" in name and "example" in schema}  # fmt: skip
    assert {"fraud", "demand", "picture", "household"} <= examples.keys()
    for endpoint in ("fraud", "picture"):
        assert client.post(f"/{endpoint}", json=examples[endpoint]).status_code == 200
    for endpoint in ("demand", "household"):  # its ids are those of the real shop
        assert client.post(f"/{endpoint}", json=examples[endpoint]).status_code == 404


@pytest.mark.parametrize(("change", "named"), [
    ({"at": "2019-07-03T14:05:00+02:00"}, "at"),
    ({"at": 1562162700}, "at"),
    ({"at": "yesterday"}, "at"),
    ({"at": "1677-01-01"}, "at"),
    ({"amount": 0}, "amount"),
    ({"amount": "24900"}, "amount"),
    ({"amount": 1e13}, "amount"),
    ({"card_expires": "13/24"}, "card_expires"),
    ({"card_payments_before": -1}, "card_payments_before"),
    ({"currency": "x" * 41}, "currency"),
    ({"customer_present": "yes"}, "customer_present"),
    ({"card_number": "4111111111111111"}, "card_number"),
    ({"card_last_payment_at": "2019-07-03T14:05:01"}, "must not lie after"),
    ({"card_payments_before": 0}, "without earlier payments"),
])  # fmt: skip
def test_a_payment_outside_its_bounds_is_400_and_never_echoed(
    client: TestClient, change: dict[str, Any], named: str
) -> None:
    response = client.post("/fraud", json=PAYMENT | change)
    assert response.status_code == 400
    assert named in response.text
    assert "yesterday" not in response.text
    assert "4111" not in response.text


def test_infinities_are_refused(client: TestClient) -> None:
    for number in ("NaN", "Infinity"):
        body = json.dumps(PAYMENT).replace("24900", number)
        response = client.post("/fraud", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400


def test_a_week_is_the_horizon_unless_more_are_asked(client: TestClient) -> None:
    one, four = (client.post("/demand", json=SERIES | weeks).json() for weeks in ({}, {"weeks": 4}))
    (median, upper), (total_median, total_upper) = one["quantiles"].values(), four["total"].values()
    assert (one["weeks"], one["total"], one["order"]) == (1, one["quantiles"], None)
    assert four["quantiles"] == one["quantiles"]
    assert total_median == pytest.approx(4 * median)
    assert total_upper == pytest.approx(4 * median + 2 * (upper - median))


def test_an_order_follows_from_the_forecast_and_the_stock(client: TestClient) -> None:
    stock = {"on_hand": 3.0, "on_order": 1.0, "lead_time_days": 3, "review_days": 7}
    answer = client.post("/demand", json=SERIES | {"stock": stock}).json()
    median, upper = answer["quantiles"].values()
    assert answer["order"] == pytest.approx(
        suggest_order(Demand(median=median, upper=upper), Stock(**stock)).model_dump()
    )
    assert answer["order"]["quantity"] == math.ceil(answer["order"]["order_up_to"] - 4) > 0


@pytest.mark.parametrize("body", [{"weeks": 0}, {"weeks": 9}, {"stock": {"on_hand": -1}}, {"stock": {"lead_time": 2}}])
def test_a_horizon_or_stock_outside_its_bounds_is_400(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/demand", json=SERIES | body).status_code == 400


def test_a_household_is_judged_by_every_head_and_only_asked_categories(client: TestClient) -> None:
    bare = client.post("/household", json={"household_id": 2}).json()
    asked = client.post("/household", json={"household_id": 2, "category_ids": [3, 1, 3, 0]}).json()
    assert (bare["churn"], bare["next_action"]) == (asked["churn"], asked["next_action"])
    assert bare["repurchase_7d"] == []
    assert sorted(item["category_id"] for item in asked["repurchase_7d"]) == [0, 1, 3]
    scores = [item["score"] for item in asked["repurchase_7d"]]
    assert scores == sorted(scores, reverse=True)
    for body in ({"household_id": 77}, {"household_id": 2, "category_ids": [1, 55]}):
        assert client.post("/household", json=body).status_code == 404


def test_a_release_answers_with_the_heads_it_has(till: Path, tmp_path: Path) -> None:
    save_till(tmp_path / "checkpoint", till_suite("churn"), tmp_path)
    with service_client(tmp_path / "checkpoint", till / "store") as client:
        answer = client.post("/household", json={"household_id": 2, "category_ids": [1]}).json()
        assert answer["churn"] is not None
        assert answer["next_action"] is answer["repurchase_7d"] is None
        bodies = {"fraud": PAYMENT, "picture": {"image": b64encode(png()).decode()}, "demand": SERIES}
        for endpoint, body in bodies.items():
            response = client.post(f"/{endpoint}", json=body)
            assert (response.status_code, response.json()["remedy"]) == (404, "this release has: churn")


def test_a_picture_is_seen_once_whatever_way_it_came(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, forward = [], ImageTower.forward
    monkeypatch.setattr(ImageTower, "forward", lambda self, image: passes.append(1) or forward(self, image))
    jpeg = BytesIO()
    Image.new("RGB", (60, 40), (30, 70, 220)).save(jpeg, "JPEG")
    for content, media_type in ((png(), "image/png"), (jpeg.getvalue(), "image/jpeg")):
        raw = client.post("/picture", content=content, headers={"content-type": media_type}).json()
        wrapped = client.post("/picture", json={"image": b64encode(content).decode()}).json()
        assert set(raw["tasks"]) == {"image_category", "image_attributes"}
        assert raw["tasks"] == wrapped["tasks"]
    assert len(passes) == 4


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _bomb(side: int) -> bytes:
    """A PNG of ``side`` x ``side`` black pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _many_scans() -> bytes:
    jpeg = BytesIO()
    Image.new("RGB", (64, 64)).save(jpeg, "JPEG", progressive=True)
    content = jpeg.getvalue()
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * 500 + content[-2:]


def _gif() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize(("content", "named"), [
    (b"", "image"),
    (b"no picture", "PNG or JPEG"),
    (png()[:60], "PNG or JPEG"),
    (_bomb(4_000), "4000 x 4000 pixels"),
    (_bomb(30_000), "PNG or JPEG"),
    (_bomb(2**31 - 1), "pixels"),
    (_many_scans(), "scans"),
    (_gif(), "PNG or JPEG"),
], ids=["empty", "text", "torn", "small bomb", "bomb", "largest bomb", "scans", "gif"])  # fmt: skip
def test_what_is_no_picture_is_400_at_once(client: TestClient, content: bytes, named: str) -> None:
    for request in (
        {"json": {"image": b64encode(content).decode()}},
        {"content": content, "headers": {"content-type": "image/png"}},
    ):
        started = time.process_time()
        response = client.post("/picture", **request)
        assert time.process_time() - started < 2
        assert response.status_code == 400
        assert named in response.text
        assert "0x" not in response.text, "an address in memory"


@pytest.mark.parametrize("image", ["%%%%", "aGVsbG8", "data:image/png;base64,iVBO", "iVBO\nRw0K", "ï"])
def test_what_is_no_base64_is_400(client: TestClient, image: str) -> None:
    response = client.post("/picture", json={"image": image})
    assert response.status_code == 400
    assert "base64" in response.json()["error"]


def test_a_picture_of_too_many_bytes_is_refused(client: TestClient) -> None:
    content = png() + bytes(MAX_PICTURE)
    assert client.post("/picture", content=content, headers={"content-type": "image/png"}).status_code == 413
    assert client.post("/picture", json={"image": b64encode(content).decode()}).status_code in (400, 413)


_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=3)
)
_fields = ["image", "top", "household_id", "category_ids", "category_id", "store_id", "weeks", "stock"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    endpoint=st.sampled_from(["fraud", "demand", "picture", "household"]),
    body=st.dictionaries(st.sampled_from([*PAYMENT, *_fields]), _values, max_size=4),
    whole=st.booleans(),
)
def test_no_body_causes_a_server_error(client: TestClient, endpoint: str, body: dict[str, Any], whole: bool) -> None:
    content = json.dumps(PAYMENT | body if whole and endpoint == "fraud" else body)
    response = client.post(f"/{endpoint}", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 404)


def test_the_service_shows_its_pages_and_what_they_load(client: TestClient) -> None:
    console, docs = client.get("/"), client.get("/docs")
    assert "Polymart console" in console.text
    assert "script-src 'sha256-" in console.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="\./([\w./-]+)"', docs.text)
    assert len(loaded) == 4
    for path in [*loaded, "docs.json"]:
        assert client.get(f"/{path}").status_code == 200, path
