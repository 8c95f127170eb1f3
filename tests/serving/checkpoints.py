"""Builds a tiny but whole release: feature tables, example tables and a checkpoint with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from polymart.config import Suite, load_suite
from polymart.model.encoder import TextEncoder
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import TargetStatistics
from polymart.training.checkpoint import Checkpoint, TaskState, save_checkpoint

SUITE = load_suite(Path(__file__).parents[2] / "suites" / "quick.yaml")
LABELS = {
    "next_category": ["BREAD", "CHEESE", "FRUIT", "MILK", "SOUP", "TEA"],
    "coupon_response": None,
    "demand": None,
    "sentiment": ["negative", "neutral", "positive"],
    "intent": ["lost_card", "refund", "top_up", "verify"],
}
HOUSEHOLDS, CAMPAIGNS = range(1, 9), range(1, 4)
SERIES = [(category, store) for category in range(4) for store in (31, 32)]
TEXTS = [
    "where is my refund",
    "the milk was sour",
    "bread is good",
    "i lost my card",
    "tea and cheese are good",
    "top up",
]
NOW = pd.Timestamp("2017-12-01")
PROFILE = ["num_baskets", "basket_value_mean", "basket_items_mean", "gap_days_mean", "gap_days_last", "baskets_28d",
           "coupon_items_share", "redemptions_past", "campaigns_past"]  # fmt: skip
SERIES_NUMBERS = ["units_lag1", "units_lag2", "units_lag3", "units_mean4", "units_mean13", "units_std13",
                  "zero_weeks13", "chain_lag1", "chain_mean4", "week_of_year_sin", "week_of_year_cos"]  # fmt: skip


def feature_tables() -> dict[str, pd.DataFrame]:
    """``tables/features`` of a shop with eight households, three campaigns and eight series."""
    numbers = np.random.default_rng(5)

    def rows(keys: dict[str, list], columns: list[str]) -> pd.DataFrame:
        size = len(next(iter(keys.values())))
        return pd.DataFrame(
            {
                **keys,
                **{c: numbers.gamma(2.0, 3.0, size) for c in columns},
                "event_timestamp": NOW,
                "created_timestamp": NOW,
            }
        )

    households, campaigns = list(HOUSEHOLDS), list(CAMPAIGNS)
    history = rows({"household_id": households}, [])
    ids = [np.sort(numbers.permutation(6)[: 1 + h % 4]).astype(np.int64) for h in households]
    history["history_text"] = [TEXTS[h % len(TEXTS)] for h in households]
    history["category_ids"] = ids
    for part in ("count", "decayed", "gap"):
        history[f"category_{part}"] = [numbers.gamma(2.0, 1.0, len(i)).astype(np.float32) for i in ids]
    campaign = rows({"campaign_id": campaigns}, ["duration_days", "num_coupon_products"])
    campaign["campaign_text"], campaign["campaign_type"] = TEXTS[:3], ["Type A", "Type B", "Type A"]
    pairs = [(h, c) for h in households for c in campaigns if c != 3]  # campaign 3 was sent to nobody yet
    series = rows({"category_id": [c for c, _ in SERIES], "store_id": [s for _, s in SERIES]}, SERIES_NUMBERS)
    series["category_text"] = [LABELS["next_category"][c].lower() for c, _ in SERIES]
    return {
        "household_profile": rows({"household_id": households}, PROFILE),
        "household_history": history,
        "campaign": campaign,
        "household_campaign": rows({"household_id": [h for h, _ in pairs], "campaign_id": [c for _, c in pairs]},
                                   ["coupon_product_buys", "coupon_category_share"]),
        "series_demand": series,
    }  # fmt: skip


def example_tables() -> dict[str, pd.DataFrame]:
    """One example table per task of `SUITE`, all of it test split."""
    stamps = ["event_timestamp", "created_timestamp"]
    features = {name: table.drop(columns=stamps) for name, table in feature_tables().items()}
    texts = pd.DataFrame({"text": TEXTS})
    tables = {
        "next_category": features["household_profile"].merge(features["household_history"], on="household_id"),
        "coupon_response": features["household_profile"].merge(features["household_campaign"], on="household_id")
        .merge(features["campaign"], on="campaign_id"),
        "demand": features["series_demand"],
        "sentiment": texts,
        "intent": texts,
    }  # fmt: skip
    return {name: table.assign(split="test", event_timestamp=NOW) for name, table in tables.items()}


def save_tiny_checkpoint(folder: Path, suite: Suite, seed: int = 1) -> str:
    """A checkpoint of two layers of width 32; every head has random weights. Returns its digest."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    tables = example_tables()
    states = {
        task.name: TaskState(
            labels=LABELS[task.name], data_origin="synthetic", target=TargetStatistics(temperature=1.7),
            statistics=fit_statistics(tables[task.name], task.inputs,
                                      len(LABELS[task.name]) if task.inputs.label_history else 0))
        for task in suite.tasks
    }  # fmt: skip
    model = MultiTaskModel.build(
        TextEncoder(BertModel(config, add_pooling_layer=False), 2), suite.tasks,
        {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()},
    )  # fmt: skip
    for head in model.heads.values():
        torch.nn.init.normal_(head.out.weight, std=0.2)  # a count head starts at zero, which would hide a wrong one
    tokenizer = fit_tokenizer(tokenizer, suite.encoder.max_tokens)
    return save_checkpoint(Checkpoint(model.eval(), tokenizer, suite, states), folder)


def processes_of(bento: Path) -> list[str]:
    """Command lines of processes that name the bento's folder."""
    lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(bento) in line]


def _tokenizer() -> Tokenizer:
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    words = sorted({word for text in TEXTS for word in text.split()})
    tokens = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *words])
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    return tokenizer
