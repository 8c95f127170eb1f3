"""Monitoring reads the real prediction log, the real feature store and the checkpoint's encoder."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from checkpoints import SERIES

from feature_repo.online import online_features
from monitoring.signals.encoder import EncoderVectors
from monitoring.signals.labels import join_by_entity
from monitoring.signals.logged import read_answers, watch_log
from monitoring.signals.rows import Rows
from monitoring.signals.sources import Sources
from monitoring.signals.tables import TaskRows
from monitoring.window import Window
from polymart.config import Suite
from polymart.errors import MonitoringError
from polymart.model.predictor import Predictor
from serving.contract import FeedbackRequest
from serving.events.feedback import FeedbackLog
from serving.log.prediction import PredictionLog

KEY = b"k" * 32
FIRST = datetime(2017, 12, 2)
# Both within a week of the features: demand expires after one.
SPANS = [Window(FIRST + n * timedelta(days=3), FIRST + (n + 1) * timedelta(days=3)) for n in range(2)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, feature_store: Path) -> Path:
    """Two windows of answers: in the second one feature is served in another unit, and half are slow and degraded."""
    folder = tmp_path_factory.mktemp("log")
    written = PredictionLog(folder, KEY)
    keys = [{"category_id": category, "store_id": store} for category, store in SERIES]
    stored = online_features(feature_store, "demand", keys)
    for window, span in enumerate(SPANS):
        for number in range(60):
            entity, features = keys[number % len(keys)], stored[number % len(keys)]
            served = features | ({"units_lag1": 100 * features["units_lag1"]} if window == 1 else {})
            late = window == 1 and number % 2 == 0
            written.add({
                "prediction_id": f"{window}-{number}", "event_timestamp": span.start + timedelta(hours=number),
                "task": "demand", "score": 4.0, "prediction": "4.0", "latency_ms": 900.0 if late else 9.0 + number % 3,
                "degraded": late, "read": [(entity, served)], **entity,
            })  # fmt: skip
    written.add({"prediction_id": "shadow", "event_timestamp": FIRST, "task": "demand", "shadow": True})
    for number in range(60):
        written.add({
            "prediction_id": f"c{number}", "event_timestamp": SPANS[1].start + timedelta(hours=number),
            "task": "coupon_response", "household_id": number, "campaign_id": 1, "score": number / 60,
            "prediction": str(number / 60), "latency_ms": 9.0, "degraded": False,
        })  # fmt: skip
    told = FeedbackLog(folder)
    for number in range(60):
        outcome = "dismissed" if number > 30 else "redeemed"  # the wrong way round
        body = {"prediction_id": f"c{number}", "outcome": outcome, "item": 1}
        told.tell(FeedbackRequest.model_validate_json(json.dumps(body)))
    written.close()
    told.close()
    return folder


def task_rows(reference: pd.DataFrame | None = None, examples: pd.DataFrame | None = None) -> TaskRows:
    empty = pd.DataFrame({"event_timestamp": pd.Series([], dtype="datetime64[us]"), "cluster": []})
    shown, predicted = (Rows.of(empty if part is None else part, (), 14) for part in (examples, reference))
    return TaskRows(shown, predicted, (0, 0), None, None)


def signals(log: Path, suite: Suite, task: str, rows: TaskRows, **sources):
    found = watch_log(suite.task(task), rows, suite, SPANS, Sources(log=log, key=KEY, **sources))
    return {(number, signal.title): signal for number, signal in found}


def test_a_slow_and_degraded_service_is_seen(log: Path, suite: Suite) -> None:
    found = signals(log, suite, "demand", task_rows())
    for title in ("latency in ms", "answers over 300 ms", "degraded answers"):
        assert found[1, title].moved, title
    assert found[1, "degraded answers"].now == 0.5
    assert found[1, "latency in ms"].usual == pytest.approx(10, abs=1)
    assert not found[1, "empty answers"].moved
    # The first window with answers is what the others are held against.
    assert found[0, "latency in ms"].value is None
    assert "skew" not in {signal.kind for signal in found.values()}


def test_a_feature_served_in_another_unit_is_skew_and_no_other_feature_is(
    log: Path, suite: Suite, feature_store: Path
) -> None:
    found = signals(log, suite, "demand", task_rows(), store=feature_store)
    skewed = {title for (number, title), signal in found.items() if signal.kind == "skew" and signal.moved}
    assert skewed == {"served beside stored of units_lag1"}
    assert found[1, "served beside stored of units_lag1"].now == 1.0
    assert not found[0, "served beside stored of units_lag1"].moved
    assert found[1, "served beside stored of units_mean4"].now == 0.0


def test_a_store_that_cannot_answer_says_so(log: Path, suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(MonitoringError, match="give the store that serves this release"):
        signals(log, suite, "demand", task_rows(), store=tmp_path)


def test_labels_from_feedback_and_by_entity_and_time_show_a_performance_that_fell(log: Path, suite: Suite) -> None:
    random = np.random.default_rng(0)
    label = (random.random(400) < 0.5).astype(float)
    score = random.normal(2 * label)
    times = pd.Timestamp("2017-11-01") + pd.to_timedelta(np.arange(400), unit="h")
    reference = pd.DataFrame({"cluster": np.arange(400), "event_timestamp": times, "label": label, "score": score,
                              "prediction": score})  # fmt: skip
    households = np.arange(60)
    examples = pd.DataFrame({
        "cluster": households, "household_id": households, "campaign_id": 1, "label": (households > 30).astype(float),
        "event_timestamp": pd.Timestamp(SPANS[1].start) - pd.Timedelta(days=1),
    })  # fmt: skip
    found = signals(log, suite, "coupon_response", task_rows(reference, examples))
    # Feedback is told when it is told: here and now, after both windows. What was answered counts.
    assert found[1, "roc_auc by feedback"].now == 0.0
    assert found[1, "roc_auc by feedback"].moved
    assert found[1, "roc_auc by outcome"].now == 1.0
    assert not found[1, "roc_auc by outcome"].moved


def test_a_shadows_answers_are_left_out(log: Path) -> None:
    answers = read_answers(log, "demand", SPANS, 14)
    assert len(answers) == 120
    assert "shadow" not in set(answers["prediction_id"])


def test_an_answer_gets_the_last_label_before_it_that_was_still_open() -> None:
    day = pd.Timestamp("2017-12-01")
    labels = pd.DataFrame({
        "store_id": [1.0, 1.0, 2.0, 3.0],
        "event_timestamp": [day, day + pd.Timedelta(days=3), day, day - pd.Timedelta(days=30)],
        "label_end": [day + pd.Timedelta(days=3), day + pd.Timedelta(days=9), day + pd.Timedelta(hours=1), day],
        "label": [10, 11, 12, 13],
    })  # fmt: skip
    answers = pd.DataFrame({
        "store_id": [3, 1, 1, 2, None],
        "event_timestamp": [day + pd.Timedelta(days=days) for days in (0, 4, 2, 1, 0)],
    })  # fmt: skip
    joined = join_by_entity(answers, labels, ["store_id"])
    assert joined["label"].tolist()[1:3] == [11, 10]  # the newest that was known, in the order of the answers
    assert joined["label"][[0, 3, 4]].isna().all()  # too old; decided before the answer; no entity
    assert join_by_entity(answers, labels.iloc[:0], ["store_id"])["label"].isna().all()


def test_the_vectors_are_the_encoders(checkpoint: Path, predictor: Predictor) -> None:
    vectors = EncoderVectors(checkpoint)
    texts = ["tea and cheese are good", "top up", "where is my refund"]
    found = vectors.texts("intent", texts)
    assert vectors.knows("intent")
    assert not vectors.knows("weather")
    for text, vector in zip(texts, found, strict=True):
        batch = predictor.collators["intent"](pd.DataFrame({"text": [text]}))
        with torch.inference_mode():
            assert vector == pytest.approx(predictor.model.encode("intent", batch)[0].numpy(), abs=1e-5)


def test_sources_are_what_the_services_settings_name(log: Path, checkpoint: Path, tmp_path: Path) -> None:
    named = {"POLYMART_PREDICTION_LOG": str(log), "POLYMART_PSEUDONYM_KEY": KEY.decode()}
    sources = Sources.of_service(checkpoint, named)
    assert sources.log == log
    assert sources.key == KEY
    assert sources.vectors is not None
    assert sources.store is None
    assert KEY.decode() not in repr(sources)
    assert Sources.of_service(tmp_path / "remote", {}) == Sources()
    empty = Sources.of_service(checkpoint, {"POLYMART_PREDICTION_LOG": str(tmp_path)})
    assert empty.log is None


def test_the_digest_knows_the_log_up_to_an_hour(log: Path) -> None:
    sources = Sources(log=log)
    digests = [sources.digest(moment) for moment in (SPANS[0].start, SPANS[0].end, SPANS[1].end)]
    assert len(set(digests)) == 3
    assert sources.digest(SPANS[1].end) == digests[2]
    assert Sources().digest(FIRST) == ""
