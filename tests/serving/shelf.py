"""A release that recommends and searches products: 60 products of 30 texts, random weights, eight households."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from checkpoints import HOUSEHOLDS, LABELS, SUITE, example_tables, feature_tables
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer

from feature_repo import retrieval
from polymart.config import Suite
from polymart.model.encoder import TextEncoder
from polymart.model.multitask import MultiTaskModel
from polymart.model.predictor import Predictor
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import TargetStatistics
from polymart.training.checkpoint import Checkpoint, TaskState, save_checkpoint
from serving.catalogue import build_catalogue, catalogue_folder

GOODS = {
    "bread": "pastry",
    "milk": "grocery",
    "cheese": "deli",
    "tea": "grocery",
    "soup": "grocery",
    "fruit": "produce",
}
FORMS = ("good", "sour", "white", "small", "old")
NUM_PRODUCTS = 2 * len(GOODS) * len(FORMS)
TASKS = [
    {
        "name": "next_product", "kind": "retrieval", "source": "next_product", "items": "products",
        "feature_service": "next_product", "metric": "recall@20", "floor": "popularity", "cluster": "household_id",
        "max_tokens": 24,
        "inputs": {"text": "history_text", "numeric": ["num_baskets"], "label_history": "product"},
    },
    {
        "name": "search_relevance", "kind": "ranking", "source": "search_relevance", "group": "query_id",
        "metric": "ndcg@10", "floor": "bm25", "cluster": "query_id", "max_tokens": 24,
        "inputs": {"text": "query", "text_pair": "product_text"},
    },
]  # fmt: skip


def shelf_suite(*names: str) -> Suite:
    """The tasks with products beside next_category and sentiment; only the named ones, if any is named."""
    tasks = [SUITE.task("next_category").model_dump(), SUITE.task("sentiment").model_dump(), *TASKS]
    chosen = [task for task in tasks if not names or task["name"] in names]
    return Suite.model_validate({**SUITE.model_dump(mode="json"), "tasks": chosen}, strict=False)


def products() -> pd.DataFrame:
    """The item table; every text stands for two products."""
    rows = [(f"{form} {name}, national brand, {name}, {of}", name) for name, of in GOODS.items() for form in FORMS]
    return pd.DataFrame(
        {
            "item_id": np.arange(NUM_PRODUCTS) * 10 + 5,
            "text": [rows[i % len(rows)][0] for i in range(NUM_PRODUCTS)],
            "category": [rows[i % len(rows)][1] for i in range(NUM_PRODUCTS)],
        }
    )


def household_products() -> pd.DataFrame:
    """The feature table: household h bought h + 1 products."""
    numbers = np.random.default_rng(3)
    ids = [np.sort(numbers.permutation(NUM_PRODUCTS)[: h + 1]).astype(np.int64) for h in HOUSEHOLDS]
    lists = {
        f"product_{part}": [numbers.integers(1, 9, len(i)).astype(np.float32) for i in ids]
        for part in ("count", "decayed", "gap")
    }
    stamps = feature_tables()["household_profile"][["event_timestamp", "created_timestamp"]]
    return pd.DataFrame({"household_id": list(HOUSEHOLDS), "product_ids": ids, **lists}).join(stamps)


def shelf_features() -> dict[str, pd.DataFrame]:
    """``tables/features`` of the release."""
    return feature_tables() | {"household_products": household_products()}


def shelf_examples() -> dict[str, pd.DataFrame]:
    """One example table per task, all of it test split."""
    tables = example_tables()
    bought = household_products().drop(columns=["event_timestamp", "created_timestamp"])
    texts = products()["text"]
    return {
        "next_category": tables["next_category"],
        "sentiment": tables["sentiment"],
        "next_product": tables["next_category"].merge(bought, on="household_id"),
        "search_relevance": pd.DataFrame(
            {
                "query": ["sour milk", "tea", "old bread"],
                "query_id": ["0", "1", "2"],
                "product_text": texts[:3],
                "split": "test",
            }
        ),
    }


def fill_shelf(folder: Path) -> None:
    """Write ``examples``, ``tables`` and a materialised ``store`` into ``folder``."""
    for part, tables in (("examples", shelf_examples()), ("tables/features", shelf_features())):
        (folder / part).mkdir(parents=True)
        for name, table in tables.items():
            table.to_parquet(folder / part / f"{name}.parquet", coerce_timestamps="us")
    retrieval.apply(folder / "tables", folder / "store")
    retrieval.materialize(folder / "store")


def save_shelf_checkpoint(folder: Path, suite: Suite, seed: int = 1, scale: float = 3.0) -> Predictor:
    """Write a checkpoint with random weights and, beside it, its catalogue; returns the predictor that was saved."""
    torch.manual_seed(seed)
    tokenizer = fit_tokenizer(tiny_tokenizer([*GOODS, *FORMS]), suite.encoder.max_tokens)
    tables, labels = shelf_examples(), {**LABELS, "next_product": None, "search_relevance": None}
    sizes = {"next_category": len(LABELS["next_category"]), "next_product": NUM_PRODUCTS}
    states = {
        task.name: TaskState(
            labels=labels[task.name], data_origin="synthetic", target=TargetStatistics(),
            statistics=fit_statistics(tables[task.name], task.inputs, sizes.get(task.name, 0)))
        for task in suite.tasks
    }  # fmt: skip
    model = MultiTaskModel.build(
        TextEncoder(tiny_bert(tokenizer.get_vocab_size(), seed), 2), suite.tasks,
        {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()},
    )  # fmt: skip
    for name, parameter in model.heads.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        for parameter in model.branches.parameters():  # a fresh copy would answer as the layers that all share
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    if "next_product" in model.heads:
        model.heads["next_product"].log_scale.data.fill_(np.log(scale))
        model.heads["next_product"].bias_I.data.copy_(-3 + 2 * torch.randn(NUM_PRODUCTS))
    items = {"products": products()} if "next_product" in model.heads else {}
    save_checkpoint(Checkpoint(model.eval(), tokenizer, suite, states, items), folder)
    predictor = Predictor.load(folder)
    if items:
        build_catalogue(predictor, catalogue_folder(folder))
    return predictor
