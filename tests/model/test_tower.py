import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Inputs
from polymart.model.inputs import Collator
from polymart.model.statistics import MAX_BINS, InputStatistics, fit_statistics, quantile_edges
from polymart.model.texts import fit_tokenizer
from polymart.model.tower import FeatureTower, QuantileEncoding

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 8)
columns = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


def tower_and_collator(inputs: Inputs, train: pd.DataFrame) -> tuple[FeatureTower, Collator]:
    statistics = fit_statistics(train, inputs, 0)
    torch.manual_seed(0)
    return FeatureTower(inputs, statistics).eval(), Collator(inputs, statistics, TOKENIZER)


@given(columns, st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20))
def test_the_encoding_is_monotone_and_stays_between_0_and_1(train, values):
    collate = Collator(
        Inputs(numeric=["x"]), fit_statistics(pd.DataFrame({"x": train}), Inputs(numeric=["x"]), 0), TOKENIZER
    )
    encode = QuantileEncoding([collate.statistics.edges["x"]])
    encoded_BM = encode(collate(pd.DataFrame({"x": np.sort(values)})).numeric_BN)
    assert encoded_BM.shape == (len(values), len(encode))
    assert torch.isfinite(encoded_BM).all()
    assert (encoded_BM.diff(dim=0) >= 0).all()
    assert encoded_BM.amin() >= 0 if len(encode) else True
    assert encoded_BM.amax() <= 1 if len(encode) else True


@given(columns)
def test_edges_are_distinct_ascend_and_hold_every_training_value(values):
    edges = quantile_edges(np.array(values))
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= MAX_BINS + 1
    assert edges[0] == np.clip(min(values), -10, 10)


def test_bins_hold_about_as_many_training_rows_each():
    values = np.random.default_rng(0).normal(size=20_000)
    edges = quantile_edges(values)
    held = np.histogram(values, edges)[0]
    assert len(held) == MAX_BINS
    assert held.max() / held.min() < 1.05


def test_a_known_value_has_known_bins():
    encode = QuantileEncoding([[0.0, 1.0, 3.0], [], [-1.0, 1.0]])
    encoded_BM = encode(torch.tensor([[2.0, 5.0, 0.0], [-4.0, 5.0, 9.0]]))
    assert encoded_BM.tolist() == [[1.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, None])
def test_a_missing_value_is_told_from_the_median(value):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, np.nan]})
    tower, collate = tower_and_collator(Inputs(numeric=["x"]), frame)
    median, missing = tower(collate(pd.DataFrame({"x": pd.Series([2.0, value], dtype=object)})))
    assert torch.isfinite(missing).all()
    assert not torch.allclose(median, missing)


def test_a_constant_column_has_no_bins_and_no_influence_on_training_rows():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "same": [7.0, 7.0, 7.0]})
    tower, collate = tower_and_collator(Inputs(numeric=["x", "same"]), frame)
    assert collate.statistics.edges["same"] == [0.0]
    assert set(tower.quantiles.column_M.tolist()) == {0}
    assert torch.isfinite(tower(collate(frame.assign(same=[7.0, np.nan, 1e300])))).all()


def test_unseen_categories_are_alike_and_learned_though_training_rows_are_all_known():
    inputs, frame = Inputs(categorical=["c"]), pd.DataFrame({"c": ["a", "b"] * 500})
    tower, collate = tower_and_collator(inputs, frame)
    unseen_BW = tower(collate(pd.DataFrame({"c": ["zzz", None]})))
    torch.testing.assert_close(unseen_BW[0], unseen_BW[1])
    tower.train()(collate(frame)).sum().backward()
    assert (tower.embeddings[0].weight.grad.abs().sum(1) > 0).all()


def test_gradients_reach_every_part():
    frame = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0) ** 2, "c": ["u", "v"] * 25})
    tower, collate = tower_and_collator(Inputs(numeric=["x", "y"], categorical=["c"]), frame)
    tower(collate(frame)).square().sum().backward()
    reached = tower.layers[0].weight.grad.abs().sum(0)
    flags = slice(2, 4)  # nothing is missing
    assert (reached[flags] == 0).all()
    assert (torch.cat([reached[:2], reached[4:]]) > 0).all()


def test_saved_statistics_give_the_same_tower():
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=500), "c": ["u", "v"] * 250})
    inputs = Inputs(numeric=["x"], categorical=["c"])
    tower, collate = tower_and_collator(inputs, frame)
    again = InputStatistics.model_validate_json(collate.statistics.model_dump_json())
    loaded = FeatureTower(inputs, again).eval()
    loaded.load_state_dict(tower.state_dict())
    assert torch.equal(loaded(Collator(inputs, again, TOKENIZER)(frame)), tower(collate(frame)))
