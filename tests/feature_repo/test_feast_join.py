"""Feast's answers, compared with a plain point-in-time join over every row."""

import pandas as pd
import pytest

from feature_repo.retrieval import apply, open_store, retrieve
from feature_repo.services import SERVICES

KEYS = {
    "household_profile": ["household_id"],
    "household_history": ["household_id"],
    "campaign": ["campaign_id"],
    "household_campaign": ["household_id", "campaign_id"],
    "series_demand": ["category_id", "store_id"],
    "household_visit": ["household_id"],
    "household_activity": ["household_id"],
    "household_category": ["household_id", "category_id"],
    "category_week": ["category_id"],
    "household_products": ["household_id"],
    "household_state": ["household_id"],
}


@pytest.fixture(scope="module")
def corrected(tables, tmp_path_factory):
    """The shop's features, plus corrections that were created days after the values they correct."""
    folder = tmp_path_factory.mktemp("corrected")
    (folder / "features").mkdir()
    for name, keys in KEYS.items():
        table = pd.read_parquet(tables / f"features/{name}.parquet")
        late = table.sample(len(table) // 4, random_state=1)
        # From one hour on: an equal creation time would leave open which of two values is the newest.
        late["created_timestamp"] += pd.to_timedelta([1 + i % 479 for i in range(len(late))], unit="h")
        change = table.columns.difference([*keys, "event_timestamp", "created_timestamp"])[0]
        late[change] = [_marked(value) for value in late[change]]
        both = pd.concat([table, late]).sample(frac=1, random_state=2)  # order on disk must not matter
        both.to_parquet(folder / f"features/{name}.parquet", index=False, coerce_timestamps="us")
    return folder


def _marked(value):
    return f"corrected {value}" if isinstance(value, str) else value * 2 + 1


@pytest.fixture(scope="module")
def store(corrected, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    apply(corrected, folder)
    return folder


def brute_force(features, rows, view):
    """For each row: of the values whose event and creation lie at or before it, the newest event, newest creation."""
    table = pd.read_parquet(features / f"features/{view}.parquet")
    asked = rows[[*KEYS[view], "event_timestamp"]].assign(row=range(len(rows)))
    pairs = asked.merge(table, on=KEYS[view], suffixes=("_asked", ""))
    known = pairs[
        (pairs.event_timestamp <= pairs.event_timestamp_asked)
        & (pairs.created_timestamp <= pairs.event_timestamp_asked)
    ]
    newest = known.sort_values(["event_timestamp", "created_timestamp"]).groupby("row").tail(1).set_index("row")
    return newest.reindex(range(len(rows))).drop(
        columns=[*KEYS[view], "event_timestamp", "created_timestamp", "event_timestamp_asked"]
    )


@pytest.mark.parametrize("service", SERVICES)
def test_feast_equals_a_plain_point_in_time_join(corrected, tables, store, service):
    labels = pd.read_parquet(tables / f"labels/{service}.parquet").drop(columns="label")
    rows = labels.sample(min(len(labels), 700), random_state=3)
    rows = pd.concat([rows, rows.head(20)])  # the same entity at the same moment twice: both must come back
    before = rows.head(5).assign(event_timestamp=pd.Timestamp("2016-01-01"))  # nothing was known yet
    rows = pd.concat([rows, before], ignore_index=True)
    joined = retrieve(store, service, rows)
    pd.testing.assert_frame_equal(joined[rows.columns], rows)
    for view in SERVICES[service]:
        expected = brute_force(corrected, rows, view)
        found = joined[list(expected.columns)]
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_index_type=False, check_names=False)
    first = list(brute_force(corrected, before, SERVICES[service][0]).columns)
    assert joined[first].tail(5).isna().all(axis=None)


def test_the_pointer_join_equals_feasts_own_join_of_lists(tables, store):
    rows = pd.read_parquet(tables / "labels/next_category.parquet").drop(columns="label").head(300)
    asked = rows[["household_id", "event_timestamp"]].assign(number=range(len(rows)))
    own = (
        open_store(store)
        .get_historical_features(
            asked,
            features=["household_history:category_ids", "household_history:history_text"],
            filter_by_created_timestamp=True,
        )
        .to_df()
        .sort_values("number", ignore_index=True)
    )
    ours = retrieve(store, "next_category", rows)
    assert own.history_text.equals(ours.history_text)
    assert own.category_ids.map(list).equals(ours.category_ids.map(list))


def test_wrong_questions_are_refused(tables, store, tmp_path):
    rows = pd.read_parquet(tables / "labels/demand.parquet")
    with pytest.raises(ValueError, match="no feature service 'weather'"):
        retrieve(store, "weather", rows)
    with pytest.raises(ValueError, match="needs the columns household_id"):
        retrieve(store, "next_category", rows)
    with pytest.raises(ValueError, match="would overwrite the columns units_lag1"):
        retrieve(store, "demand", rows.assign(units_lag1=0))
    with pytest.raises(FileNotFoundError, match=r"feature_store\.yaml"):
        retrieve(tmp_path, "demand", rows)
    with pytest.raises(FileNotFoundError, match="household_profile"):
        apply(tmp_path, tmp_path / "store")


def test_a_feature_file_that_changed_after_apply_is_refused(tables, tmp_path):
    copy = tmp_path / "tables"
    (copy / "features").mkdir(parents=True)
    for path in (tables / "features").iterdir():
        (copy / "features" / path.name).write_bytes(path.read_bytes())
    apply(copy, tmp_path / "store")
    path = copy / "features/household_history.parquet"
    pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False, coerce_timestamps="us")
    rows = pd.read_parquet(tables / "labels/next_category.parquet").drop(columns="label").head(3)
    with pytest.raises(ValueError, match="changed after the feature store was applied"):
        retrieve(tmp_path / "store", "next_category", rows)
