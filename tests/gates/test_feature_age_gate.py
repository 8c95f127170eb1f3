"""Old features are refused with their dates; features whose age is unknown are no pass."""

from datetime import UTC, datetime, timedelta

import pytest
from fixtures.judged import NAN, evaluation, results, suite_of, task

from polymart.evaluation.records import FeatureAge

LABEL = datetime(2017, 12, 30, tzinfo=UTC)


def age(days: float) -> FeatureAge:
    feature = LABEL - timedelta(days=0 if days != days else days)
    return FeatureAge(source="mood", features="words", newest_label=LABEL, newest_feature=feature, age_days=days)


@pytest.mark.parametrize(("days", "expected"), [(-1, "pass"), (14, "pass"), (15, "fail"), (NAN, "inconclusive")])
def test_the_rule(days, expected):
    (found,) = results("feature_age", evaluation(task(), feature_age=[age(days)]), suite_of(feature_age_days=14))
    assert found.outcome == expected


def test_the_cause_names_source_table_and_both_days():
    (found,) = results("feature_age", evaluation(task(), feature_age=[age(20)]), suite_of(feature_age_days=14))
    assert found.cause == (
        "mood: the newest row of words, of 2017-12-10, is 20.0 days older than the newest label, of 2017-12-30; "
        "14 days are allowed"
    )


def test_a_task_with_features_whose_age_was_not_measured_is_inconclusive():
    suite = suite_of({"feature_service": "mood"}, feature_age_days=14)
    (found,) = results("feature_age", evaluation(task()), suite)
    assert (found.outcome, found.cause) == ("inconclusive", "mood: the age of its features was not measured")
    assert results("feature_age", evaluation(task(), feature_age=[age(1)]), suite)[0].outcome == "pass"


def test_texts_have_no_age_and_nobody_asks_by_default():
    assert results("feature_age", evaluation(task()), suite_of(feature_age_days=14)) == []
    assert results("feature_age", evaluation(task(), feature_age=[age(99)]), suite_of()) == []
