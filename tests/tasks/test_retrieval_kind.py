import math

import numpy as np
import pandas as pd
import pytest
import torch

from polymart.errors import LabelError
from polymart.tasks import kind_of

RETRIEVAL = kind_of("retrieval")


def test_positions_are_padded_to_the_longest_row():
    column = pd.Series([[4], np.array([0, 7, 9]), []])
    assert RETRIEVAL.encode_labels(column, None, "t").tolist() == [[4, -1, -1], [0, 7, 9], [-1, -1, -1]]


def test_an_empty_column_has_no_targets():
    assert len(RETRIEVAL.encode_labels(pd.Series([], dtype=object), None, "t")) == 0


@pytest.mark.parametrize(
    ("label", "shown"),
    [([0, -1], "-1"), ([1.5], "1.5"), (["x"], "x"), (None, "None"), (np.nan, "nan"), ("ab", "'ab'")],
)
def test_what_is_no_list_of_positions_is_named_with_task_and_count(label, shown):
    with pytest.raises(LabelError) as caught:
        RETRIEVAL.encode_labels(pd.Series([[1], label, label], dtype=object), None, "basket")
    assert "task 'basket': 2 labels" in caught.value.message
    assert shown in caught.value.message


def test_a_position_outside_a_known_catalogue_is_refused():
    with pytest.raises(LabelError, match="no positions of the item table"):
        RETRIEVAL.encode_labels(pd.Series([[3]]), ["a", "b", "c"], "t")


def test_the_start_is_popularity_smoothed_by_one_observation():
    base_I = RETRIEVAL.base_outputs(torch.tensor([[0, 2, -1], [2, -1, -1]]), 4)
    np.testing.assert_allclose(base_I.exp(), np.array([2, 1, 3, 1]) / 7, rtol=1e-6)


def test_the_loss_of_equal_scores_over_the_whole_catalogue_is_one():
    positives = torch.tensor([[1.0, 0, 1, 0, 0], [0, 0, 0, 1, 0]])
    weight_BM = positives / positives.sum(1, keepdim=True) / math.log(5)
    torch.testing.assert_close(RETRIEVAL.loss(torch.zeros(2, 5), weight_BM), torch.ones(2))


def test_the_loss_is_the_mean_over_the_positives_in_units_of_the_catalogue():
    outputs_BM = torch.tensor([[2.0, 0.5, -1.0]])
    share = torch.log_softmax(outputs_BM, 1)[0]
    expected = -(share[0] + share[2]) / 2 / math.log(1000)
    weight_BM = torch.tensor([[0.5, 0.0, 0.5]]) / math.log(1000)
    torch.testing.assert_close(RETRIEVAL.loss(outputs_BM, weight_BM), expected[None])


def test_answers_name_items_best_first():
    scores_BO = np.array([[0.1, 0.7, 0.2]], np.float32)
    answer = RETRIEVAL.decode(scores_BO, ["a", "b", "c"], 2)
    assert answer == [
        {"items": [{"item_id": "b", "score": pytest.approx(0.7)}, {"item_id": "c", "score": pytest.approx(0.2)}]}
    ]
    prediction, score = RETRIEVAL.summary(scores_BO, ["a", "b", "c"])
    assert (prediction.tolist(), score.tolist()) == (["b"], [pytest.approx(0.7)])
