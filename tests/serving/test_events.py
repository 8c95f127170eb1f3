"""A basket told to the service changes the household's next answer: with the real store, as a batch would change it."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import checkpoints
import numpy as np
import pandas as pd
import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ holds fixtures/, shared by several test folders

from fixtures.shop import CATEGORIES, make_shop

from feature_repo.online import online_features
from feature_repo.retrieval import apply, materialize
from polymart.data.shop_tables import write_shop
from polymart.data.tables import Rules
from serving.contract import MAX_ID, BasketLine, EventRequest
from serving.events.taking import Events
from serving.service import PolymartService

TOLD, OTHER = 3, 4
"""The household whose newest baskets are told to the service, and one of which nothing is heard."""
SERVICES = ("next_category", "next_product", "next_action", "household_event")
Stores = tuple[Path, Path, pd.DataFrame]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """A store without the household's two newest baskets, one with them, and the lines of these baskets."""
    folder = tmp_path_factory.mktemp("events")
    source = make_shop(folder / "raw")["completejourney"]
    log = pd.read_parquet(source / "transactions.parquet")
    log = log[log.household_id <= 12]
    newest = log[log.household_id == TOLD].sort_values("transaction_timestamp").basket_id.unique()[-2:]
    made = []
    for name, lines in (("late", log[~log.basket_id.isin(newest)]), ("whole", log)):
        lines.to_parquet(source / "transactions.parquet", index=False)
        write_shop(source, folder / name / "tables", Rules(), {"next_category", "next_product", "next_action"})
        apply(folder / name / "tables", folder / name / "store")
        materialize(folder / name / "store")
        made.append(folder / name / "store")
    return made[0], made[1], log[log.basket_id.isin(newest)]


@pytest.fixture
def late(stores: Stores, tmp_path: Path) -> Path:
    """A store of its own for each test."""
    return Path(shutil.copytree(stores[0], tmp_path / "store"))


@pytest.fixture(scope="module")
def shop_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that knows the categories of the shop."""
    folder = tmp_path_factory.mktemp("checkpoint") / "shop"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(checkpoints.LABELS, "next_category", [f"category {i}" for i in range(len(CATEGORIES))])
        checkpoints.save_tiny_checkpoint(folder, checkpoints.SUITE)
    return folder


@pytest.fixture
def client(late: Path, shop_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("POLYMART_CHECKPOINT", str(shop_checkpoint))
    monkeypatch.setenv("POLYMART_FEATURE_STORE", str(late))
    monkeypatch.delenv("POLYMART_PREDICTION_LOG", raising=False)
    PolymartService.inject_config()
    # As `PolymartService.to_asgi()`, without the metrics middleware, of which a process can hold only one.
    app = ServiceAppFactory(PolymartService, is_main=True, enable_metrics=False)()
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def told(lines: pd.DataFrame) -> list[dict[str, Any]]:
    """The baskets of raw lines as requests, in the order of time."""
    return [
        {
            "event_id": str(basket_id),
            "household_id": int(basket.household_id.iloc[0]),
            "at": f"{basket.transaction_timestamp.iloc[0]:%Y-%m-%dT%H:%M:%SZ}",
            "items": [
                {
                    "product_id": line.product_id,
                    "quantity": line.quantity,
                    "value": line.sales_value,
                    "coupon": line.coupon_disc > 0,
                }
                for line in basket.itertuples()
            ],
        }
        for (_, basket_id), basket in lines.groupby(["transaction_timestamp", "basket_id"])
    ]


def read(store: Path, household_id: int, service: str) -> dict[str, Any]:
    row = online_features(store, service, [{"household_id": household_id}])[0]
    assert row is not None
    return row


def recommended(client: TestClient, household_id: int) -> dict[str, float]:
    answer = client.post("/recommend", json={"household_id": household_id, "top": len(CATEGORIES)})
    assert answer.status_code == 200, answer.text
    return {item["label"]: item["score"] for item in answer.json()["items"]}


def test_a_told_basket_changes_the_next_answer_as_a_batch_would(
    client: TestClient, late: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole, lines = stores
    before, untouched = recommended(client, TOLD), recommended(client, OTHER)
    for event in told(lines):
        answer = client.post("/events", json=event)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "event_id": event["event_id"], "household_id": TOLD, "outcome": "applied", "newest": event["at"],
        }  # fmt: skip
    for service in SERVICES:
        assert_same(read(late, TOLD, service), read(whole, TOLD, service))
    after = recommended(client, TOLD)
    assert recommended(client, OTHER) == untouched
    shutil.copytree(whole, late, dirs_exist_ok=True)  # what batch features and materialize give
    assert recommended(client, TOLD) == pytest.approx(after, rel=1e-4)
    assert max(abs(after[name] - before[name]) for name in before) > 1e-3


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal up to what float32 holds, missing values included."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, float) or (isinstance(value, list) and not isinstance(value[0], str)):
            np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)
        else:
            assert found[name] == value, name


def test_a_basket_counts_once_and_an_older_one_not_at_all(client: TestClient, late: Path, stores: Stores) -> None:
    first, second = told(stores[2])
    counted = REGISTRY.get_sample_value("polymart_events_total", {"outcome": "older"}) or 0

    def outcome(event: dict[str, Any]) -> str:
        return str(client.post("/events", json=event).json()["outcome"])

    assert [outcome(second), outcome(second)] == ["applied", "duplicate"]
    state = read(late, TOLD, "household_event")
    assert [outcome(first), outcome(second)] == ["older", "duplicate"]
    assert outcome(second | {"event_id": "no-product-counts", "items": [{"product_id": 9000, "value": 1}]}) == "empty"
    assert read(late, TOLD, "household_event") == state
    assert REGISTRY.get_sample_value("polymart_events_total", {"outcome": "older"}) == counted + 1
    assert outcome(second | {"event_id": "the-same-second"}) == "applied"
    assert len(read(late, TOLD, "household_event")["basket_times"]) == len(state["basket_times"]) + 1


def test_lines_are_cleaned_as_the_batch_code_cleans_them(client: TestClient, late: Path) -> None:
    line = {"product_id": 1000, "quantity": 90, "value": 2.5, "coupon": True}
    fuel, unknown = ({"product_id": number, "value": 9} for number in (9000, 424242))
    event = {"event_id": "1", "household_id": 10**6, "at": "2018-01-05T12:00:00.9Z"}
    answer = client.post("/events", json=event | {"items": [line, line, fuel, unknown]}).json()
    assert (answer["outcome"], answer["newest"]) == ("applied", "2018-01-05T12:00:00Z")
    state = read(late, 10**6, "household_event")
    assert (state["num_lines"], state["num_units"], state["value_cents"], state["num_coupon_lines"]) == (1, 50, 250, 1)
    assert recommended(client, 10**6), "a household that nobody knew has answers now"


def test_baskets_told_at_once_are_all_counted(client: TestClient, late: Path) -> None:
    event = {"household_id": 77_000, "at": "2018-01-05T12:00:00Z", "items": [{"product_id": 1000, "value": 1}]}
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda n: client.post("/events", json=event | {"event_id": f"e{n % 6}"}).json(), range(12))
    assert sorted(answer["outcome"] for answer in answers) == ["applied"] * 6 + ["duplicate"] * 6
    state = read(late, 77_000, "household_event")
    assert (len(state["basket_times"]), state["num_lines"]) == (6, 6)


new_households = itertools.count(MAX_ID - 10_000)
moments = st.datetimes(
    datetime(1970, 1, 2), datetime(2026, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))])
)  # fmt: skip
lines = st.builds(
    BasketLine,
    product_id=st.sampled_from([1000, 1001, 1054, 9000, 0, MAX_ID]),
    quantity=st.integers(1, 100),
    value=st.floats(0, 100_000),
    coupon=st.booleans(),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(moments, st.lists(lines, min_size=1)), min_size=1, max_size=3))
def test_whatever_the_contract_lets_through_can_be_folded(
    late: Path, baskets: list[tuple[datetime, list[BasketLine]]]
) -> None:
    events, household_id, newest = Events(late), next(new_households), None
    for at, items in baskets:
        event = EventRequest(event_id=uuid4().hex, household_id=household_id, at=at, items=items)
        counts = any(line.product_id in (1000, 1001, 1054) for line in items)
        late_told = newest is not None and at.replace(microsecond=0) < newest
        expected = "older" if late_told else "applied" if counts else "empty"
        newest = at.replace(microsecond=0) if expected == "applied" else newest
        found = events.take(event)
        assert (found.outcome, found.newest) == (expected, newest)
    if newest is not None:
        assert read(late, household_id, "household_event")["basket_times"][-1] == int(newest.timestamp())


EVENT = {"event_id": "1", "household_id": 5, "at": "2018-01-05T12:00:00Z", "items": [{"product_id": 1000, "value": 1}]}


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2999-01-01T00:00:00Z"},
        {"at": "2018-01-05T12:00:00"},
        {"at": "yesterday"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
        {"event_id": ""},
        {"event_id": "x" * 65},
        {"items": []},
        {"items": [{"product_id": 1000, "value": 1, "quantity": 0}]},
        {"items": [{"product_id": 1000, "value": -1}]},
        {"household_id": -1},
        {"store": 5},
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, late: Path, change: dict[str, Any]) -> None:
    before = read(late, 5, "household_event")
    answer = client.post("/events", json=EVENT | change)
    assert answer.status_code == 400, answer.text
    assert read(late, 5, "household_event") == before


def test_a_write_that_broke_off_is_made_again(client: TestClient, late: Path) -> None:
    before = read(late, 5, "household_event")
    rename(late, "polymart_household_visit", "gone")
    broken = client.post("/events", json=EVENT)
    assert (broken.status_code, broken.json()["error"]) == (
        503, "the online feature store cannot be written: OperationalError",
    )  # fmt: skip
    assert read(late, 5, "household_event")["basket_times"] == before["basket_times"]
    rename(late, "gone", "polymart_household_visit")
    assert client.post("/events", json=EVENT).json()["outcome"] == "applied"
    assert read(late, 5, "household_event")["num_baskets"] == before["num_baskets"] + 1


def rename(store: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(store / "online.db")) as database, database:
        database.execute(f"ALTER TABLE {table} RENAME TO {name}")


def test_a_store_that_cannot_carry_features_on_says_so(client: TestClient, late: Path, stores: Stores) -> None:
    shutil.rmtree(late)
    gone = client.post("/events", json=EVENT)
    assert (gone.status_code, gone.json()["error"]) == (503, "there is no feature store to write to: FileNotFoundError")
    tables = stores[0].parent / "tables"
    apply(tables, late)
    materialize(late, pd.Timestamp("2017-06-01"))
    answer = client.post("/events", json=EVENT)
    assert answer.status_code == 409
    assert "knows household 5, but not the state" in answer.json()["error"]
    (late / "assortment.parquet").unlink()
    answer = client.post("/events", json=EVENT)
    assert (answer.status_code, "without the products" in answer.json()["error"]) == (409, True)
