"""Hostile requests, made from the OpenAPI document and beyond it, against the whole service in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from starlette.testclient import TestClient

from bench.hostile import Hostile, attack
from serving.service import PolymartService

COUNT = 200


@pytest.fixture(scope="module")
def client(checkpoint: Path, feature_store: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYMART_CHECKPOINT", str(checkpoint))
        patched.setenv("POLYMART_FEATURE_STORE", str(feature_store))
        PolymartService.inject_config()
        app = ServiceAppFactory(PolymartService, is_main=True, enable_metrics=False)()
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


def test_no_hostile_request_is_answered_with_a_5xx_or_a_stack_trace(client: TestClient) -> None:
    def send(hostile: Hostile) -> tuple[int, str]:
        answer = client.request(hostile.method, hostile.path, content=hostile.body, headers=hostile.headers)
        return answer.status_code, answer.text

    outcomes = attack(PolymartService.openapi_spec.asdict(), send, COUNT)
    bad = [(hostile, found) for hostile, found in outcomes if found.status >= 500 or found.traced or found.seconds > 10]
    assert bad == []
    statuses = {found.status for _, found in outcomes}
    assert {400, 415} <= statuses  # the attack reaches the guard of bodies and the contract
    assert len(outcomes) >= COUNT * 0.9


def test_a_bug_of_the_service_is_told_without_a_stack_trace(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the code")

    monkeypatch.setattr("serving.scoring.Scorer.understand", broken)
    answer = client.post("/understand", json={"text": "tea"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_callers_fault_is_one_line_of_the_log_and_a_bug_keeps_its_traceback(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level("INFO"):
        assert client.post("/understand", json={"text": 7, "secret\nfield": 1}).status_code == 400
    assert "Exception on /understand [POST]: 2 validation errors" in caplog.text
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.setattr("serving.contract.UnderstandResponse.__init__", lambda *_, **__: 1 / 0)
    client.post("/understand", json={"text": "tea"})
    assert "ZeroDivisionError" in caplog.text
