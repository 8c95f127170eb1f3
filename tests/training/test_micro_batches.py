import numpy as np
import pandas as pd
from fixtures.tiny_encoder import tiny_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.config import Task
from polymart.model.inputs import Collator
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.training.data import BUCKET, MicroBatches, TaskData

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 64)


def task_data(lengths: list[int], micro_batch: int) -> TaskData:
    task = Task.model_validate(
        {
            "name": "mood",
            "kind": "binary",
            "source": "mood",
            "inputs": {"text": "text"},
            "metric": "roc_auc",
            "floor": "majority",
            "cluster": "household_id",
            "micro_batch": micro_batch,
        }
    )
    frame = pd.DataFrame(
        {"text": ["milk " * n for n in lengths], "label": [i % 2 for i in range(len(lengths))]},
        index=np.arange(len(lengths)) + 100,
    )
    return TaskData.of(task, frame, None, Collator(task.inputs, fit_statistics(frame, task.inputs, 0), TOKENIZER))


def epochs(data: TaskData, seed: int, count: int) -> list[list[np.ndarray]]:
    stream = MicroBatches(data, seed)
    return [[stream[epoch * stream.per_epoch + i] for i in range(stream.per_epoch)] for epoch in range(count)]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=150), st.integers(1, 9), st.integers(0, 99))
def test_an_epoch_holds_every_row_exactly_once(lengths, micro_batch, seed):
    data = task_data(lengths, micro_batch)
    for epoch in epochs(data, seed, 2):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(len(lengths)))
        assert all(1 <= len(rows) <= micro_batch for rows in epoch)


def test_the_seed_decides_the_order_and_epochs_differ():
    data = task_data([i % 13 for i in range(100)], 8)
    first, again, other = (epochs(data, seed, 2) for seed in (1, 1, 2))
    as_lists = [[rows.tolist() for rows in epoch] for epoch in first]
    assert as_lists == [[rows.tolist() for rows in epoch] for epoch in again]
    assert as_lists != [[rows.tolist() for rows in epoch] for epoch in other]
    assert as_lists[0] != as_lists[1]


def test_texts_of_similar_length_share_a_micro_batch_without_a_fixed_order():
    lengths = np.random.default_rng(0).integers(1, 50, 8 * BUCKET)
    data = task_data(lengths.tolist(), 8)
    (epoch,) = epochs(data, 0, 1)
    spreads = [np.ptp(data.lengths[rows]) for rows in epoch]
    assert np.mean(spreads) < 0.15 * np.ptp(data.lengths)
    means = [data.lengths[rows].mean() for rows in epoch]
    assert means != sorted(means)


def test_validation_sees_every_row_once():
    data = task_data([5, 1, 9, 3, 3], 2)
    assert sorted(np.concatenate(list(data.in_order(2))).tolist()) == [0, 1, 2, 3, 4]
    batches = [data.take(rows) for rows in data.in_order(2)]
    assert [batch.size for batch, _ in batches] == [2, 2, 1]
    assert sum(len(target) for _, target in batches) == len(data) == 5
    widths = [batch.tokens_UT.shape[1] for batch, _ in batches]
    assert widths == sorted(widths)


def test_a_micro_batch_is_a_function_of_its_number_alone():
    data = task_data([i % 7 for i in range(50)], 8)
    in_order, jumping = MicroBatches(data, 3), MicroBatches(data, 3)
    rows = [in_order[i].tolist() for i in range(30)]
    for number in (29, 0, 13, 12, 28, 1):
        assert jumping[number].tolist() == rows[number]
