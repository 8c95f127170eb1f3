"""Fewer examples, drawn evenly over all clusters."""

from __future__ import annotations

import pandas as pd

from polymart.config import Limits
from polymart.data.tables import unit_hash


def limit_rows(frame: pd.DataFrame, limits: Limits, seed: int) -> pd.DataFrame:
    """Keep at most ``limits`` rows per split: those whose hash of seed and ``example_id`` is smallest.

    A row's place in the order depends on nothing else, so data that grows changes the sample only at its edge.
    Rows, not whole clusters, are drawn: more households teach more than more baskets of the same ones, and a
    cluster bootstrap stays right however many rows of a cluster are present.

    Args:
        frame: rows with ``split`` and ``example_id``.
        limits: most rows per split; 0 keeps all.
        seed: of the suite.
    """
    most = {"train": limits.train, "val": limits.val, "test": limits.test}
    parts = [_limit(frame[frame["split"] == name], limit, seed) for name, limit in most.items()]
    return pd.concat(parts).sort_index()


def _limit(part: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    if not limit or len(part) <= limit:
        return part
    order = part["example_id"].map(lambda example: unit_hash(seed, example)).sort_values(kind="stable")
    return part.loc[order.index[:limit]]
