"""The stand-in refuses what KFP's published document refuses: otherwise the tests against it could not fail."""

from __future__ import annotations

import httpx
import pytest
from stand_ins.kfp_openapi import faults, operations

ROOT = "/apis/v2beta1"


def test_the_document_is_read_whole():
    named = {operation.name: operation for operation in operations()}
    created = named["run_service_create_run"]
    assert (created.method, created.path, created.body, created.answer) == (
        "POST", "/apis/v2beta1/runs", "V2beta1Run", "V2beta1Run",
    )  # fmt: skip
    assert named["run_service_terminate_run"].match("POST", f"{ROOT}/runs/a-1:terminate") == {"run_id": "a-1"}
    assert named["run_service_terminate_run"].match("POST", f"{ROOT}/runs/a-1") is None
    assert "filter" in named["run_service_list_runs"].query
    assert named["upload_pipeline_version"].upload
    assert len(named) > 35


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("V2beta1Run", {"colour": "red"}),
        ("V2beta1Run", {"state": "DONE"}),
        ("V2beta1Run", {"runtime_config": {"parameters": []}}),
        ("V2beta1RecurringRun", {"max_concurrency": 1}),
        ("V2beta1ListRunsResponse", {"runs": [{"run_id": 7}]}),
    ],
)
def test_what_the_document_refuses_is_refused(kind, value):
    assert faults(kind, value)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/runs", {"display_name": "a", "colour": "red"}),
        ("GET", "/runs?colour=red", None),
        ("GET", '/runs?filter={"predicates":[{"operation":"LIKE"}]}', None),
    ],
)
def test_a_request_that_breaks_the_document_is_refused_and_remembered(server, method, path, body):
    server.runs["r"] = {"run_id": "r", "display_name": "a"}
    assert httpx.request(method, f"{server.host}{ROOT}{path}", json=body).status_code == 400
    assert server.complaints
    server.complaints.clear()


def test_a_pipeline_that_kfp_cannot_read_is_refused(server):
    made = httpx.post(f"{server.host}{ROOT}/experiments", json={"display_name": "shop"}).json()
    body = {"experiment_id": made["experiment_id"], "display_name": "a", "pipeline_spec": {"root": {"dags": 1}}}
    assert "not a pipeline" in httpx.post(f"{server.host}{ROOT}/runs", json=body).text
    server.complaints.clear()


def test_an_answer_of_the_stand_in_that_breaks_the_document_is_remembered(server):
    server.runs["r"] = {"run_id": "r", "display_name": "a", "colour": "red"}
    httpx.get(f"{server.host}{ROOT}/runs")
    assert any("colour" in complaint for complaint in server.complaints)
    server.complaints.clear()
