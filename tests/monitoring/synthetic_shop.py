"""A small synthetic shop: one count task with every kind of column, one text task without time."""

from __future__ import annotations

import numpy as np
import pandas as pd

SUITE = {
    "name": "tiny",
    "tasks": [
        {
            "name": "units",
            "kind": "count",
            "source": "units",
            "metric": "wape",
            "floor": "last_value",
            "cluster": "series_id",
            "split": {"val_from": "2024-04-01", "test_from": "2024-04-29"},
            "inputs": {"text": "title", "numeric": ["price", "lag"], "categorical": ["aisle"]},
        },
        {
            "name": "intent",
            "kind": "multiclass",
            "source": "intent",
            "inputs": {"text": "title"},
            "metric": "accuracy",
            "floor": "majority",
            "cluster": "example_id",
        },
    ],
}
WORDS = np.array(["red", "blue", "green", "shirt", "shoe", "hat", "large", "small", "cotton", "wool"])


def make_examples(num_rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Rows over 24 weeks from 2024-01-01: train to March, val in April, test in four windows of 14 days."""
    random = np.random.default_rng(seed)
    days = np.sort(random.integers(0, 175, num_rows))
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(days * 86_400 + random.integers(0, 86_400, num_rows), unit="s")
    split = np.select([times < "2024-04-01", times < "2024-04-29"], ["train", "val"], "test")
    return pd.DataFrame(
        {
            "example_id": [f"e{i:06d}" for i in range(num_rows)],
            "series_id": [f"s{i:05d}" for i in range(num_rows)],
            "event_timestamp": times.astype("datetime64[us]"),
            "split": split,
            "price": random.lognormal(1, 0.7, num_rows),
            "lag": random.poisson(4, num_rows),
            "aisle": random.choice(["dairy", "bread", "wine"], num_rows),
            "title": [" ".join(random.choice(WORDS, random.integers(2, 8))) for _ in range(num_rows)],
            "label": random.poisson(4, num_rows),
        }
    )


def make_predictions(examples: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = examples[examples["split"] != "train"]
    score = np.clip(rows["label"] + random.normal(0, 1, len(rows)), 0, None)
    return pd.DataFrame(
        {
            "example_id": rows["example_id"],
            "cluster": rows["series_id"],
            "prediction": score,
            "event_timestamp": rows["event_timestamp"],
            "split": rows["split"],
            "label": rows["label"].astype(float),
            "score": score,
        }
    )


def in_last(table: pd.DataFrame, days: int) -> pd.Series:
    """Test rows of the last ``days`` days (the newest windows begin on 2024-06-10 and 2024-05-27)."""
    since = pd.Timestamp("2024-06-24") - pd.Timedelta(days=days)
    return (table["split"] == "test") & (table["event_timestamp"] >= since)
