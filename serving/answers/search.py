"""``/search``: products for a query."""

from __future__ import annotations

from typing import Any

from serving.catalogue import SEARCH, Catalogue
from serving.contract import SearchRequest
from serving.scoring import Scorer


def search(scorer: Scorer, catalogue: Catalogue, request: SearchRequest) -> list[dict[str, Any]]:
    """Products, best first.

    Raises:
        UnknownTaskError: the release cannot search its products.
        OverloadedError: too many texts wait for the encoder.
    """
    if catalogue.search is None:
        raise scorer.absent("searches the products of this release")
    suite = scorer.predictor.checkpoint.suite
    query_BD = scorer.vectors_of(SEARCH).encode([request.query], suite.max_tokens(suite.task(SEARCH)))
    return catalogue.search.top(query_BD.to(scorer.predictor.device), request.top)
