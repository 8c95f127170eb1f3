"""A stand-in for the Kubeflow Pipelines API, which needs a cluster.

Every request and every answer is held against KFP's published OpenAPI document (`kfp_openapi`); pipelines are read with
KFP's own protocol buffers. What a real server would refuse is refused with its status and remembered in ``complaints``.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from stand_ins.kfp_http import Fault, serve
from stand_ins.kfp_openapi import Operation, faults, operations

ROOT = "/apis/v2beta1"
Answer = tuple[int, dict[str, Any]]
Kept = dict[str, dict[str, Any]]


class Refused(Exception):
    """Status and words of an answer that is not a success."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class KfpServer:
    """Takes runs and lets them walk through ``states``, one at each look; remembers every request.

    Set ``token`` to ask for it, ``fail`` to ``{"METHOD /path": [fault, ...]}`` for faults that come once each
    (`Fault`), ``hang`` to a path that never answers, ``multi_user`` to ask for a namespace, ``seconds`` to how long the
    tasks of every finished run took.
    """

    def __init__(self) -> None:
        self.states = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.token, self.hang, self.multi_user = "", "", False
        self.fail: dict[str, list[Fault]] = {}
        self.seconds: dict[str, float] = {}
        self.requests: list[tuple[str, str, str]] = []
        """Method, path, Authorization."""
        self.complaints: list[str] = []
        """What broke the published document, or what a real server would have refused as malformed."""
        self.runs: Kept = {}
        self.experiments: Kept = {}
        self.pipelines: Kept = {}
        self.versions: Kept = {}
        self.recurring: Kept = {}
        self.closing = threading.Event()
        self._ticks, self._lock = itertools.count(), threading.RLock()
        self._looks, self._numbers = Counter[str](), Counter[str]()
        self._http = serve(self)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> KfpServer:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any, authorization: str) -> Answer:
        """Status and JSON of one request; ``path`` without the root."""
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {"error": "unauthenticated", "code": 16, "message": "the token is missing or expired"}
        for operation in operations():
            found = operation.match(method, ROOT + path)
            if found is not None:
                with self._lock:
                    return self._answer(operation, found, query, body)
        return 404, {"error": f"no {method} {path}"}

    def _answer(self, operation: Operation, found: dict[str, str], query: Mapping[str, str], body: Any) -> Answer:
        wrong = [f"{operation.name} knows no {key}" for key in query if key not in operation.query]
        if operation.body:
            wrong += faults(operation.body, body)
        try:
            if wrong:
                raise Refused(400, "; ".join(wrong))
            if not hasattr(self, operation.name):
                raise Refused(501, f"the stand-in lacks {operation.name}")
            answer = getattr(self, operation.name)(**found, query=query, body=body)
        except Refused as refused:
            if refused.status == 400:
                self.complaints.append(str(refused))
            return refused.status, {"error": str(refused), "code": 3, "message": str(refused)}
        self.complaints += faults(operation.answer, answer)
        return 200, answer

    # one method for each operation that we use, called as the document calls it

    def healthz_service_get_healthz(self, **_: Any) -> Any:
        return {"multi_user": self.multi_user}

    def experiment_service_list_experiments(self, query: Mapping[str, str], **_: Any) -> Any:
        return self._page("experiments", self.experiments, query)

    def experiment_service_create_experiment(self, body: dict[str, Any], **_: Any) -> Any:
        self._unique(self.experiments, body["display_name"])
        return self._keep(self.experiments, "experiment_id", body)

    def run_service_create_run(self, body: dict[str, Any], **_: Any) -> Any:
        self._known(self.experiments, body["experiment_id"])
        self._check(body)
        return self._keep(self.runs, "run_id", {**body, "state": self.states[0]})

    def run_service_get_run(self, run_id: str, **_: Any) -> Any:
        run = self._known(self.runs, run_id)
        walk = [*self.states[:-1], "CANCELED"] if run["state"] in ("CANCELING", "CANCELED") else self.states
        self._looks[run_id] += 1
        run["state"] = walk[min(self._looks[run_id], len(walk) - 1)]
        if run["state"] == "FAILED":
            run["error"] = {"code": 13, "message": "task train_suite failed"}
        if run["state"] == "SUCCEEDED" and self.seconds:
            run["run_details"] = {"task_details": [self._task(run, *pair) for pair in self.seconds.items()]}
        return run

    def run_service_list_runs(self, query: Mapping[str, str], **_: Any) -> Any:
        return self._page("runs", self.runs, query)

    def run_service_terminate_run(self, run_id: str, **_: Any) -> Any:
        run = self._known(self.runs, run_id)
        if run["state"] not in ("PENDING", "RUNNING"):
            raise Refused(409, f"run {run_id} is {run['state']}")
        run["state"] = "CANCELING"
        return {}

    def pipeline_service_list_pipelines(self, query: Mapping[str, str], **_: Any) -> Any:
        return self._page("pipelines", self.pipelines, query)

    def pipeline_service_list_pipeline_versions(self, pipeline_id: str, query: Mapping[str, str], **_: Any) -> Any:
        ours = {key: v for key, v in self.versions.items() if v["pipeline_id"] == pipeline_id}
        return self._page("pipeline_versions", ours, {"namespace": "of the pipeline", **query})

    def pipeline_service_create_pipeline(self, body: dict[str, Any], **_: Any) -> Any:
        self._unique(self.pipelines, body["display_name"])
        return self._keep(self.pipelines, "pipeline_id", body)

    def upload_pipeline_version(self, query: Mapping[str, str], body: bytes, **_: Any) -> Any:
        self._known(self.pipelines, query["pipelineid"])
        self._unique(self.versions, query["name"])
        documents = [d for d in yaml.safe_load_all(body) if d]
        spec = {"pipeline_spec": documents[0], "platform_spec": documents[1]} if len(documents) > 1 else documents[0]
        _read(spec)
        names = {"pipeline_id": query["pipelineid"], "display_name": query["name"], "name": query["name"]}
        return self._keep(self.versions, "pipeline_version_id", {**names, "pipeline_spec": spec})

    def recurring_run_service_create_recurring_run(self, body: dict[str, Any], **_: Any) -> Any:
        self._known(self.experiments, body["experiment_id"])
        self._check(body)
        fields = body["trigger"]["cron_schedule"]["cron"].split()
        if len(fields) != 6:
            raise Refused(400, f"a cron schedule has 6 fields, found {len(fields)}")
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        return self._keep(self.recurring, "recurring_run_id", {**body, "status": status})

    def recurring_run_service_list_recurring_runs(self, query: Mapping[str, str], **_: Any) -> Any:
        return self._page("recurringRuns", self.recurring, query)

    def recurring_run_service_disable_recurring_run(self, recurring_run_id: str, **_: Any) -> Any:
        self._known(self.recurring, recurring_run_id)["status"] = "DISABLED"
        return {}

    def recurring_run_service_enable_recurring_run(self, recurring_run_id: str, **_: Any) -> Any:
        self._known(self.recurring, recurring_run_id)["status"] = "ENABLED"
        return {}

    def recurring_run_service_delete_recurring_run(self, recurring_run_id: str, **_: Any) -> Any:
        self._known(self.recurring, recurring_run_id)
        del self.recurring[recurring_run_id]
        return {}

    # what they share

    def _check(self, body: dict[str, Any]) -> None:
        """Refuse a pipeline that KFP cannot read, and parameters that it does not take."""
        if reference := body.get("pipeline_version_reference"):
            spec = self._known(self.versions, reference["pipeline_version_id"])["pipeline_spec"]
        else:
            spec = body["pipeline_spec"]
        wanted = _read(spec).root.input_definitions.parameters
        given = body.get("runtime_config", {}).get("parameters", {})
        if unknown := sorted(given.keys() - wanted.keys()):
            raise Refused(400, f"the pipeline takes no parameter {unknown}")
        absent = [n for n, p in wanted.items() if n not in given and not p.is_optional]
        if absent := [n for n in absent if not wanted[n].HasField("default_value")]:
            raise Refused(400, f"the pipeline needs the parameters {sorted(absent)}")

    def _page(self, key: str, kept: Kept, query: Mapping[str, str]) -> dict[str, Any]:
        if self.multi_user and not query.keys() & {"namespace", "experiment_id"}:
            raise Refused(400, "in multi-user mode a list needs a namespace or an experiment")
        chosen = [item for item in kept.values() if _chosen(item, query)]
        if query.get("sort_by") == "created_at desc":
            chosen.sort(key=lambda item: item["created_at"], reverse=True)
        start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 10)
        rest = {"next_page_token": str(start + size)} if start + size < len(chosen) else {}
        return {key: chosen[start : start + size], "total_size": len(chosen), **rest}

    def _known(self, kept: Kept, key: str) -> dict[str, Any]:
        if key not in kept:
            raise Refused(404, f"{key} not found")
        return kept[key]

    def _unique(self, kept: Kept, name: str) -> None:
        if any(item["display_name"] == name for item in kept.values()):
            raise Refused(409, f"the name {name} already exists")

    def _keep(self, kept: Kept, key: str, body: dict[str, Any]) -> dict[str, Any]:
        self._numbers[key] += 1
        number = f"{key}-{self._numbers[key]}"
        kept[number] = {**body, key: number, "created_at": self._now()}
        return kept[number]

    def _now(self) -> str:
        return _written(datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=next(self._ticks)))

    @staticmethod
    def _task(run: dict[str, Any], name: str, seconds: float) -> dict[str, Any]:
        start = datetime.fromisoformat(run["created_at"])
        times = {"start_time": _written(start), "end_time": _written(start + timedelta(seconds=seconds))}
        return {"run_id": run["run_id"], "display_name": name, "state": "SUCCEEDED", **times}


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(spec: dict[str, Any]) -> pipeline_spec_pb2.PipelineSpec:
    """A pipeline as KFP reads it."""
    try:
        json_format.ParseDict(spec.get("platform_spec", {}), pipeline_spec_pb2.PlatformSpec())
        return json_format.ParseDict(spec.get("pipeline_spec", spec), pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise Refused(400, f"not a pipeline: {error}") from error


def _chosen(item: dict[str, Any], query: Mapping[str, str]) -> bool:
    filters = json.loads(query.get("filter") or "{}")
    if wrong := faults("V2beta1Filter", filters):
        raise Refused(400, "; ".join(wrong))
    if query.get("experiment_id", item.get("experiment_id")) != item.get("experiment_id"):
        return False
    tests = {"EQUALS": lambda found, given: found == given, "IS_SUBSTRING": lambda found, given: given in found}
    return all(tests[p["operation"]](item[p["key"]], p["string_value"]) for p in filters.get("predicates", ()))
