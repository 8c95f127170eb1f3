"""Golden requests of all endpoints, taking turns."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from polymart.config import Task
from polymart.errors import ReleaseError
from polymart.model.predictor import Predictor
from serving.answers.fraud import FRAUD, judges_payments
from serving.answers.household import CHURN, HEADS, REPURCHASE, RETURN
from serving.answers.picture import is_picture_only
from serving.catalogue import NEXT_PRODUCT, SEARCH
from serving.features import Features
from serving.golden import catalogue, entities, inputs
from serving.golden.records import Endpoint, Golden, Reference, Scores, named_scores
from serving.scoring import ADS, DEMAND, RECOMMEND
from serving.texts import is_understood


def _of_tasks(answer: dict[str, Any]) -> Scores:
    return {task: named_scores(found) for task, found in answer["tasks"].items()}


ENDPOINTS = {
    "recommend": Endpoint(
        serves=catalogue.is_recommended,
        requests=catalogue.recommend,
        scores=lambda answer: {
            RECOMMEND: {item["label"]: item["score"] for item in answer["items"]},
            NEXT_PRODUCT: catalogue.beside_the_best(answer["products"]),
        },
    ),
    "search": Endpoint(
        serves=catalogue.is_searched,
        requests=catalogue.search,
        scores=lambda answer: {SEARCH: {product["text"]: product["score"] for product in answer["products"]}},
        needs=NEXT_PRODUCT,
    ),
    "ads": Endpoint(
        serves=lambda task: task.name == ADS,
        requests=entities.ads,
        scores=lambda answer: {ADS: {str(item["campaign_id"]): item["score"] for item in answer["items"]}},
    ),
    "demand": Endpoint(
        serves=lambda task: task.name == DEMAND,
        requests=entities.demand,
        scores=lambda answer: {DEMAND: answer["quantiles"]},
    ),
    "understand": Endpoint(
        serves=is_understood,
        requests=inputs.understand,
        scores=_of_tasks,
    ),
    "picture": Endpoint(serves=is_picture_only, requests=inputs.picture, scores=_of_tasks),
    "fraud": Endpoint(
        serves=judges_payments, requests=inputs.fraud, scores=lambda answer: {FRAUD: {"score": answer["score"]}}
    ),
    "household": Endpoint(
        serves=lambda task: task.name in HEADS,
        requests=entities.household,
        scores=lambda answer: {
            **{head: {"score": answer[head]} for head in (CHURN, RETURN)},
            REPURCHASE: {str(item["category_id"]): item["score"] for item in answer[REPURCHASE] or []},
        },
    ),
}
"""Every endpoint that a head answers; a task that none of them serves is not probed."""


def golden_requests(predictor: Predictor, features: Features, examples: Path, count: int) -> list[Golden]:
    """``count`` requests that together reach every task that an endpoint serves, tasks taking turns.

    Raises:
        ReleaseError: a served task has no example table, none of its entities is in the feature store, or no
            endpoint serves any task of the release.
    """
    reference = Reference(predictor, features)
    streams = {
        task.name: endpoint.requests(reference, task.name, _examples(examples, task.name))
        for task in reference.tasks
        for endpoint in ENDPOINTS.values()
        if _serves(endpoint, task, reference.tasks)
    }
    if not streams:
        raise ReleaseError(
            f"no endpoint serves any of the tasks {', '.join(unserved_tasks(predictor))}",
            remedy="add an endpoint in serving/service.py, or a task that one serves",
        )
    per_stream = -(-count // len(streams))
    distinct = {task: list(islice(stream, per_stream)) for task, stream in streams.items()}
    if empty := [task for task, found in distinct.items() if not found]:
        raise ReleaseError(
            f"no entity of task {empty[0]!r} is in the feature store",
            remedy="materialise the feature store of the same tables",
        )
    # A small table is asked over and over: latency wants many requests more than it wants new ones.
    turns = zip(*(islice(cycle(found), per_stream) for found in distinct.values()), strict=True)
    return [golden for turn in turns for golden in turn][: max(count, len(streams))]


def unserved_tasks(predictor: Predictor) -> list[str]:
    """Tasks of the release that no endpoint answers: trained, gated and packaged, but not probed."""
    tasks = predictor.checkpoint.suite.tasks
    return [task.name for task in tasks if not any(_serves(endpoint, task, tasks) for endpoint in ENDPOINTS.values())]


def answered_scores(endpoint: str, answer: dict[str, Any]) -> Scores:
    """The scores in a response, named as in `Golden.expected`."""
    return ENDPOINTS[endpoint].scores(answer)


def _serves(endpoint: Endpoint, task: Task, tasks: list[Task]) -> bool:
    return endpoint.serves(task) and endpoint.needs in ("", *(other.name for other in tasks))


def _examples(folder: Path, task: str) -> pd.DataFrame:
    path = folder / f"{task}.parquet"
    if not path.is_file():
        raise ReleaseError(
            f"task {task!r} has no example table {path}", remedy="give the examples that the checkpoint was trained on"
        )
    frame = pd.read_parquet(path)
    test = frame[frame["split"] == "test"] if "split" in frame else frame
    return test if len(test) else frame
