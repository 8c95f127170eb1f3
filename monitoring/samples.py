"""What a profile cannot tell and a sample of rows can: how alike rows of one event time are, what scores go with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring.columns import SCORE
from monitoring.observations import intraclass_correlation
from monitoring.profile import Column, Profile, Source
from monitoring.profile.compare import OTHER, decile_ends, named_categories
from monitoring.profile.scan import TEXT_WORDS, values_by_row
from monitoring.profile.source import batches


def words_of(profile: Profile) -> frozenset[str] | None:
    """Words that were profiled; None without a text column."""
    words = profile.columns[TEXT_WORDS].names if TEXT_WORDS in profile.columns else None
    return None if words is None else frozenset(words.names.tolist())


class Sample(NamedTuple):
    """Some rows: their names, event times, and the bucket of every column."""

    ids: pd.Series
    times: pd.Series
    buckets: pd.DataFrame


def draw(source: Source, profile: Profile, most: int) -> Sample:
    """At most ``most`` rows of a source, in the buckets of its profile."""
    drawn = source.sample(most)
    parts = []
    for batch in batches(drawn):
        values = values_by_row(batch, drawn, words_of(profile))
        buckets = pd.DataFrame({name: _bucketed(column, profile.columns[name]) for name, column in values.items()})
        parts.append(Sample(batch["id"].to_pandas(), batch["time"].to_pandas(), buckets))
    if not parts:
        return Sample(pd.Series(dtype=object), pd.Series(dtype=float), pd.DataFrame())
    return Sample(*(pd.concat(some, ignore_index=True) for some in zip(*parts, strict=True)))


def correlations_of(rows: Sample) -> dict[str, float]:
    """Intraclass correlation of every column's buckets; rounded, since the order of rows moves a sum's last digits."""
    found = {}
    for name, buckets in rows.buckets.items():
        known = buckets.notna() & rows.times.notna()
        found[str(name)] = round(intraclass_correlation(buckets[known], rows.times[known]), 6)
    return found


def dependence_of(rows: Sample, scores: pd.Series) -> dict[str, float]:
    """Of every column the share of the scores' variance that lies between its buckets, corrected for chance.

    This is the correlation ratio epsilon squared (Kelley 1935). It tells what goes with a column, not what the column
    does: of two columns that say the same both depend.
    """
    of_row = rows.ids.map(scores)
    scored = of_row.notna()
    return {
        str(name): _variance_between(buckets[scored], of_row[scored].astype(float))
        for name, buckets in rows.buckets.items()
    }


def _variance_between(buckets: pd.Series, scores: pd.Series) -> float:
    grouped = scores.groupby(buckets.fillna("(missing)").astype(str))
    within, total = (
        float(((scores - grouped.transform("mean")) ** 2).sum()),
        float(((scores - scores.mean()) ** 2).sum()),
    )
    freedom = len(scores) - grouped.ngroups
    if total <= 0 or freedom <= 0:
        return 0.0
    return round(max(0.0, 1 - within / freedom * (len(scores) - 1) / total), 6)


def scores_of(source: Source) -> pd.Series:
    """Score by row name."""
    parts = [
        pd.Series(batch["n:" + SCORE].to_numpy(zero_copy_only=False), batch["id"].to_pandas())
        for batch in batches(source)
    ]
    return pd.concat(parts).groupby(level=0).first()


def _bucketed(values: np.ndarray | pa.Array, column: Column) -> pd.Series:
    """The bucket of each value, as `distance` cuts the reference; missing stays missing."""
    if column.numbers is not None:
        numbers = column.numbers
        edges = numbers.highs[decile_ends(numbers.counts)] if numbers.total else np.array([])
        rows = pd.Series(values, dtype="float64")
        return pd.Series(np.searchsorted(edges, rows)).where(np.isfinite(rows))
    assert column.names is not None
    assert isinstance(values, pa.Array)
    names = values.to_pandas()
    kept = column.names.names[named_categories(column.names)]
    return names.where(names.isin(kept) | names.isna(), OTHER)
