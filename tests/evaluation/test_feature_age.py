from datetime import UTC, datetime, timedelta

import pytest
from fixtures.tiny_suite import tiny_suite, tiny_tables, write_tiny_examples
from hypothesis import given
from hypothesis import strategies as st

from polymart.evaluation.feature_age import feature_ages
from polymart.files import read_json, write_json

NEWEST_LABEL = datetime(2017, 1, 1, tzinfo=UTC) + timedelta(hours=159)
"""Of `tiny_tables`: 160 rows, one an hour."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return write_tiny_examples(tmp_path_factory.mktemp("x") / "examples", tiny_tables())


def with_newest(examples, newest):
    """The index says which feature rows were the newest."""
    index = read_json(examples / "examples.json")
    for name, task in index["tasks"].items():
        task["newest_features"] = {table: at.isoformat() for table, at in newest.get(name, {}).items()}
    write_json(examples / "examples.json", index)
    return examples


@given(st.dictionaries(st.sampled_from(["profile", "history", "visits"]), st.floats(0, 5000)))
def test_each_table_of_a_source_has_its_age(examples, hours):
    newest = {table: NEWEST_LABEL - timedelta(hours=ago) for table, ago in hours.items()}
    ages = {age.features: age for age in feature_ages(with_newest(examples, {"reply": newest}), tiny_suite())}
    assert ages.keys() == hours.keys()
    for table, age in ages.items():
        assert age.source == "reply"
        assert age.newest_label == NEWEST_LABEL
        assert age.newest_feature == newest[table]
        assert age.age_days == pytest.approx(hours[table] / 24, abs=1e-6)


def test_tasks_without_a_feature_join_or_without_examples_have_none(examples):
    newest = {"reply": {"profile": NEWEST_LABEL}, "mood": {}}
    assert feature_ages(with_newest(examples, newest), tiny_suite("mood")) == []
    absent = tiny_suite().task("mood").model_copy(update={"name": "elsewhere"})
    suite = tiny_suite("reply").model_copy(update={"tasks": [absent, tiny_suite().task("reply")]})
    assert [age.features for age in feature_ages(examples, suite)] == ["profile"]
