"""Feedback is kept beside the prediction log and becomes labels that monitoring reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from starlette.testclient import TestClient

from monitoring.performance import compare, score_rows
from monitoring.task_tables import load_predictions
from polymart.config import Kind
from polymart.data.tables import write_frame
from serving.contract import FeedbackRequest
from serving.events.feedback import FEEDBACK, FOLDER, FeedbackLog
from serving.events.labels import COLUMNS, late_labels, write_labelled
from serving.log.prediction import PredictionLog
from serving.log.reading import read_log
from serving.service import PolymartService

KINDS: dict[str, Kind] = {
    "next_category": "multilabel", "next_product": "retrieval", "coupon_response": "binary", "intent": "multiclass",
    "sentiment": "multiclass", "demand": "count",
}  # fmt: skip
NAMES = {"next_category": ["bread", "milk", "tea"], "intent": ["pin", "refund"]}
PREDICTIONS = [
    {"prediction_id": "a", "task": "next_category", "prediction": "milk", "score": 0.9, "household_id": 1},
    {"prediction_id": "a", "task": "next_product", "prediction": "1017", "score": 0.2, "household_id": 1},
    {"prediction_id": "b", "task": "coupon_response", "score": 0.8, "household_id": 2, "campaign_id": 13},
    {"prediction_id": "b", "task": "coupon_response", "score": 0.3, "household_id": 2, "campaign_id": 8},
    {"prediction_id": "b", "task": "coupon_response", "score": 0.1, "household_id": 2, "campaign_id": 18},
    {"prediction_id": "c", "task": "intent", "prediction": "refund", "score": 0.6},
    {"prediction_id": "c", "task": "sentiment", "prediction": "negative", "score": 0.7},
    {"prediction_id": "d", "task": "demand", "prediction": "11.5", "score": 11.5, "category_id": 1, "store_id": 31},
    {"prediction_id": "e", "task": "intent", "prediction": "pin", "score": 0.6},
    {"prediction_id": "f", "task": "intent", "prediction": "pin", "score": 0.6, "shadow": True},
]
TOLD = [
    {"prediction_id": "a", "task": "next_category", "outcome": "bought", "item": "tea"},
    {"prediction_id": "a", "task": "next_category", "outcome": "bought", "item": "bread"},
    {"prediction_id": "a", "task": "next_category", "outcome": "bought", "item": "a category of another release"},
    {"prediction_id": "a", "task": "next_product", "outcome": "bought", "item": 1017},
    {"prediction_id": "b", "outcome": "redeemed", "item": 13, "at": "2018-01-03T09:00:00Z"},
    {"prediction_id": "b", "outcome": "dismissed", "item": 13, "at": "2018-01-01T09:00:00+02:00"},  # told late
    {"prediction_id": "b", "outcome": "dismissed", "item": 8},
    {"prediction_id": "b", "outcome": "clicked", "item": 18},
    {"prediction_id": "b", "outcome": "bought", "item": 99},
    {"prediction_id": "b", "outcome": "dismissed"},  # of three campaigns, which?
    {"prediction_id": "c", "task": "intent", "outcome": "corrected", "item": "pin"},
    {"prediction_id": "c", "task": "sentiment", "outcome": "confirmed"},
    {"prediction_id": "d", "outcome": "bought", "item": 1},
    {"prediction_id": "e", "outcome": "clicked"},
    {"prediction_id": "f", "outcome": "confirmed"},
    {"prediction_id": "nobody-knows", "outcome": "bought", "item": "tea"},
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prediction log with feedback."""
    folder = tmp_path_factory.mktemp("log")
    predictions, feedback = PredictionLog(folder, b"k" * 32), FeedbackLog(folder)
    for row in PREDICTIONS:
        predictions.add(dict(row))
    for told in TOLD:
        feedback.tell(FeedbackRequest.model_validate_json(json.dumps(told)))
    predictions.close()
    feedback.close()
    assert predictions.dropped == feedback.dropped == 0
    return folder


def labels(rows: pd.DataFrame) -> dict[str, Any]:
    return dict(zip(rows["example_id"], rows["label"], strict=True))


def test_what_was_done_becomes_the_label_of_the_answer(log: Path) -> None:
    found = late_labels(log, KINDS, NAMES)
    assert {task: labels(rows) for task, rows in found.items()} == {
        "next_category": {"a": [0, 2]},
        "next_product": {"a": ["1017"]},
        "coupon_response": {"b-13": 1, "b-8": 0},
        "intent": {"c": "pin"},
        "sentiment": {"c": "negative"},
    }
    assert found["coupon_response"]["cluster"].nunique() == 1
    assert found["coupon_response"]["prediction"].tolist() == pytest.approx([0.8, 0.3])
    assert all(list(rows.columns) == COLUMNS and (rows["split"] == "test").all() for rows in found.values())


def test_monitoring_reads_the_labels_beside_the_validation_rows(log: Path, tmp_path: Path, suite: Any) -> None:
    val = {"example_id": "v", "split": "val", "cluster": "9", "event_timestamp": pd.Timestamp("2017-11-01")}
    reference = {
        "next_category": [val | {"label": [1, 2], "prediction": "milk", "score": 0.5}],
        "coupon_response": [val | {"label": n, "prediction": s, "score": s} for n, s in ((0, 0.6), (1, 0.4))],
    }
    for task, rows in reference.items():
        write_frame(tmp_path / f"reference/{task}.parquet", pd.DataFrame(rows))
    out = tmp_path / "predictions"
    counts = write_labelled(log, tmp_path / "reference", out, KINDS, NAMES)
    assert counts == {"next_category": 1, "next_product": 1, "coupon_response": 2, "intent": 1, "sentiment": 1}
    coupon = load_predictions(suite.task("coupon_response"), out, None)
    assert (len(coupon.reference), len(coupon.current), coupon.undated) == (2, 2, 0)
    performance = compare("binary", coupon.reference, coupon.current)
    assert performance is not None
    assert (performance.value, performance.reference) == (1.0, 0.0)
    category = load_predictions(suite.task("next_category"), out, NAMES["next_category"])
    assert category.current["label"].tolist() == [["bread", "tea"]]
    assert score_rows("multilabel", category.current) == 0.0
    assert score_rows("multilabel", category.reference) == 1.0


def test_without_feedback_there_are_no_labels(tmp_path: Path) -> None:
    assert late_labels(tmp_path, KINDS, NAMES) == {}


@pytest.fixture
def client(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("POLYMART_CHECKPOINT", str(checkpoint))
    monkeypatch.setenv("POLYMART_FEATURE_STORE", "")
    monkeypatch.setenv("POLYMART_PREDICTION_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("POLYMART_PSEUDONYM_KEY", "k" * 32)
    PolymartService.inject_config()
    # As `PolymartService.to_asgi()`, without the metrics middleware, of which a process can hold only one.
    app = ServiceAppFactory(PolymartService, is_main=True, enable_metrics=False)()
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_feedback_on_an_answer_ends_as_its_label(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/understand", json={"text": "where is my refund"}).json()
    told = {"prediction_id": answer["prediction_id"], "task": "intent", "outcome": "corrected", "item": "lost_card"}
    for body in (told, told | {"prediction_id": "0" * 32}, {"prediction_id": "x", "outcome": "clicked", "item": 7}):
        found = client.post("/feedback", json=body)
        assert (found.status_code, found.json()) == (200, {"prediction_id": body["prediction_id"], "recorded": True})
    hidden = told | {"task": "sentiment", "item": "wrong, write to ann@example.com"}
    assert client.post("/feedback", json=hidden).status_code == 200
    client.__exit__(None, None, None)  # the service ends and writes its logs
    log = tmp_path / "log"
    assert "wrong, write to [e-mail]" in read_log(log / FOLDER, schema=FEEDBACK)["item"].tolist()
    assert labels(late_labels(log, {"intent": "multiclass"}, {})["intent"]) == {answer["prediction_id"]: "lost_card"}


def test_feedback_that_means_nothing_is_refused(client: TestClient) -> None:
    changes: list[dict[str, Any]] = [
        {"prediction_id": ""}, {"prediction_id": "../x"}, {"outcome": "loved"}, {"item": ""}, {"item": -1},
        {"item": 1.5}, {"task": "A b"}, {"at": "now"}, {"at": "2018-01-01T00:00:00"}, {"text": "free"},
        {"at": "0001-01-01T00:00:00+14:00"}, {"at": "9999-12-31T23:59:59-14:00"},
    ]  # fmt: skip
    for change in changes:
        answer = client.post("/feedback", json={"prediction_id": "a", "outcome": "bought"} | change)
        assert answer.status_code == 400, change
