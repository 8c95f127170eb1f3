"""Golden requests: real entities and texts of the example tables with the answers that the trainer's code gives.

The reference reads the same online features but takes the other way through the model: `Predictor.scores`, task by
task, instead of the service's scorer with its shared encoder pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from polymart.errors import ReleaseError
from polymart.model.predictor import Predictor
from serving.contract import MAX_TEXT, MAX_TOP
from serving.features import Features
from serving.refusals import UnknownEntityError
from serving.scoring import ADS, DEMAND, RECOMMEND, is_text_only

Scores = dict[str, dict[str, float]]
"""Per task: name of each score (label, campaign, quantile) to its value."""
CAMPAIGNS = 10
"""Campaigns ranked in one golden request."""


@dataclass(frozen=True)
class Golden:
    """One request and the scores it must be answered with."""

    endpoint: str
    body: dict[str, Any]
    expected: Scores


def golden_requests(predictor: Predictor, features: Features, examples: Path, count: int) -> list[Golden]:
    """``count`` requests that together reach every task that an endpoint serves, endpoints taking turns.

    Raises:
        ReleaseError: a served task has no example table, none of its entities is in the feature store, or no
            endpoint serves any task of the release.
    """
    tasks = predictor.checkpoint.suite.tasks
    makers = {RECOMMEND: _recommend, ADS: _ads, DEMAND: _demand}
    text_tasks = [task.name for task in tasks if is_text_only(task)]
    if len(unserved := unserved_tasks(predictor)) == len(tasks):
        raise ReleaseError(
            f"no endpoint serves any of the tasks {', '.join(unserved)}",
            remedy="add an endpoint in serving/service.py, or a task that one serves",
        )
    streams = [
        makers[task.name](predictor, features, _examples(examples, task.name)) for task in tasks if task.name in makers
    ]
    streams += [_understand(predictor, _examples(examples, name), text_tasks) for name in text_tasks]
    per_stream = -(-count // len(streams))
    distinct = [list(islice(stream, per_stream)) for stream in streams]
    for task, found in zip([t.name for t in tasks if t.name in makers] + text_tasks, distinct, strict=True):
        if not found:
            raise ReleaseError(
                f"no entity of task {task!r} is in the feature store",
                remedy="materialise the feature store of the same tables",
            )
    # A small table is asked over and over: latency wants many requests more than it wants new ones.
    turns = zip(*(islice(cycle(found), per_stream) for found in distinct), strict=True)
    return [golden for turn in turns for golden in turn][: max(count, len(streams))]


def unserved_tasks(predictor: Predictor) -> list[str]:
    """Tasks of the release that no endpoint answers: trained, gated and packaged, but not probed."""
    served = (RECOMMEND, ADS, DEMAND)
    return [t.name for t in predictor.checkpoint.suite.tasks if t.name not in served and not is_text_only(t)]


def answered_scores(endpoint: str, answer: dict[str, Any]) -> Scores:
    """The scores in a response, named as in `Golden.expected`."""
    if endpoint == "recommend":
        return {RECOMMEND: {item["label"]: item["score"] for item in answer["items"]}}
    if endpoint == "ads":
        return {ADS: {str(item["campaign_id"]): item["score"] for item in answer["items"]}}
    if endpoint == "demand":
        return {DEMAND: answer["quantiles"]}
    return {task: _text_scores(found) for task, found in answer["tasks"].items()}


def difference(found: dict[str, float], expected: dict[str, float]) -> float:
    """Largest |found - expected| / max(1, |expected|); infinite when a score is foreign, absent or out of rank.

    A response may hold only the best scores: then none that it leaves out may be better than one that it holds.
    """
    if not found or not found.keys() <= expected.keys():
        return float("inf")
    gaps = [abs(value - expected[name]) / max(1.0, abs(expected[name])) for name, value in found.items()]
    left_out = [value for name, value in expected.items() if name not in found]
    if left_out:
        gaps.append(max(left_out) - min(expected[name] for name in found))
    return max(gap if gap == gap else float("inf") for gap in gaps)  # NaN differs from everything


def _examples(folder: Path, task: str) -> pd.DataFrame:
    path = folder / f"{task}.parquet"
    if not path.is_file():
        raise ReleaseError(
            f"task {task!r} has no example table {path}", remedy="give the examples that the checkpoint was trained on"
        )
    frame = pd.read_parquet(path)
    test = frame[frame["split"] == "test"] if "split" in frame else frame
    return test if len(test) else frame


def _recommend(predictor: Predictor, features: Features, frame: pd.DataFrame) -> Iterator[Golden]:
    labels = predictor.checkpoint.tasks[RECOMMEND].labels or []
    for household in _unique(frame, ["household_id"]):
        row = _features(predictor, features, RECOMMEND, [household])
        if row is not None:
            expected = dict(zip(labels, map(float, predictor.scores(RECOMMEND, row)[0]), strict=True))
            yield Golden("recommend", {**household, "top": MAX_TOP}, {RECOMMEND: expected})


def _ads(predictor: Predictor, features: Features, frame: pd.DataFrame) -> Iterator[Golden]:
    campaigns = [row["campaign_id"] for row in _unique(frame, ["campaign_id"])][:CAMPAIGNS]
    for household in _unique(frame, ["household_id"]):
        rows = _features(predictor, features, ADS, [{**household, "campaign_id": c} for c in campaigns])
        if rows is not None:
            scores_B = predictor.scores(ADS, rows)[:, 0]
            expected = {str(c): float(score) for c, score in zip(campaigns, scores_B, strict=True)}
            yield Golden("ads", {**household, "campaign_ids": campaigns}, {ADS: expected})


def _demand(predictor: Predictor, features: Features, frame: pd.DataFrame) -> Iterator[Golden]:
    for series in _unique(frame, ["category_id", "store_id"]):
        row = _features(predictor, features, DEMAND, [series])
        if row is not None:
            yield Golden("demand", series, {DEMAND: predictor.answer(DEMAND, row)[0]})


def _understand(predictor: Predictor, frame: pd.DataFrame, tasks: list[str]) -> Iterator[Golden]:
    source = next(column for column in (predictor.columns(task)[0] for task in tasks) if column in frame)
    for text in frame[source].dropna().map(str.strip).unique():
        if 0 < len(text) <= MAX_TEXT:
            frames = {task: pd.DataFrame({predictor.columns(task)[0]: [text]}) for task in tasks}
            expected = {task: _text_scores(predictor.answer(task, one, MAX_TOP)[0]) for task, one in frames.items()}
            yield Golden("understand", {"text": text, "top": MAX_TOP}, expected)


def _features(predictor: Predictor, features: Features, task: str, rows: list[dict[str, int]]) -> pd.DataFrame | None:
    """The online features of ``rows``; None when the store does not know one of them."""
    try:
        found = features.read(predictor.checkpoint.suite.task(task).feature_service or task, rows)
    except UnknownEntityError:
        return None
    return pd.DataFrame([{**keys, **row} for keys, row in zip(rows, found, strict=True)])


def _text_scores(answer: dict[str, Any]) -> dict[str, float]:
    """The named scores of any kind of answer."""
    if "scores" in answer:
        return dict(answer["scores"])
    if "items" in answer:
        return {item["label"]: item["score"] for item in answer["items"]}
    return {name: value for name, value in answer.items() if isinstance(value, float)}


def _unique(frame: pd.DataFrame, keys: list[str]) -> Iterator[dict[str, int]]:
    for row in frame[keys].drop_duplicates().itertuples(index=False):
        yield {key: int(value) for key, value in zip(keys, row, strict=True)}
