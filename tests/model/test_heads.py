import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from polymart.config import Inputs
from polymart.model.heads import TaskHead
from polymart.model.inputs import Collator
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 8)


def head_and_batch(inputs: Inputs, frame: pd.DataFrame, outputs: int, width: int = 0, seed: int = 0):
    torch.manual_seed(seed)
    statistics = fit_statistics(frame, inputs, outputs if inputs.label_history else 0)
    return TaskHead(inputs, statistics, width, outputs), Collator(inputs, statistics, TOKENIZER)(frame)


def history(ids: list[list[int]], count: list[list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "h_ids": ids,
            "h_count": count,
            "h_decayed": count,
            "h_gap": [[1.0] * len(c) for c in count],
            "x": np.arange(len(ids), dtype=float),
        }
    )


count_tables = st.lists(st.lists(st.integers(0, 30), min_size=5, max_size=5), min_size=1, max_size=4)


@settings(max_examples=50)
@given(count_tables, st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5), st.booleans())
def test_a_history_head_starts_exactly_at_smoothed_personal_frequency(table, popularity, with_numbers):
    counts = np.array(table, float)
    popularity = np.array(popularity) / np.sum(popularity)
    seen = [np.flatnonzero(row) for row in counts]
    frame = history([s.tolist() for s in seen], [row[s].tolist() for row, s in zip(counts, seen, strict=True)])
    inputs = Inputs(numeric=["x"] if with_numbers else [], label_history="h")
    head, batch = head_and_batch(inputs, frame, 5)
    head.start_at(torch.from_numpy(np.log(popularity)).float())
    outputs_BL = head(batch, None).detach().numpy()
    smoothing = float(torch.nn.functional.softplus(head.history.smoothing.detach()))
    np.testing.assert_allclose(outputs_BL, np.log(counts + smoothing * popularity + 1e-6), rtol=1e-4, atol=1e-4)


def test_the_history_alone_is_enough_input_and_can_be_learned_from():
    frame = history([[0, 2], [1], []], [[3.0, 1.0], [2.0], []])
    head, batch = head_and_batch(Inputs(label_history="h"), frame, 3)
    head.start_at(torch.zeros(3))
    loss = torch.nn.functional.cross_entropy(head(batch, None), torch.tensor([2, 2, 2]))
    loss.backward()
    moved = {name for name, p in head.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {
        "history.per_label.weight",
        "history.log_popularity",
        "history.smoothing",
        "history.shared.4.weight",
    } <= moved


def test_a_label_never_seen_gets_no_history():
    frame = history([[0]], [[4.0]])
    head, batch = head_and_batch(Inputs(label_history="h"), frame, 3)
    torch.nn.init.normal_(head.history.shared[-1].bias)
    torch.nn.init.normal_(head.history.per_label.weight)
    before = head(batch, None)
    with torch.no_grad():
        head.history.per_label.weight[1:] += 1.0  # labels 1, 2 and the padding
    torch.testing.assert_close(head(batch, None), before)


@pytest.mark.parametrize("value", [0.0, 1.0, 37.5, 1e6])
def test_a_correcting_head_starts_exactly_at_its_baseline(value):
    frame = pd.DataFrame({"x": [1.0, 2.0, 5.0], "b": [value, value, 0.0]})
    head, batch = head_and_batch(Inputs(numeric=["x"], baseline="b"), frame, 2)
    head.start_at(torch.tensor([7.0, 9.0]))  # the baseline says more than the base rate
    np.testing.assert_allclose(head(batch, None).detach().numpy(), np.log1p(frame[["b", "b"]]), rtol=1e-6)


def test_a_plain_head_starts_around_its_base_outputs():
    frame = pd.DataFrame({"x": np.arange(50.0)})
    head, batch = head_and_batch(Inputs(numeric=["x"]), frame, 2)
    head.start_at(torch.tensor([30.0, -30.0]))
    assert head(batch, None).mean(0).tolist() == pytest.approx([30.0, -30.0], abs=3)


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs(text="t"),
        Inputs(numeric=["x"]),
        Inputs(categorical=["c"]),
        Inputs(text="t", numeric=["x"]),
        Inputs(numeric=["x"], categorical=["c", "d"]),
        Inputs(text="t", label_history="h"),
        Inputs(label_history="h"),
        Inputs(text="t", baseline="x"),
        Inputs(text="t", numeric=["x"], categorical=["c"], label_history="h", baseline="x"),
    ],
    ids=lambda inputs: "+".join(inputs.model_dump(exclude_defaults=True)),
)
def test_every_combination_of_inputs_gives_outputs_with_gradients(inputs):
    frame = history([[0], [1, 2]], [[1.0], [2.0, 3.0]]).assign(t=["milk", "tea"], c=["u", "v"], d=["u", None])
    head, batch = head_and_batch(inputs, frame, 3, width=16)
    outputs_BO = head(batch, torch.randn(2, 16) if inputs.text else None)
    assert outputs_BO.shape == (2, 3)
    assert outputs_BO.dtype == torch.float32
    outputs_BO.square().sum().backward()
    assert head.out.bias.grad.abs().sum() > 0
