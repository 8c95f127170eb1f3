"""The catalogue of a release, verified and mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polymart.model.heads import TaskHead
from polymart.model.predictor import Predictor
from polymart.model.retrieval import RetrievalHead
from serving.catalogue.build import (
    NEXT_PRODUCT,
    SEARCH,
    items_of,
    products_of,
    recommends_products,
    searches_products,
)
from serving.catalogue.mapped import MappedVectors
from serving.catalogue.ranking import ProductRanking
from serving.catalogue.searching import ProductSearch
from serving.sealed import verify_seal


@dataclass(frozen=True)
class Catalogue:
    """What a release finds its products with."""

    ranking: ProductRanking | None = None
    """None where the release recommends no products."""
    search: ProductSearch | None = None
    """None where it cannot search them."""


def catalogue_folder(checkpoint: Path) -> Path:
    """Where the catalogue of a checkpoint lies: beside it."""
    return Path(checkpoint).resolve().parent / "catalogue"


def open_catalogue(folder: Path, predictor: Predictor) -> Catalogue:
    """The catalogue that `serving.catalogue.build_catalogue` wrote; an empty one for a release without products.

    Raises:
        ReleaseError: it is absent, belongs to another checkpoint, or a file differs from its manifest.
    """
    suite = predictor.checkpoint.suite
    if not recommends_products(suite):
        return Catalogue()
    verify_seal(folder, predictor.checkpoint.digest)
    head, search = predictor.model.head(NEXT_PRODUCT), None
    assert isinstance(head, RetrievalHead)
    items = items_of(predictor, NEXT_PRODUCT)
    products = products_of(predictor, items)
    if searches_products(suite):
        ranker = predictor.model.head(SEARCH)
        assert isinstance(ranker, TaskHead)
        cut = items_of(predictor, SEARCH)
        searched = products if cut is items else products_of(predictor, cut)
        search = ProductSearch(ranker, predictor.kinds[SEARCH].activate, searched, MappedVectors(folder / SEARCH))
    return Catalogue(ProductRanking(head, products, MappedVectors(folder / NEXT_PRODUCT)), search)
