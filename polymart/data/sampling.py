"""Fewer examples without tearing clusters apart."""

from __future__ import annotations

import pandas as pd

from polymart.config import Limits
from polymart.data.tables import unit_hash


def limit_clusters(frame: pd.DataFrame, cluster: str, limits: Limits, seed: int) -> pd.DataFrame:
    """Keep at most ``limits`` rows per split, as whole clusters in an order that the seed alone decides.

    A cluster that would exceed the limit is passed over and the next one is tried. Where even the first cluster
    alone exceeds the limit, its earliest rows are kept.

    Args:
        frame: rows with ``split`` and the cluster column.
        cluster: name of the cluster column.
        limits: most rows per split; 0 keeps all.
        seed: of the suite.
    """
    most = {"train": limits.train, "val": limits.val, "test": limits.test}
    parts = [_limit(frame[frame.split == name], cluster, limit, seed, name) for name, limit in most.items()]
    return pd.concat(parts).sort_index()


def _limit(part: pd.DataFrame, cluster: str, limit: int, seed: int, split: str) -> pd.DataFrame:
    if not limit or len(part) <= limit:
        return part
    sizes = part.groupby(cluster, sort=False).size()
    order = sorted(sizes.index, key=lambda value: unit_hash(seed, split, value))
    if sizes[order[0]] > limit:
        return part[part[cluster] == order[0]].head(limit)
    kept, rows = set(), 0
    for value in order:
        if rows + sizes[value] <= limit:
            kept.add(value)
            rows += sizes[value]
    return part[part[cluster].isin(kept)]
