"""Splits: no label of an earlier period reaches into a later one."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Limits, Split
from polymart.data.sampling import limit_rows
from polymart.data.splits import assign_split, border
from polymart.errors import TableError

SPLIT = Split(val_from=date(2017, 9, 1), test_from=date(2017, 11, 6))
SECOND = pd.Timedelta(seconds=1)


def split_of(opens, ends):
    return assign_split(pd.Series([opens - SECOND]), pd.Series([ends]), SPLIT)[0]


def test_borders_are_new_york_midnights():
    assert border(date(2017, 9, 1)) == pd.Timestamp("2017-09-01 04:00:00")
    assert border(date(2017, 11, 6)) == pd.Timestamp("2017-11-06 05:00:00"), "winter time"


@pytest.mark.parametrize(
    ("opens", "ends", "expected"),
    [
        ("2017-09-01 03:59:59", "2017-09-01 03:59:59", "train"),  # a basket in the last second before the border
        ("2017-09-01 04:00:00", "2017-09-01 04:00:00", "val"),  # a basket in the first second: decided before it
        ("2017-08-01 04:00:00", "2017-09-01 03:59:59", "train"),  # a campaign that ends with the last day
        ("2017-08-01 04:00:00", "2017-09-01 04:00:00", "purged"),
        ("2017-09-01 04:00:00", "2017-11-06 04:59:59", "val"),
        ("2017-09-01 04:00:00", "2017-11-06 05:00:00", "purged"),
        ("2017-11-06 05:00:00", "2017-12-01 05:00:00", "test"),
        ("2017-08-01 04:00:00", "2017-12-01 05:00:00", "purged"),
    ],
)
def test_units_on_the_border(opens, ends, expected):
    assert split_of(pd.Timestamp(opens), pd.Timestamp(ends)) == expected


minutes = st.integers(0, 365 * 24 * 60)


@given(st.lists(st.tuples(minutes, st.integers(0, 60 * 24 * 60)), min_size=1, max_size=30))
def test_every_label_ends_before_any_later_period_opens(drawn):
    opens = pd.Timestamp("2017-01-01") + pd.to_timedelta(pd.Series([start for start, _ in drawn]), unit="min")
    ends = opens + pd.to_timedelta(pd.Series([length for _, length in drawn]), unit="min")
    split = assign_split(opens - SECOND, ends, SPLIT)
    for earlier, later in (("train", "val"), ("train", "test"), ("val", "test")):
        if split.eq(earlier).any() and split.eq(later).any():
            assert ends[split == earlier].max() < opens[split == later].min()
    crosses = sum((opens < border(day)) & (ends >= border(day)) for day in (SPLIT.val_from, SPLIT.test_from)) > 0
    assert split.eq("purged").equals(crosses)


def test_a_window_that_ends_before_it_opens_is_refused():
    moment = pd.Series([pd.Timestamp("2017-05-01")])
    with pytest.raises(TableError, match="1 of 1 label windows end before they open"):
        assign_split(moment, moment, SPLIT)


@given(
    st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, max_size=80), st.integers(1, 40), st.integers(0, 5)
)
def test_limits_draw_rows_and_the_same_ones_again(splits, limit, seed):
    frame = pd.DataFrame({"split": splits, "example_id": [f"e{i}" for i in range(len(splits))]})
    limits = Limits(train=limit, val=0, test=limit)
    kept = limit_rows(frame, limits, seed)
    assert kept.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(kept, limit_rows(frame, limits, seed))
    for name, most in (("train", limit), ("val", len(frame)), ("test", limit)):
        assert (kept.split == name).sum() == min(most, (frame.split == name).sum())


@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 5))
def test_a_sample_changes_only_at_its_edge_when_data_grow(size, limit, seed):
    frame = pd.DataFrame({"split": "train", "example_id": [f"e{i}" for i in range(size)]})
    limits = Limits(train=limit)
    before = set(limit_rows(frame.head(size - 1), limits, seed).example_id)
    after = set(limit_rows(frame, limits, seed).example_id)
    assert len(before - after) <= 1
    assert len(after - before) <= 1
