"""The online store on Redis and on PostgreSQL, by the very files that a cluster mounts: fill, read, push, serve."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partialmethod
from pathlib import Path

import pandas as pd
import pytest
import servers
import yaml
from fixtures.shop import make_shop
from psycopg_pool import ConnectionPool

from feature_repo.online import opened
from feature_repo.push import push_features
from feature_repo.retrieval import apply, materialize, online_features
from feature_repo.views import COLUMNS
from polymart.data.prepare import prepare_tables
from serving.features import OnlineFeatures
from serving.refusals import FeaturesUnavailableError, UnknownEntityError

COMPONENTS = Path(__file__).parents[2] / "k8s" / "components"


def cluster_config(kind: str) -> str:
    """The feature_store.yaml of a component; no test server speaks TLS, and PostgreSQL's port is not 5432 here."""
    config_map = yaml.safe_load((COMPONENTS / f"online-store-{kind}" / "feature-store.yaml").read_text())
    text = config_map["data"]["feature_store.yaml"]
    assert servers.PASSWORD not in text
    return text.replace("sslmode: require", "sslmode: disable")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "tables"
    prepare_tables(make_shop(tmp_path_factory.mktemp("raw")), folder)
    return folder


@pytest.fixture(scope="module")
def sqlite(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded default, which the others must agree with."""
    store = tmp_path_factory.mktemp("sqlite")
    apply(tables, store)
    materialize(store)
    return store


@pytest.fixture(scope="module", params=["redis", "postgres"])
def store(
    request: pytest.FixtureRequest, tables: Path, sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A store folder whose online part lies on a real server."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    port, text = request.getfixturevalue(kind), cluster_config(kind)
    config = folder / "cluster.yaml"
    config.write_text(text.replace("port: 5432", f"port: {port}"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEAST_FS_YAML_FILE_PATH", str(config))
        for name, value in variables(kind, port).items():
            environment.setenv(name, value)
        apply(tables, folder / "store")
        assert materialize(folder / "store")["household_profile"] == 80
        yield folder / "store"
        opened.cache_clear()


def variables(kind: str, port: int) -> dict[str, str]:
    """What a pod has from its secret."""
    if kind == "redis":
        return {"POLYMART_ONLINE_STORE": f"127.0.0.1:{port},password={servers.PASSWORD}"}
    servers.new_database(port, "features")
    return {
        "POLYMART_ONLINE_HOST": "127.0.0.1", "POLYMART_ONLINE_DATABASE": "features",
        "POLYMART_ONLINE_USER": servers.USER, "POLYMART_ONLINE_PASSWORD": servers.PASSWORD,
    }  # fmt: skip


def asked(sqlite: Path, service: str, rows: list[dict[str, int]]) -> list[dict | None]:
    """What the embedded store answers."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("FEAST_FS_YAML_FILE_PATH")
        return online_features(sqlite, service, rows)


@pytest.mark.parametrize(
    ("service", "rows"),
    [
        ("next_category", [{"household_id": number} for number in (3, 1, 80, 10**6)]),
        ("coupon_response", [{"household_id": 2, "campaign_id": 2}, {"household_id": 10**6, "campaign_id": 10**6}]),
        ("demand", [{"category_id": 0, "store_id": 300}, {"category_id": 0, "store_id": 99}]),
    ],
)
def test_every_store_gives_the_same_answers(store: Path, sqlite: Path, service: str, rows: list) -> None:
    found = online_features(store, service, rows)
    assert found == asked(sqlite, service, rows)
    assert found[0] is not None
    assert found[-1] is None, "the entity was never seen"


def test_what_is_pushed_is_read_at_once(store: Path) -> None:
    ask = ("household_event", [{"household_id": 3}, {"household_id": 4}])
    before = online_features(store, *ask)
    stamp = {"household_id": 3, "event_timestamp": pd.Timestamp("2018-01-05", tz="UTC")}
    state = {name: before[0][name] for name in COLUMNS["household_state"][2]}
    push_features(store, {"household_state": stamp | state | {"value_cents": 7, "campaign_times": []}})
    after = online_features(store, *ask)
    assert after == [before[0] | {"value_cents": 7, "campaign_times": []}, before[1]]


def test_the_service_looks_up_by_many_threads_and_names_who_is_unknown(store: Path) -> None:
    features = OnlineFeatures(store)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda n: features.read("next_category", [{"household_id": 1 + n % 8}]), range(64)))
    assert found == [features.read("next_category", [{"household_id": 1 + n % 8}]) for n in range(64)]
    with pytest.raises(UnknownEntityError, match="knows no household_id 1000000"):
        features.read("next_category", [{"household_id": 10**6}])


def test_a_server_that_is_gone_is_a_refusal_without_its_password(store: Path, tmp_path, monkeypatch) -> None:
    shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("POLYMART_ONLINE_STORE", f"127.0.0.1:1,password={servers.PASSWORD}")
    monkeypatch.setenv("POLYMART_ONLINE_PASSWORD", "wrong")
    hurry = partialmethod(
        ConnectionPool.getconn, timeout=1
    )  # its own patience is 30 s, and Feast has no setting for it
    monkeypatch.setattr(ConnectionPool, "getconn", hurry)
    with pytest.raises(FeaturesUnavailableError) as caught:
        OnlineFeatures(tmp_path / "store").read("next_category", [{"household_id": 1}])
    assert servers.PASSWORD not in str(caught.value)


def test_an_unset_variable_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLYMART_ONLINE_STORE", "POLYMART_ONLINE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    opened.cache_clear()
    with pytest.raises(ValueError, match=r"needs the environment variables POLYMART_ONLINE_\w+, which are not set"):
        online_features(store, "next_category", [{"household_id": 1}])
