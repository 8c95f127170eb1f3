"""Profiles: merged parts equal the profile of the union, distances equal those of the raw rows."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from monitoring.profile import (
    Column,
    Moments,
    Numbers,
    Profile,
    Source,
    Tally,
    observations,
    profile_rows,
    profile_windows,
    read_profile,
    write_profile,
)
from monitoring.profile.compare import distance_of_numbers
from monitoring.profile.numbers import MAX_CELLS
from monitoring.profile.scan import TEXT_UNSEEN, TEXT_WORDS
from polymart.errors import MonitoringError

FLOATS = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=60)
WORDS = st.dictionaries(st.text(max_size=3), st.integers(1, 5), max_size=30)
few_cells = pytest.mark.parametrize("cells", [2, 5, 40])


@few_cells
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(FLOATS, min_size=2, max_size=4))
def test_merged_numbers_equal_those_of_the_union(cells, parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitoring.profile.numbers.MAX_CELLS", cells)
        sides = [Numbers.of(np.array(part, dtype=np.float64)) for part in parts]
        union = Numbers.of(np.concatenate([np.array(part, dtype=np.float64) for part in parts]))
        stepwise = sides[0]
        for side in sides[1:]:
            stepwise = Numbers.merged([side, stepwise])
        assert len(union.cells) <= cells
        assert Numbers.merged(sides).to_json() == stepwise.to_json() == union.to_json()


@settings(max_examples=60, deadline=None)
@given(values=FLOATS)
def test_every_number_lies_in_its_cell(values):
    finite = np.sort([value for value in values if np.isfinite(value)])
    numbers = Numbers.of(np.array(values, dtype=np.float64))
    assert numbers.total == len(finite)
    ends = np.cumsum(numbers.counts)
    for low, high, start, end in zip(numbers.lows, numbers.highs, [0, *ends], ends, strict=False):
        assert low <= finite[start]
        assert finite[end - 1] <= high
    assert all(low < high for low, high in pairwise(numbers.lows))


def test_few_distinct_values_are_exact_and_many_are_fine():
    random = np.random.default_rng(0)
    assert Numbers.of(random.integers(0, MAX_CELLS, 50_000).astype(float)).dropped == 0
    spread = random.lognormal(0, 2, 50_000)
    numbers = Numbers.of(spread)
    assert numbers.counts.max() < 0.01 * len(spread)
    for share in (0.01, 0.5, 0.99):
        assert numbers.quantile(share) == pytest.approx(np.quantile(spread, share), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(WORDS, min_size=2, max_size=4), limit=st.integers(1, 20))
def test_merged_tallies_equal_that_of_the_union(parts, limit):
    union: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            union[name] = union.get(name, 0) + count
    tallies = [Tally.of(list(part), list(part.values()), limit) for part in parts]
    merged = Tally.merged(tallies)
    assert merged.to_json() == Tally.merged(tallies[::-1]).to_json()
    assert merged.to_json() == Tally.of(list(union), list(union.values()), limit).to_json()
    assert merged.total == sum(union.values())
    if merged.exact:
        assert dict(zip(merged.names, merged.counts.tolist(), strict=True)) == union


def test_distinct_names_beyond_the_limit_are_estimated():
    tally = Tally.of(np.arange(100_000), np.ones(100_000), 256, named=False)
    assert tally.distinct == pytest.approx(100_000, rel=0.2)
    assert tally.typical_count == 1


def test_unseen_names_are_told_only_where_the_known_are_complete():
    known, now = Tally.of(["a", "b"], [1, 1], 9), Tally.of(["b", "c"], [5, 2], 9)
    assert now.names[now.unseen(known)].tolist() == ["c"]
    everything = Tally.of([str(i) for i in range(1000)], np.ones(1000), 50)
    assert not Tally.of([str(i) for i in range(1000)], np.ones(1000), 900).unseen(everything).any()


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_merged_moments_equal_those_of_the_union(sizes, seed):
    random = np.random.default_rng(seed)
    parts = [random.normal(3, 2, (size, 4)) for size in sizes]
    merged, union = Moments.merged(map(Moments.of, parts)), Moments.of(np.concatenate(parts))
    assert merged.count == union.count
    np.testing.assert_allclose(merged.mean, union.mean)
    np.testing.assert_allclose(merged.squares, union.squares, atol=1e-9)


def test_vectors_are_profiled_by_window(tmp_path):
    random = np.random.default_rng(4)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(600) // 10, unit="D")
    vectors = random.normal(0, 1, (600, 3)) + np.array([0, 0, 5.0]) * (np.arange(600) >= 500)[:, None]
    rows = pd.DataFrame({"event_timestamp": days, "vector": list(vectors)})
    rows.loc[3, "vector"] = None
    rows.to_parquet(tmp_path / "v.parquet", coerce_timestamps="us")
    bounds = pd.date_range("2024-01-01", periods=4, freq="25D")
    columns = [
        part.columns["vector"]
        for part in profile_windows(Source(tmp_path / "v.parquet", vectors=["vector"]), list(pairwise(bounds)))
    ]
    assert [(column.rows, column.missing) for column in columns] == [(250, 1), (250, 0), (100, 0)]
    np.testing.assert_allclose(columns[1].vectors.mean, vectors[250:500].mean(axis=0))
    usual, moved = (columns[0].vectors.distance(other.vectors) for other in columns[1:])
    assert usual < 0.2
    assert moved == pytest.approx(5 / 3**0.5, rel=0.1)
    assert Column.from_json(columns[0].to_json()).vectors.distance(columns[0].vectors) == 0


def test_what_moves_below_a_constant_is_seen_by_ks_alone():
    reference, current = np.full(1000, 5.0), np.where(np.arange(1000) % 2, 5.0, 1.0)
    moved = distance_of_numbers(Numbers.of(reference), Numbers.of(current))
    assert (moved.psi, moved.ks, moved.ks_high) == (0, 0.5, 0.5)


@pytest.mark.parametrize("shift", [0, 0.1, 1])
@pytest.mark.parametrize("digits", [1, 9])
def test_ks_bounds_hold_the_exact_distance(shift, digits):
    random = np.random.default_rng(1)
    sides = [random.normal(mean, 1, 20_000).round(digits) for mean in (0, shift)]
    moved = distance_of_numbers(*(Numbers.of(side) for side in sides))
    exact = ks_2samp(*sides).statistic
    assert moved.ks <= exact + 1e-12
    assert exact <= moved.ks_high + 1e-12
    assert moved.ks_high - moved.ks < (1e-12 if digits == 1 else 0.01)


def test_psi_equals_evidentlys_over_the_same_buckets():
    from evidently.legacy.calculations.stattests import psi_stat_test
    from evidently.legacy.core import ColumnType

    random = np.random.default_rng(2)
    reference, current = random.poisson(3, 5000) % 7, random.poisson(4, 800) % 7
    moved = distance_of_numbers(*(Numbers.of(side.astype(float)) for side in (reference, current)))
    edges = [float(name.split()[-1]) for name in moved.buckets[:-1]]
    buckets = [pd.Series(np.searchsorted(edges, side)) for side in (reference, current)]
    theirs = psi_stat_test(*buckets, ColumnType.Categorical, 0.2).drift_score
    assert moved.psi == pytest.approx(theirs)


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(3)
    num_rows = 4000
    rows = pd.DataFrame(
        {
            "event_timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 40, num_rows), unit="D"),
            "household": random.integers(0, 200, num_rows),
            "amount": np.where(random.random(num_rows) < 0.1, np.nan, random.lognormal(1, 1, num_rows)),
            "note": random.choice(["1", "inf", "x", None], num_rows),
            "aisle": random.choice(["wine", "bread", None], num_rows),
            "text": random.choice(["red wine", "Red", "", None], num_rows),
        }
    )
    path = tmp_path / "table.parquet"
    rows.to_parquet(path, coerce_timestamps="us")
    return rows, Source(path, ["amount", "note"], ["aisle"], "text", "household")


def test_windows_add_up_to_the_whole_and_survive_the_disk(table, tmp_path):
    rows, source = table
    days = pd.date_range("2024-01-01", periods=5, freq="10D")
    parts = profile_windows(source, list(pairwise(days)))
    whole = profile_rows(source)
    assert [part.rows for part in parts] == rows.groupby(
        pd.cut(rows["event_timestamp"], days, right=False), observed=True
    ).size().tolist()
    assert parts[2].merge(parts[0], parts[3], parts[1]).to_json() == whole.to_json()
    write_profile(tmp_path / "profile.json", whole)
    assert read_profile(tmp_path / "profile.json").to_json() == whole.to_json()


def test_batches_change_nothing(table, monkeypatch):
    _, source = table
    whole = profile_rows(source)
    monkeypatch.setattr("monitoring.profile.source._ROWS_AT_ONCE", 150)
    monkeypatch.setattr("monitoring.profile.scan._MOST_PARTS", 1)
    assert profile_rows(source).to_json() == whole.to_json()


def test_a_profile_counts_what_is_known(table):
    rows, source = table
    columns = profile_rows(source, frozenset(["red"])).columns
    assert columns["amount"].missing == rows["amount"].isna().sum()
    assert columns["note"].known == (rows["note"] == "1").sum()  # neither infinity nor text is a number
    assert dict(zip(columns["aisle"].names.names, columns["aisle"].names.counts, strict=True)) == dict(
        rows["aisle"].value_counts()
    )
    words = columns[TEXT_WORDS].names
    assert dict(zip(words.names, words.counts, strict=True))["wine"] == (rows["text"] == "red wine").sum()
    assert columns[TEXT_UNSEEN].numbers.highs.tolist() == [0, 0.5]
    assert columns["amount"].clusters.distinct == rows.dropna(subset=["amount"])["household"].nunique()


def test_observations_are_divided_by_the_design_effect(table):
    rows, source = table
    column = profile_rows(source).columns["aisle"]
    known = rows.dropna(subset=["aisle"])
    sizes = known["event_timestamp"].value_counts()
    per_time = (sizes**2).sum() / sizes.sum()
    assert column.times.typical_count == pytest.approx(per_time)
    assert observations(column, 0.5) == int(len(known) / (1 + (per_time - 1) * 0.5))
    assert observations(column, 0) == known["household"].nunique()


def test_an_empty_window_has_every_column_and_nothing_else(table):
    _, source = table
    (empty,) = profile_windows(source, [(datetime(2030, 1, 1), datetime(2030, 1, 2))])
    assert empty.rows == 0
    assert set(empty.columns) == set(profile_rows(source).columns)
    assert empty.columns["amount"].missing_share == 1


def test_what_cannot_be_profiled_is_named(table, tmp_path):
    _, source = table
    with pytest.raises(MonitoringError, match="gone"):
        profile_rows(Source(source.table, ["gone"]))
    profile = profile_rows(source)
    with pytest.raises(MonitoringError, match="only one has x"):
        profile.merge(Profile(1, {**profile.columns, "x": Column(1, 1, profile.columns["amount"].times)}))
    (tmp_path / "old.json").write_text('{"version": 0}')
    with pytest.raises(MonitoringError, match="version 1, found 0"):
        read_profile(tmp_path / "old.json")
    (tmp_path / "torn.json").write_text('{"version": 1, "rows": 2}')
    with pytest.raises(MonitoringError, match="no whole profile"):
        read_profile(tmp_path / "torn.json")


def test_a_bucket_of_zeros_ends_at_zero():
    """Many distinct values share cells, and the one that holds zeros ends at the smallest number above."""
    values = np.concatenate([np.zeros(30_000), np.random.default_rng(17).normal(5.0, 1.0, 30_000)])
    numbers = Numbers.of(values)
    assert numbers.dropped > 0
    assert distance_of_numbers(numbers, numbers).buckets[0] == "up to 0"
