"""Two real releases side by side: who answered stands in the response and in the log, copies are marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from _bentoml_impl.server.app import ServiceAppFactory
from checkpoints import SUITE, save_tiny_checkpoint
from small_servers import listening
from starlette.testclient import TestClient

from serving.experiments.compare import SCHEMA
from serving.experiments.split import assign
from serving.log.reading import find_prediction, read_log
from serving.log.render import pseudonym
from serving.service import PolymartService

KEY = "k" * 32
HOUSEHOLDS = range(1, 9)
WEIGHTS = {"main": 1.0, "next": 1.0, "bold": 0.0}


def _app():
    """As `PolymartService.to_asgi()`, without the metrics middleware, of which a process can hold only one."""
    PolymartService.inject_config()
    return ServiceAppFactory(PolymartService, is_main=True, enable_metrics=False)()


@pytest.fixture(scope="module")
def place(checkpoint: Path, feature_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """Answers of the entry server by household, after everything has been stopped and its logs are written."""
    folder = tmp_path_factory.mktemp("experiment")
    digest = save_tiny_checkpoint(folder / "next", SUITE, seed=2)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("POLYMART_FEATURE_STORE", str(feature_store))
        monkeypatch.setenv("POLYMART_PSEUDONYM_KEY", KEY)
        monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(folder / "log-next"))
        monkeypatch.setenv("POLYMART_CHECKPOINT", str(folder / "next"))
        monkeypatch.setenv("POLYMART_VARIANT", "next")
        with listening(_app()) as url:
            variants = [{"name": name, "weight": weight, "url": url} for name, weight in WEIGHTS.items()]
            shadow = {"variant": "bold", "max_in_flight": 100}
            experiment = {"name": "autumn", "variants": variants, "shadow": shadow, "timeout_s": 30}
            (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
            monkeypatch.setenv("POLYMART_EXPERIMENT", str(folder / "experiment.yaml"))
            monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(folder / "log"))
            monkeypatch.setenv("POLYMART_CHECKPOINT", str(checkpoint))
            monkeypatch.setenv("POLYMART_VARIANT", "main")
            with TestClient(_app(), raise_server_exceptions=False) as client:
                answers = {h: client.post("/recommend", json={"household_id": h}).json() for h in HOUSEHOLDS}
                malformed = client.post("/recommend", json={"household_id": "1"})
    return {"folder": folder, "answers": answers, "malformed": malformed, "digest": digest}


def test_each_household_is_answered_by_its_release(place: dict) -> None:
    expected = {h: assign(f"household:{h}", "autumn", WEIGHTS) for h in HOUSEHOLDS}
    assert {h: answer["variant"] for h, answer in place["answers"].items()} == expected
    assert set(expected.values()) == {"main", "next"}
    for answer in place["answers"].values():
        assert (answer["checkpoint"] == place["digest"]) == (answer["variant"] == "next")


def test_every_answer_stands_in_the_log_of_who_gave_it(place: dict) -> None:
    for name, folder in {"main": "log", "next": "log-next"}.items():
        answers = {h: answer for h, answer in place["answers"].items() if answer["variant"] == name}
        rows = read_log(place["folder"] / folder).query("~shadow and task == 'next_category'")
        assert sorted(rows["prediction_id"]) == sorted(answer["prediction_id"] for answer in answers.values())
        assert set(rows["variant"]) == {name}
        assert set(rows["endpoint"]) == {"recommend"}
        assert not rows["degraded"].any()
        assert set(rows["household"]) == {pseudonym(h, KEY.encode()) for h in answers}
        features = json.loads(rows["features"].iloc[0])
        assert features["num_baskets"] > 0
        assert "history_text" not in features
        best = json.loads(rows["outputs"].iloc[0])[0]
        assert (best["label"], best["score"]) == (
            rows["prediction"].iloc[0],
            pytest.approx(rows["score"].iloc[0], 1e-5),
        )
        assert find_prediction(place["folder"] / folder, rows["prediction_id"].iloc[0]).variant == name


def test_copies_are_marked_and_compared(place: dict) -> None:
    copies = read_log(place["folder"] / "log-next").query("shadow and task == 'next_category'")
    compared = read_log(place["folder"] / "log" / "comparisons", schema=SCHEMA)
    assert len(copies) == len(compared) == len(HOUSEHOLDS)
    assert set(compared["shadow_prediction_id"]) == set(copies["prediction_id"])
    assert set(compared["prediction_id"]) == {answer["prediction_id"] for answer in place["answers"].values()}
    # The shadow is the same release as `next`: it must agree with it and differ from `main`.
    same = compared[compared["variant"] == "next"]
    assert same["same_best"].all()
    assert same["largest_difference"].max() == 0
    assert compared[compared["variant"] == "main"]["largest_difference"].min() > 0


def test_a_malformed_request_is_refused_as_ever(place: dict) -> None:
    assert place["malformed"].status_code == 400
    assert "household_id" in place["malformed"].text


def test_no_household_id_reaches_a_log(place: dict) -> None:
    files = [*place["folder"].rglob("*.parquet")]
    assert files
    for path in files:
        assert "household_id" not in pd.read_parquet(path).to_csv()
