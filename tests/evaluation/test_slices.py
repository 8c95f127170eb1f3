import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.config.gates import Slice
from polymart.errors import TableError
from polymart.evaluation.bootstrap import Bootstrap
from polymart.evaluation.groups import MAX_GROUPS, groups_of
from polymart.evaluation.metrics import METRICS
from polymart.evaluation.slices import Reference, Sliced, evaluate_slices

NUMBERS = Slice(name="age", column="age", edges=[10.0, 50.0])


def sliced(hits: np.ndarray, cluster: np.ndarray, *, metric: str = "accuracy", resamples: int = 400) -> Sliced:
    """Two classes, answered rightly where ``hits`` is true."""
    scores = np.where(hits[:, None], [1.0, 0.0], [0.0, 1.0])
    bootstrap = Bootstrap(pd.Series(cluster), resamples=resamples, confidence=0.95, seed=0)
    return Sliced(METRICS[metric], np.zeros(len(hits), int), scores, bootstrap)


def reference(hits: np.ndarray, margin: float = 0.0) -> Reference:
    return Reference("champion-1", np.where(hits[:, None], [1.0, 0.0], [0.0, 1.0]), margin)


def test_numbers_fall_into_ranges_and_missing_ones_stand_apart():
    frame = pd.DataFrame({"age": [9.9, 10.0, 49.0, 50.0, np.nan, -3.0]})
    groups = groups_of(frame, NUMBERS)
    assert groups.tolist() == ["below 10", "10 to 50", "10 to 50", "50 and more", "missing", "below 10"]
    assert list(groups.cat.categories) == ["below 10", "10 to 50", "50 and more", "missing"]


def test_words_of_a_text_are_counted():
    frame = pd.DataFrame({"text": ["one two", "", None, " three  more\nwords "]})
    groups = groups_of(frame, Slice(name="length", column="text", words=True, edges=[2.0, 3.0]))
    assert groups.tolist() == ["2 to 3", "below 2", "missing", "3 and more"]


def test_values_go_by_name_and_the_rarest_are_one_group():
    values = [f"v{i:02d}" for i in range(30) for _ in range(40 - i)] + [None]
    groups = groups_of(pd.DataFrame({"value": values}), Slice(name="value", column="value"))
    sizes = groups.value_counts()
    assert len(sizes) == MAX_GROUPS + 1
    assert sizes["other"] == sum(40 - i for i in range(MAX_GROUPS - 1, 30))
    assert sizes["missing"] == 1
    assert list(groups.cat.categories)[:2] == ["v00", "v01"]
    assert list(groups.cat.categories)[-2:] == ["other", "missing"]


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefghijklmnopqrstuvwxyz")), min_size=1))
def test_every_row_belongs_to_one_group(values):
    groups = groups_of(pd.DataFrame({"value": pd.Series(values, dtype=object)}), Slice(name="value", column="value"))
    assert groups.notna().all()
    assert all(group in (value or "missing", "other") for group, value in zip(groups, values, strict=True))


def test_a_column_that_is_absent_or_no_number_is_refused():
    with pytest.raises(TableError, match="slice 'age' reads the column 'age', which the example table lacks"):
        groups_of(pd.DataFrame({"size": [1]}), NUMBERS)
    with pytest.raises(TableError, match="must hold numbers; found 'young'"):
        groups_of(pd.DataFrame({"age": [3, "young"]}), NUMBERS)


def test_each_group_is_measured_on_its_own_rows():
    numbers = np.random.default_rng(0)
    frame = pd.DataFrame({"age": numbers.integers(0, 80, 600), "house": np.arange(600) // 3})
    hits, theirs = numbers.random(600) < 0.8, numbers.random(600) < 0.7
    rows = sliced(hits, frame.house.to_numpy())
    found, gaps = evaluate_slices([NUMBERS], frame, rows, reference(theirs), 10)
    assert [group.group for group in found] == ["below 10", "10 to 50", "50 and more"]
    for group, (low, high) in zip(found, ((0, 10), (10, 50), (50, 80)), strict=True):
        chosen = frame.age.ge(low) & frame.age.lt(high)
        assert group.score.value == pytest.approx(hits[chosen].mean())
        assert group.gain.value == pytest.approx(hits[chosen].mean() - theirs[chosen].mean())
        assert group.score.low < group.score.value < group.score.high
        assert (group.num_examples, group.num_clusters) == (chosen.sum(), frame.house[chosen].nunique())
        assert group.reference == "champion-1"
    values = [group.score.value for group in found]
    assert gaps[0].gap.value == pytest.approx(max(values) - min(values))
    assert gaps[0].best == found[int(np.argmax(values))].group
    assert gaps[0].worst == found[int(np.argmin(values))].group
    assert gaps[0].gap.low <= max(gaps[0].lower_bound, 0) <= gaps[0].gap.value <= gaps[0].gap.high


def test_a_group_that_got_worse_has_a_small_p_and_a_margin_forgives_it():
    frame = pd.DataFrame({"age": np.repeat([5, 20], 400)})
    theirs = np.random.default_rng(0).random(800) < 0.9
    ours = theirs & ~(frame.age.eq(5) & (np.arange(800) % 10 == 0)).to_numpy()
    rows = sliced(ours, np.arange(800))
    (worse, same), _ = evaluate_slices([NUMBERS], frame, rows, reference(theirs), 10)
    assert worse.p_value == pytest.approx(1 / 401)
    assert same.p_value == 1
    (forgiven, _), _ = evaluate_slices([NUMBERS], frame, rows, reference(theirs, margin=0.2), 10)
    assert forgiven.p_value == 1


def test_an_error_that_grew_is_worse():
    frame = pd.DataFrame({"age": np.full(50, 5)})
    bootstrap = Bootstrap(pd.Series(range(50)), resamples=200, confidence=0.95, seed=0)
    label = np.arange(50.0)
    rows = Sliced(METRICS["mae"], label, label[:, None] + 2, bootstrap)
    (group,), _ = evaluate_slices([NUMBERS], frame, rows, Reference("floor", label[:, None] + 1, 0.0), 10)
    assert group.gain.value == -1
    assert group.p_value == pytest.approx(1 / 201)


def test_a_group_of_one_class_gives_no_number_and_no_gap():
    frame = pd.DataFrame({"age": np.repeat([5, 20], 30)})
    bootstrap = Bootstrap(pd.Series(range(60)), resamples=200, confidence=0.95, seed=0)
    label, scores = np.r_[np.ones(30), np.arange(30) % 2], np.random.default_rng(0).random((60, 1))
    rows = Sliced(METRICS["roc_auc"], label, scores, bootstrap)
    (undefined, defined), gaps = evaluate_slices([NUMBERS], frame, rows, Reference("floor", scores, 0.0), 10)
    assert np.isnan([undefined.score.value, undefined.p_value]).all()
    assert defined.p_value == 1
    assert gaps == []


def test_small_groups_are_measured_and_left_out_of_the_gap():
    frame = pd.DataFrame({"age": np.repeat([5, 20, 60], [5, 100, 100])})
    hits = np.r_[np.zeros(5, bool), np.arange(100) % 2 == 0, np.arange(100) % 4 > 0]
    found, (gap,) = evaluate_slices([NUMBERS], frame, sliced(hits, np.arange(205)), reference(hits), 50)
    assert [group.num_examples for group in found] == [5, 100, 100]
    assert (gap.best, gap.worst) == ("50 and more", "10 to 50")


def test_groups_that_are_alike_rarely_show_a_gap():
    numbers, shown = np.random.default_rng(3), 0
    frame = pd.DataFrame({"value": np.repeat(list("abcde"), 100)})
    slices = [Slice(name="value", column="value")]
    for _ in range(60):
        hits = numbers.random(500) < 0.7
        _, (gap,) = evaluate_slices(slices, frame, sliced(hits, np.arange(500), resamples=200), reference(hits), 10)
        shown += gap.lower_bound > 0
    assert shown <= 8
