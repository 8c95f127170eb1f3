"""A broken table stops the run with the rule, the count and three rows."""

import shutil

import pandas as pd
import pytest

from polymart.data.prepare import TABLES_OF
from polymart.data.validate import RELATIONS, validate_tables
from polymart.errors import TableError
from polymart.schemas import SCHEMAS, rules_of, validate_table


def test_every_known_table_has_a_schema():
    assert set(SCHEMAS) == {name for names in TABLES_OF.values() for name in names}


def test_the_prepared_tables_pass(tables, sources):
    report = validate_tables(tables)
    assert set(report["tables"]) == {name for key in sources for name in TABLES_OF[key]}
    assert report["tables"]["labels/intent"]["rows"] == 720
    assert len(report["relations"]) == len(RELATIONS)
    assert all(rules_of(schema) for schema in SCHEMAS.values())


def read(tables, name):
    return pd.read_parquet(tables / f"{name}.parquet")


@pytest.mark.parametrize(
    ("name", "column", "value", "rule"),
    [
        ("transactions", "quantity", 51, "quantity: is <= 50"),
        ("transactions", "local_hour", 24, "local_hour: is <= 23"),
        ("features/household_profile", "coupon_items_share", 1.5, "coupon_items_share: is <= 1"),
        ("features/household_profile", "num_baskets", float("nan"), "num_baskets: is never missing"),
        ("features/series_demand", "units_mean4", float("inf"), "units_mean4: is finite"),
        ("labels/sentiment", "label", "angry", "label: is one of negative, neutral, positive"),
        ("labels/demand", "label_end", pd.Timestamp("2001-01-01"), "the label window ends after the decision"),
    ],
)
def test_a_broken_value_is_told_with_rule_count_and_three_rows(tables, name, column, value, rule):
    frame = read(tables, name)
    frame.loc[frame.index[10:15], column] = value
    with pytest.raises(TableError) as caught:
        validate_table(frame, SCHEMAS[name])
    message = str(caught.value)
    assert f"table {name} breaks" in message
    assert f"{rule}: 5 of {len(frame)} rows" in message
    assert message.count("    {") == 3


def test_all_broken_rules_are_listed(tables):
    frame = read(tables, "labels/coupon_response")
    frame.loc[:3, "label"] = 7
    frame.loc[frame.index[-1], "example_id"] = frame.example_id[0]
    with pytest.raises(TableError, match=r"breaks 2 rule\(s\)") as caught:
        validate_table(frame, SCHEMAS["labels/coupon_response"])
    assert "example_id" in str(caught.value)


def test_lists_that_are_not_aligned_are_refused(tables):
    frame = read(tables, "features/household_history")
    frame.at[4, "category_gap"] = frame.category_gap[4][:-1]
    with pytest.raises(TableError, match=f"the four category lists have the same length: 1 of {len(frame)} rows"):
        validate_table(frame, SCHEMAS["features/household_history"])


def test_a_missing_or_foreign_column_is_refused(tables):
    frame = read(tables, "targets")
    with pytest.raises(TableError, match="household_id"):
        validate_table(frame.drop(columns="household_id"), SCHEMAS["targets"])
    with pytest.raises(TableError, match="surprise"):
        validate_table(frame.assign(surprise=1), SCHEMAS["targets"])


def test_orphans_and_changed_bytes_stop_validation(tables, tmp_path):
    copy = tmp_path / "tables"
    shutil.copytree(tables, copy)
    read(copy, "targets").iloc[1:].to_parquet(copy / "targets.parquet", index=False)
    with pytest.raises(TableError, match=r"targets: its bytes differ from the digest in tables\.json"):
        validate_tables(copy)
