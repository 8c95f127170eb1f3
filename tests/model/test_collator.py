import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Inputs
from polymart.errors import TableError
from polymart.model.inputs import NUM_HISTORY_FEATURES, Collator, history_features
from polymart.model.statistics import fit_statistics, signed_log
from polymart.model.texts import fit_tokenizer

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 8)
finite = st.floats(-1e12, 1e12)


def collator(inputs: Inputs, train: pd.DataFrame | None = None, num_labels: int = 0) -> Collator:
    train = pd.DataFrame({"x": [0.0, 10.0, 1000.0]}) if train is None else train
    return Collator(inputs, fit_statistics(train, inputs, num_labels), TOKENIZER)


@pytest.mark.parametrize("value", [np.nan, None, np.inf, -np.inf, "n/a", pd.NA])
def test_a_value_that_is_no_number_becomes_the_median_with_its_flag(value):
    collate = collator(Inputs(numeric=["x"]))
    batch = collate(pd.DataFrame({"x": pd.Series([10.0, value], dtype=object)}))
    assert batch.missing_BN.tolist() == [[0.0], [1.0]]
    assert batch.numeric_BN[0] == batch.numeric_BN[1]  # 10 is the median
    assert torch.isfinite(batch.numeric_BN).all()


def test_nullable_integers_and_booleans_are_numbers():
    collate = collator(Inputs(numeric=["x"]))
    for column in (pd.Series([1, None], dtype="Int64"), pd.Series([True, None], dtype="boolean")):
        assert collate(pd.DataFrame({"x": column})).missing_BN.tolist() == [[0.0], [1.0]]


@given(st.lists(finite, min_size=2, max_size=30))
def test_training_rows_are_standardised(values):
    frame = pd.DataFrame({"x": values})
    numeric_B = collator(Inputs(numeric=["x"]), frame)(frame).numeric_BN[:, 0].double()
    assert float(numeric_B.mean()) == pytest.approx(0, abs=1e-3)
    spread = np.std(signed_log(np.array(values)))
    assert float(numeric_B.std(unbiased=False)) == pytest.approx(1 if spread > 1e-6 else 0, abs=1e-2)


@given(finite, st.integers(2, 50))
def test_a_constant_column_says_nothing_and_a_new_value_stays_bounded(value, rows):
    frame = pd.DataFrame({"x": np.full(rows, value)})
    collate = collator(Inputs(numeric=["x"]), frame)
    assert collate(frame).numeric_BN.abs().max() < 1e-6
    assert collate.statistics.scale["x"] == 1.0


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_value_drowns_the_others(value):
    batch = collator(Inputs(numeric=["x"]))(pd.DataFrame({"x": [value]}))
    assert float(batch.numeric_BN.abs().max()) <= 10


@given(finite, finite)
def test_signed_log_keeps_order_sign_and_zero(a, b):
    first, second = signed_log(np.array([a, b]))
    assert np.sign(first) == np.sign(a)
    assert (a <= b) == (first <= second) or first == pytest.approx(second)


def test_a_numeric_column_without_any_value_is_refused():
    with pytest.raises(TableError, match=r"'x' has no finite value in 2 training rows"):
        collator(Inputs(numeric=["x"]), pd.DataFrame({"x": [np.nan, np.inf]}))


def test_unseen_and_missing_categories_share_the_first_embedding():
    train = pd.DataFrame({"c": ["b", "a", None, "b"]})
    collate = collator(Inputs(categorical=["c"]), train)
    codes = collate(pd.DataFrame({"c": ["a", "b", "zzz", None, np.nan, ""]})).categorical_BK
    assert codes.tolist() == [[1], [2], [0], [0], [0], [0]]


def test_absent_columns_are_all_named():
    collate = collator(Inputs(text="t", numeric=["x"], label_history="h"), num_labels=2)
    with pytest.raises(
        TableError, match=r"\['t', 'h_count', 'h_decayed', 'h_gap'\] are absent; found \['x', 'h_ids'\]"
    ):
        collate(pd.DataFrame({"x": [1.0], "h_ids": [[0]]}))


def test_columns_are_listed_once():
    inputs = Inputs(text="t", numeric=["b", "x"], categorical=["c"], label_history="h", baseline="b")
    train = pd.DataFrame({"b": [1.0, 2.0], "x": [1.0, 2.0], "c": ["u", "v"]})
    assert collator(inputs, train).columns() == ["t", "b", "x", "c", "h_ids", "h_count", "h_decayed", "h_gap"]


def test_repeated_texts_are_encoded_once():
    batch = collator(Inputs(text="t"))(pd.DataFrame({"t": ["milk", "good milk", "milk", "milk"]}))
    assert len(batch.tokens_UT) == 2
    assert batch.text_index_B.tolist() == [0, 1, 0, 0]
    assert batch.mask_UT.sum(1).tolist() == [3, 4]


@pytest.mark.parametrize("text", [None, np.nan, "", pd.NA])
def test_a_text_without_words_still_has_its_markers(text):
    collate = collator(Inputs(text="t"))
    frame = pd.DataFrame({"t": pd.Series([text, "milk"], dtype=object)})
    assert TOKENIZER.decode(collate(frame).tokens_UT[0].tolist(), skip_special_tokens=False).startswith("[CLS] [SEP]")
    assert collate.lengths(frame).tolist() == [2, 3]


@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_any_text_becomes_a_bounded_row(texts):
    collate, frame = collator(Inputs(text="t")), pd.DataFrame({"t": texts})
    batch = collate(frame)
    assert batch.size == len(batch.text_index_B) == len(texts)
    assert 2 <= batch.tokens_UT.shape[1] <= 8
    assert collate.lengths(frame).tolist() == batch.mask_UT.sum(1)[batch.text_index_B].tolist()


def test_a_baseline_is_never_negative_or_missing():
    train = pd.DataFrame({"x": [1.0, 2.0]})
    collate = collator(Inputs(numeric=["x"], baseline="x"), train)
    baseline = collate(pd.DataFrame({"x": [np.nan, -3.0, np.inf, 9.0]})).baseline_B
    assert baseline.expm1().tolist() == pytest.approx([0.0, 0.0, 0.0, 9.0], rel=1e-6)


def history_frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({f"h_{part}": pd.Series(values, dtype=object) for part, values in columns.items()})


def test_a_history_is_padded_and_unknown_labels_fall_out():
    collate = collator(Inputs(label_history="h"), pd.DataFrame(), num_labels=3)
    lists = [np.array([2.0, 5.0, 7.0]), None, [], np.nan, [3.0]]
    frame = history_frame(ids=[np.array([0, 9, -1]), None, [], np.nan, [2]], count=lists, decayed=lists, gap=lists)
    batch = collate(frame)
    assert batch.history_ids_BP.tolist() == [[0, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [2, 3, 3]]
    assert batch.history_count_BP.tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [3, 0, 0]]
    assert not batch.history_BPH[1:4].any()
    assert not batch.history_BPH[0, 1:].any()


histories = st.lists(
    st.tuples(st.integers(1, 10**6), st.floats(0, 1e6), st.integers(0, 10**6)), min_size=1, max_size=20
)


@given(histories)
def test_history_features_are_finite_and_bounded(rows):
    count, decayed, gap = (np.array(part, np.float64) for part in zip(*rows, strict=True))
    features = history_features(count, decayed, gap)
    assert features.shape == (len(rows), NUM_HISTORY_FEATURES)
    assert np.abs(features).max() <= 15


def test_a_label_is_due_when_its_gap_reaches_its_interval():
    # Twelve baskets: the first label in the first one alone, the second in every fourth, the third in every one.
    features = history_features(np.array([1.0, 3.0, 12.0]), np.ones(3), np.array([11.0, 3.0, 0.0]))
    np.testing.assert_allclose(np.exp(3 * features[:, 9]), [1 / 12, 3 / 12, 1], rtol=1e-5)
    np.testing.assert_allclose(features[:, 11], np.exp(-1.0), rtol=1e-5)
    overdue = history_features(np.array([1.0, 3.0]), np.ones(2), np.array([11.0, 7.0]))
    assert overdue[1, 11] < features[1, 11]
    assert overdue[1, 10] > features[1, 10]


@given(histories)
def test_history_features_follow_their_labels(rows):
    order = np.arange(len(rows))[::-1]
    count, decayed, gap = (np.array(part, np.float64) for part in zip(*rows, strict=True))
    turned = history_features(count[order], decayed[order], gap[order])
    np.testing.assert_array_equal(turned, history_features(count, decayed, gap)[order])


def test_a_batch_moves_whole():
    batch = collator(Inputs(text="t"))(pd.DataFrame({"t": ["milk"]}))
    moved = batch.to("meta")
    assert moved.size == 1
    assert moved.numeric_BN is None
    assert moved.tokens_UT.device.type == moved.mask_UT.device.type == moved.text_index_B.device.type == "meta"


def test_remembered_texts_give_the_same_batch_and_are_not_tokenised_again():
    frame = pd.DataFrame({"text": ["milk", "good bread", None, "milk", "x" * 99], "other": list("abcde")})
    inputs, asked = Inputs(text="text", text_pair="other"), []
    fresh, remembering = (Collator(inputs, fit_statistics(frame, inputs, 0), TOKENIZER) for _ in range(2))
    remembering.remember(frame)

    class Watched:
        padding = TOKENIZER.padding

        def encode_batch_fast(self, texts):
            asked.extend(texts)
            return TOKENIZER.encode_batch_fast(texts)

    remembering.tokenizer = Watched()
    rows = frame.iloc[[4, 1, 3, 2]]
    expected, found = fresh(rows), remembering(rows)
    for name in ("tokens_UT", "mask_UT", "text_index_B", "pair_index_B"):
        assert torch.equal(getattr(expected, name), getattr(found, name)), name
    assert remembering.lengths(rows).tolist() == fresh.lengths(rows).tolist()
    assert asked == []
    remembering(rows.assign(text="unheard of"))
    assert asked == ["unheard of"]
    assert "unheard of" not in remembering.known
