"""At packaging: the vectors of all products and an index of their neighbours, bound to the checkpoint.

``<task>/vectors.npy`` and ``<task>/index.usearch`` (see `mapped`) for `next_product` (the head's item vectors) and
for `search_relevance` (vectors of product texts as the encoder makes them), and a manifest (see `serving.sealed`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from polymart.config import Suite, Task
from polymart.files import atomic_folder
from polymart.model.item_index import encode_items
from polymart.model.items import Items
from polymart.model.predictor import Predictor
from polymart.model.retrieval import RetrievalHead
from serving.catalogue.mapped import write_vectors
from serving.catalogue.products import Products
from serving.catalogue.ranking import indexed
from serving.catalogue.searching import unit
from serving.sealed import seal

NEXT_PRODUCT, SEARCH = "next_product", "search_relevance"
"""The tasks that need a catalogue; the products of both are the item table of the first."""


def recommends_products(suite: Suite) -> bool:
    """Whether a release of ``suite`` has products, so that it needs a catalogue."""
    return any(task.name == NEXT_PRODUCT and task.kind == "retrieval" for task in suite.tasks)


def searches_products(suite: Suite) -> bool:
    """Whether a release of ``suite`` can rank its products for a query."""
    return recommends_products(suite) and any(task.name == SEARCH and reads_two_texts(task) for task in suite.tasks)


def reads_two_texts(task: Task) -> bool:
    """Whether ``task`` ranks a second text for a first one and reads nothing else."""
    others = task.inputs.model_dump(exclude={"text", "text_pair"}, exclude_defaults=True)
    return task.kind == "ranking" and bool(task.inputs.text_pair) and not others


def build_catalogue(predictor: Predictor, out: Path) -> None:
    """Encode the products and write the folder ``out``, replaced whole.

    Args:
        predictor: of the release's checkpoint, as it was saved; its suite `recommends_products`.
        out: the folder.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_folder(out) as folder, torch.inference_mode():
        model, items = predictor.model, items_of(predictor, NEXT_PRODUCT)
        texts_VD = encode_items(model, NEXT_PRODUCT, items)
        head = model.head(NEXT_PRODUCT)
        assert isinstance(head, RetrievalHead)
        vectors_VD, bias_V = head.item_vectors(texts_VD).cpu().numpy(), products_of(predictor, items).best_bias_V
        write_vectors(folder / NEXT_PRODUCT, vectors_VD, indexed(vectors_VD, bias_V, head.log_scale.exp().item()))
        if searches_products(predictor.checkpoint.suite):
            searched = items_of(predictor, SEARCH)
            if searched is not items or model.encoder_of(SEARCH) is not model.encoder_of(NEXT_PRODUCT):
                texts_VD = encode_items(model, SEARCH, searched)
            plain_VD = texts_VD.cpu().numpy()
            write_vectors(folder / SEARCH, plain_VD, unit(plain_VD))
        seal(folder, predictor.checkpoint.digest)


def items_of(predictor: Predictor, task: str) -> Items:
    """The products with their texts cut as ``task`` reads them; the same object where that is as next_product does."""
    suite = predictor.checkpoint.suite
    name = suite.task(NEXT_PRODUCT).items
    assert name, "a retrieval task names its items"
    if suite.max_tokens(suite.task(task)) == suite.max_tokens(suite.task(NEXT_PRODUCT)):
        return predictor.catalogues[NEXT_PRODUCT]
    return Items.of(predictor.checkpoint.items[name], predictor.collators[task].tokenizer)


def products_of(predictor: Predictor, items: Items) -> Products:
    """What is known of the products beside their vectors."""
    head, name = predictor.model.head(NEXT_PRODUCT), predictor.checkpoint.suite.task(NEXT_PRODUCT).items
    assert isinstance(head, RetrievalHead) and name  # noqa: PT018 - what next_product is
    bias_I: np.ndarray = head.bias_I.detach().cpu().numpy()
    return Products(predictor.checkpoint.items[name], items.text_index_I, bias_I)
