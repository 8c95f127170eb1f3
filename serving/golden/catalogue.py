"""Golden requests of the endpoints that look into the catalogue; the reference scores all of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.item_index import encode_items
from polymart.model.predictor import Predictor
from serving.catalogue import NEXT_PRODUCT, SEARCH
from serving.catalogue.build import items_of, products_of, reads_two_texts
from serving.contract import MAX_TEXT, MAX_TOP
from serving.golden import entities
from serving.golden.records import Golden, Reference
from serving.scoring import RECOMMEND


def is_recommended(task: Task) -> bool:
    """Whether `/recommend` answers with this task."""
    return task.name == RECOMMEND or (task.name == NEXT_PRODUCT and task.kind == "retrieval")


def is_searched(task: Task) -> bool:
    """Whether `/search` answers with this task, in a release that has products."""
    return task.name == SEARCH and reads_two_texts(task)


def recommend(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Households of the table, with the scores of all categories, or of all products beside the best product's."""
    if task == RECOMMEND:
        yield from entities.recommend(reference, task, frame)
        return
    predictor = reference.predictor
    items = predictor.catalogues[task]
    for household in entities.unique(frame, ["household_id"]):
        row = entities.online(reference, task, [household])
        if row is not None:
            ranked_BK, shares_BK = predictor.top_items(task, row, len(items))
            expected = dict(
                zip(map(str, items.ids_I[ranked_BK[0]]), (shares_BK[0] / shares_BK[0, 0]).tolist(), strict=True)
            )
            yield Golden("recommend", {**household, "top": MAX_TOP}, {task: expected})


def beside_the_best(products: list[dict[str, Any]]) -> dict[str, float]:
    """Scores of recommended products divided by the best one's: the denominator of the shares is an estimate."""
    return {str(product["item_id"]): product["score"] / products[0]["score"] for product in products}


def search(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Queries of the table, with the score of every product text."""
    predictor = reference.predictor
    inputs, head = predictor.checkpoint.suite.task(task).inputs, predictor.model.head(task)
    names, texts_VD = _product_texts(predictor)
    for query in frame[inputs.text].dropna().map(str.strip).unique():
        if 0 < len(query) <= MAX_TEXT:
            batch = predictor.collators[task](pd.DataFrame({inputs.text: [query], inputs.text_pair: [query]}))
            with torch.inference_mode():
                query_BD = predictor.model.encode(task, batch.to(predictor.device))
                assert query_BD is not None, "a search reads a text"
                outputs_VO = head(Batch(size=len(texts_VD)), query_BD.expand(len(texts_VD), -1), texts_VD)
                score_V = predictor.kinds[task].activate(outputs_VO.float())[:, 0].tolist()
            expected = dict(zip(names, score_V, strict=True))
            yield Golden("search", {"query": query, "top": MAX_TOP}, {task: expected}, exhaustive=False)


@lru_cache(maxsize=1)  # the catalogue is packaged with the trained encoder, also where a runtime stands in for it later
def _product_texts(predictor: Predictor) -> tuple[list[str], Tensor]:
    """Each product text as answers show it, and its vector."""
    items = items_of(predictor, SEARCH)
    with torch.inference_mode():
        texts_VD = encode_items(predictor.model, SEARCH, items)
    products = products_of(predictor, items)
    return products.texts_I[products.first_of(np.arange(len(texts_VD)))].tolist(), texts_VD
