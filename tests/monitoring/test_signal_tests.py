"""The tests behind the signals: means, shares, metrics; their false-alarm rate is what they state."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from monitoring.performance import score_rows
from monitoring.signals.means import MIN_CLUSTERS, Mean, compare_means
from monitoring.signals.metric import auc_values, compare_metric, row_values
from monitoring.signals.rows import Rows
from monitoring.signals.shares import compare_shares
from monitoring.signals.volume import watch_volume
from monitoring.window import Window


def part(random, clusters=60, each=3, week=0.0, spread=1.0):
    """Rows of clusters that have a level of their own, in a week that has one, too."""
    cluster = np.repeat(random.integers(0, 2**40, clusters), each)
    value = np.repeat(random.normal(0, spread, clusters), each) + random.normal(week, 1, clusters * each)
    return pd.DataFrame({"cluster": cluster, "value": value, "name": np.where(value > 0, "up", "down")})


def rows(random, windows=20, weeks=0.0, shift=0.0, spread=1.0):
    """A reference of eight weeks and windows that differ from it by ``shift``; weeks differ by ``weeks``."""
    past = [part(random, week=random.normal(0, weeks), spread=spread).assign(past=number) for number in range(8)]
    now = [part(random, week=random.normal(0, weeks) + shift, spread=spread) for _ in range(windows)]
    return Rows(pd.concat(past, ignore_index=True), tuple(now))


@pytest.mark.parametrize("weeks", [0.0, 0.5])
def test_a_mean_that_did_not_move_is_let_pass_though_rows_repeat_and_weeks_differ(weeks):
    """800 windows at one false alarm in a thousand: more than four would be rarer than one in a thousand."""
    random = np.random.default_rng(5)
    changes = [change for _ in range(40) for _, change in compare_means(rows(random, weeks=weeks), "value", 0.0)]
    assert len(changes) == 800
    # How far weeks differ is learned from eight of them only, so the rate is twice the stated one at most.
    assert sum(change.value >= change.threshold for change in changes) <= (4 if weeks == 0 else 6)


def test_clusters_count_where_no_windows_tell_how_far_they_differ():
    """Rows taken for independent ones would raise false alarms; the same rows in their clusters do not."""
    random = np.random.default_rng(5)
    alarms = {"clusters": 0, "rows": 0}
    for _ in range(10):
        undated = rows(random, spread=3.0).map(lambda part: part.assign(past=-1))
        alone = undated.map(lambda part: part.assign(cluster=np.arange(len(part))))
        for name, shop in (("clusters", undated), ("rows", alone)):
            alarms[name] += sum(change.value >= change.threshold for _, change in compare_means(shop, "value", 0.0))
    assert alarms["clusters"] <= 2
    assert alarms["rows"] > 4


def test_a_mean_that_moved_is_found():
    changes = [change for _, change in compare_means(rows(np.random.default_rng(5), shift=1.0), "value", 0.0)]
    assert all(change.value >= change.threshold for change in changes)
    assert changes[0].now - changes[0].usual == pytest.approx(1.0, abs=0.5)


def test_directions_and_floors():
    shop = rows(np.random.default_rng(5), shift=1.0)
    assert all(change.value == 0 for _, change in compare_means(shop, "value", 0.0, sign=-1))
    assert all(change.threshold == 3 for _, change in compare_means(shop, "value", 3.0))


def test_few_clusters_are_not_judged():
    shop = rows(np.random.default_rng(5))
    few = Rows(shop.reference, (part(np.random.default_rng(6), clusters=MIN_CLUSTERS - 1), shop.windows[0].iloc[:0]))
    for _, change in compare_means(few, "value", 0.0):
        assert change.value is change.threshold is None
        assert f"{MIN_CLUSTERS} are needed" in change.note
    assert list(compare_means(shop.map(lambda one: one.assign(value=np.nan)), "value", 0.0)) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_with_a_cluster_a_row_the_error_is_the_textbooks(values):
    mean = Mean.of(np.array(values), np.arange(len(values)))
    assert mean.value == pytest.approx(np.mean(values), abs=1e-6)
    assert mean.error == pytest.approx(np.std(values, ddof=1) / np.sqrt(len(values)), abs=1e-6, rel=1e-6)


def test_shares_that_did_not_move_are_let_pass_and_others_found():
    random = np.random.default_rng(7)
    still = [change for _ in range(20) for _, change in compare_shares(rows(random), "name")]
    assert sum(change.value >= change.threshold for change in still) <= 2
    for _, change in compare_shares(rows(random, shift=2.0), "name"):
        assert change.value >= change.threshold
        assert "was" in change.note


def test_names_never_seen_share_a_bucket_and_count():
    shop = rows(np.random.default_rng(7))
    other = Rows(shop.reference, tuple(window.assign(name="new") for window in shop.windows))
    assert all(change.note.startswith("new: 100%, was 0%") for _, change in compare_shares(other, "name"))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])), min_size=2, max_size=60
    )
)
def test_values_per_row_average_to_the_area_under_the_curve(pairs):
    labels, scores = np.array(pairs).T
    if len(set(labels)) < 2:
        assert auc_values(labels, scores) is None
    else:
        assert np.mean(auc_values(labels, scores)) == pytest.approx(roc_auc_score(labels, scores))


def test_the_expected_area_is_the_mean_over_labels_that_chance_draws():
    random = np.random.default_rng(0)
    p = random.beta(1, 3, 400)
    drawn = [roc_auc_score(random.random(400) < p, p) for _ in range(200)]
    assert np.mean(auc_values(p, p)) == pytest.approx(np.mean(drawn), abs=0.005)


def test_the_error_of_the_area_is_what_samples_show():
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        label = (random.random(300) < 0.3).astype(float)
        found.append(Mean.of(auc_values(label, random.normal(label)), np.arange(300)))
    assert np.mean([mean.error for mean in found]) == pytest.approx(np.std([mean.value for mean in found]), rel=0.15)


@pytest.mark.parametrize("kind", ["ranking", "count", "binary", "multiclass"])
def test_values_per_row_average_to_the_reported_metric(kind):
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 200).astype(float)
    told = label.astype(str) if kind == "multiclass" else label + random.normal(0, 1, 200)
    table = pd.DataFrame({"label": label, "prediction": told, "score": random.normal(label)})
    assert np.mean(row_values(kind, table)) == pytest.approx(score_rows(kind, table))
    if kind == "ranking":
        assert score_rows(kind, table) == pytest.approx(spearmanr(label, told).statistic)


def test_a_metric_that_fell_is_found_and_one_that_rose_is_none():
    random = np.random.default_rng(0)

    def window(skill):
        label = (random.random(300) < 0.4).astype(float)
        return pd.DataFrame({"cluster": np.arange(300), "label": label, "score": random.normal(skill * label)})

    reference = pd.concat([window(1.5).assign(past=number) for number in range(6)], ignore_index=True)
    shop = Rows(reference.assign(prediction=0.0), tuple(window(skill).assign(prediction=0.0) for skill in (1.5, 0, 4)))
    changes = compare_metric(shop, lambda part: row_values("binary", part), higher_is_better=True, floor=0.05)
    assert [change.value >= change.threshold for _, change in changes] == [False, True, False]


@pytest.mark.parametrize("hours", [4, 7 * 24 - 1])
def test_rows_that_all_come_at_one_moment_of_the_week_are_no_rush(hours):
    """A weekly count is known at the week's first hours; a window that is not over is judged by when rows come."""
    start = pd.Timestamp("2024-01-01")
    spans = [Window(start + n * pd.Timedelta(days=7), start + (n + 1) * pd.Timedelta(days=7)) for n in range(6)]
    moments = [span.start + pd.Timedelta(hours=hours) * pd.Series(np.linspace(0.01, 1, 200)) for span in spans]
    newest = moments[-1].max().to_pydatetime()
    assert not any(signal.moved for _, signal in watch_volume("weekly", moments, spans, newest))
    half = moments[-1][:20]
    (*_, (_, last)) = watch_volume("weekly", [*moments[:-1], half], spans, newest)
    assert last.moved
