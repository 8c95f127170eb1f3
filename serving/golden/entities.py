"""Golden requests of the endpoints that read features: their entities come from the example tables."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from serving.answers.household import REPURCHASE
from serving.contract import MAX_TOP
from serving.golden.records import Golden, Reference
from serving.refusals import UnknownEntityError
from serving.scoring import ADS, DEMAND, RECOMMEND

CAMPAIGNS, CATEGORIES = 10, 10
"""Campaigns and categories in one golden request."""


def recommend(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Households of the table, with the scores of all categories."""
    labels = reference.predictor.checkpoint.tasks[RECOMMEND].labels or []
    for household in unique(frame, ["household_id"]):
        row = online(reference, task, [household])
        if row is not None:
            expected = dict(zip(labels, map(float, reference.predictor.scores(task, row)[0]), strict=True))
            yield Golden("recommend", {**household, "top": MAX_TOP}, {RECOMMEND: expected})


def ads(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Households of the table, each with its first `CAMPAIGNS` campaigns."""
    campaigns = [row["campaign_id"] for row in unique(frame, ["campaign_id"])][:CAMPAIGNS]
    for household in unique(frame, ["household_id"]):
        rows = online(reference, task, [{**household, "campaign_id": campaign} for campaign in campaigns])
        if rows is not None:
            scores_B = reference.predictor.scores(task, rows)[:, 0]
            expected = {str(c): float(score) for c, score in zip(campaigns, scores_B, strict=True)}
            yield Golden("ads", {**household, "campaign_ids": campaigns}, {ADS: expected})


def demand(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Series of the table."""
    for series in unique(frame, ["category_id", "store_id"]):
        row = online(reference, task, [series])
        if row is not None:
            yield Golden("demand", series, {DEMAND: reference.predictor.answer(task, row)[0]})


def household(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Households of the table, and with `REPURCHASE` their categories."""
    if task == REPURCHASE:
        yield from _repurchase(reference, task, frame)
        return
    for keys in unique(frame, ["household_id"]):
        row = online(reference, task, [keys])
        if row is not None:
            score = float(reference.predictor.scores(task, row)[0, 0])
            yield Golden("household", keys, {task: {"score": score}})


def _repurchase(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    for keys in unique(frame, ["household_id"]):
        own = frame[frame["household_id"] == keys["household_id"]]
        categories = [row["category_id"] for row in unique(own, ["category_id"])][:CATEGORIES]
        found = online(reference, task, [{**keys, "category_id": category} for category in categories])
        if found is not None:
            scores_B = reference.predictor.scores(task, found)[:, 0]
            expected = {str(c): float(score) for c, score in zip(categories, scores_B, strict=True)}
            yield Golden("household", {**keys, "category_ids": categories}, {task: expected})


def online(reference: Reference, task: str, rows: list[dict[str, int]]) -> pd.DataFrame | None:
    """The online features of ``rows``; None when the store does not know one of them."""
    service = reference.predictor.checkpoint.suite.task(task).feature_service or task
    try:
        found = reference.features.read(service, rows)
    except UnknownEntityError:
        return None
    return pd.DataFrame([{**keys, **row} for keys, row in zip(rows, found, strict=True)])


def unique(frame: pd.DataFrame, keys: list[str]) -> Iterator[dict[str, int]]:
    """Each combination of the table's ids once."""
    for row in frame[keys].drop_duplicates().itertuples(index=False):
        yield {key: int(value) for key, value in zip(keys, row, strict=True)}
