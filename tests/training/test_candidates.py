"""Sampled candidates stand for the whole catalogue."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.encoder import TextEncoder
from polymart.model.inputs import Collator
from polymart.model.items import Items
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import kind_of
from polymart.training.candidates import Candidates

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 8)
WORDS = ("milk", "bread", "cheese", "good", "bad", "sour")
RETRIEVAL = kind_of("retrieval")


def retrieval_task(negatives: int, history: bool = False) -> Task:
    inputs = {"text": "text", **({"label_history": "h"} if history else {})}
    fixed = {"metric": "recall@10", "floor": "popularity", "cluster": "c", "source": "found", "kind": "retrieval"}
    return Task.model_validate({"name": "found", "inputs": inputs, "items": "goods", "negatives": negatives, **fixed})


def items_of(num: int) -> Items:
    texts = [f"{WORDS[i % 6]} {WORDS[i // 6 % 6]}" for i in range(num)]
    return Items.of(pd.DataFrame({"item_id": np.arange(num), "text": texts}), TOKENIZER)


def test_each_unique_text_is_tokenised_once():
    items = items_of(100)
    assert (len(items), len(items.tokens_V)) == (100, 36)
    texts, index_M = items.texts_of(np.array([3, 39, 40, 75]))
    assert len(texts) == 2  # 3, 39 and 75 are the same text
    tokens, mask = items.padded(texts)
    for place, item in enumerate((3, 39, 40, 75)):
        row = index_M[place]
        read = TOKENIZER.decode(tokens[row][mask[row].bool()].tolist())
        assert read == f"[CLS] {WORDS[item % 6]} {WORDS[item // 6 % 6]} [SEP]"


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 12), st.booleans())
def test_with_every_item_a_candidate_the_loss_is_the_full_softmax(seed, num_items, history):
    generator = np.random.default_rng(seed)
    positives = [np.sort(generator.permutation(num_items)[: generator.integers(1, num_items + 1)]) for _ in range(3)]
    target_BP = torch.from_numpy(RETRIEVAL.encode_labels(pd.Series(positives), None, "t"))
    negatives = 2 * num_items if history else num_items
    candidates = Candidates.of(items_of(num_items), target_BP, retrieval_task(negatives, history))
    seen = torch.from_numpy(generator.integers(0, num_items + 1, (3, 4))) if history else None
    batch, weight_BM = candidates.add_to(Batch(3, history_ids_BP=seen), target_BP, draw=seed)
    assert batch.items_M.tolist() == list(range(num_items))
    scores_BI = torch.from_numpy(generator.normal(0, 2, (3, num_items))).float()
    found_B = RETRIEVAL.loss(scores_BI + batch.item_correction_BM, weight_BM)
    share_BI = torch.log_softmax(scores_BI, 1)
    expected = [-share_BI[row, ids].mean() / math.log(num_items) for row, ids in enumerate(positives)]
    torch.testing.assert_close(found_B, torch.stack(expected))


@pytest.mark.parametrize("history", [False, True])
def test_corrected_candidates_estimate_the_sum_over_the_catalogue_without_bias(history):
    """Batches are drawn from a popularity, so that the positives of other rows come as often as the split says."""
    generator, num = np.random.default_rng(0), 60
    share_I = generator.dirichlet(np.full(num, 0.5))
    target_NP = torch.from_numpy(generator.choice(num, (4000, 1), p=share_I))
    candidates = Candidates.of(items_of(num), target_NP, retrieval_task(8, history))
    weight_I = np.exp(generator.normal(0, 1, num))
    met = torch.tensor([[3, 17, 42, num]] * 5) if history else None
    own, estimates = 7, []
    for draw in range(2000):
        others = target_NP[generator.integers(0, 4000, 4)]
        target_BP = torch.cat([torch.tensor([[own]]), others])
        batch, _ = candidates.add_to(Batch(5, history_ids_BP=met), target_BP, draw)
        corrected = np.exp(batch.item_correction_BM[0].numpy()) * weight_I[batch.items_M.numpy()]
        estimates.append(corrected.sum())
    error = np.std(estimates) / math.sqrt(len(estimates))
    # Positives are drawn as single items, for which 1 - exp(-n p) and 1 - (1 - p)^n differ a little.
    assert np.mean(estimates) == pytest.approx(weight_I.sum(), abs=4 * error + 0.02 * weight_I.sum())


def test_a_positive_drawn_once_more_stays_one_uncorrected_candidate():
    target_BP = torch.tensor([[0, 1], [1, -1]])
    candidates = Candidates.of(items_of(4), target_BP, retrieval_task(negatives=4))
    batch, weight_BM = candidates.add_to(Batch(2), target_BP, draw=0)
    assert batch.items_M.tolist() == [0, 1, 2, 3]
    assert (weight_BM * math.log(4)).tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]


def test_the_same_number_draws_the_same_candidates_and_another_number_others():
    target_BP = torch.tensor([[5], [9]])
    candidates = Candidates.of(items_of(5000), target_BP, retrieval_task(negatives=20))
    drawn = [candidates.add_to(Batch(2), target_BP, draw)[0].items_M.tolist() for draw in (3, 4, 3)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert all({5, 9} <= set(items) and len(items) <= 22 for items in drawn)


def test_half_of_the_negatives_come_from_the_histories():
    history = torch.arange(100, 150).reshape(2, 25)
    target_BP = torch.tensor([[0], [1]])
    candidates = Candidates.of(items_of(5000), target_BP, retrieval_task(40, history=True))
    items_M = candidates.add_to(Batch(2, history_ids_BP=history), target_BP, 0)[0].items_M.numpy()
    assert 10 <= ((items_M >= 100) & (items_M < 150)).sum() <= 22


class LargestTensor(TorchDispatchMode):
    """Records the most elements of any tensor that an operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.most = max(self.most, tensor.numel())
        return result


def model_and_batch(num_items: int, rows: int = 16, negatives: int = 32):
    torch.manual_seed(0)
    task = retrieval_task(negatives, history=True)
    ids = [[i, i + 50] for i in range(rows)]
    frame = pd.DataFrame(
        {"text": ["milk", "bread"] * (rows // 2), "h_ids": ids, "label": [[3 * i] for i in range(rows)]}
    )
    frame["h_count"] = frame["h_decayed"] = frame["h_gap"] = [[1.0, 2.0]] * rows
    statistics = fit_statistics(frame, task.inputs, num_items)
    encoder = TextEncoder(tiny_bert(TOKENIZER.get_vocab_size()), 2)
    model = MultiTaskModel.build(encoder, [task], {"found": statistics}, {"found": None})
    target = torch.from_numpy(RETRIEVAL.encode_labels(frame.label, None, "found"))
    model.head("found").start_at(RETRIEVAL.base_outputs(target, num_items))
    candidates = Candidates.of(items_of(num_items), target, task)
    return model, *candidates.add_to(Collator(task.inputs, statistics, TOKENIZER)(frame), target, 0)


def test_training_never_holds_a_number_for_every_row_and_item():
    num_items, rows = 20_000, 16
    model, batch, weight_BM = model_and_batch(num_items, rows)
    with LargestTensor() as seen:
        loss = RETRIEVAL.loss(model("found", batch), weight_BM).mean()
        loss.backward()
    assert len(batch.items_M) < 70
    # The popularity and its gradient have one number for each item; nothing has more than a few.
    assert num_items <= seen.most < 3 * num_items < rows * num_items


def test_gradients_reach_both_towers_the_shared_encoder_and_the_history():
    model, batch, weight_BM = model_and_batch(500)
    RETRIEVAL.loss(model("found", batch), weight_BM).mean().backward()
    head = model.head("found")
    for name in ("query.weight", "item.weight", "bias_I", "log_scale", "history.last.weight", "history.log_smoothing"):
        assert head.get_parameter(name).grad.abs().sum() > 0, name
    moved = head.bias_I.grad.nonzero()[:, 0]
    assert set(moved.tolist()) <= set(batch.items_M.tolist())
    # Each tower alone moves the shared encoder.
    for tower in ("query", "item"):
        model.zero_grad()
        text_UD, texts_VD = model.encode("found", batch), model.encoder(batch.item_tokens_VT, batch.item_mask_VT)
        kept = (text_UD, texts_VD.detach()) if tower == "query" else (text_UD.detach(), texts_VD)
        outputs_BM = head(batch, kept[0].index_select(0, batch.text_index_B), kept[1])
        RETRIEVAL.loss(outputs_BM, weight_BM).mean().backward()
        assert sum(float(p.grad.abs().sum()) for p in model.encoder.parameters() if p.grad is not None) > 0, tower


def test_the_head_starts_at_smoothed_personal_frequency_beside_the_similarity():
    model, batch, _ = model_and_batch(500)
    head = model.head("found")
    head.log_scale.data.fill_(-20.0)  # without the texts
    batch = replace(batch, item_correction_BM=torch.zeros_like(batch.item_correction_BM))
    scores_BM, items_M = model("found", batch).detach(), batch.items_M
    share_M = head.bias_I.detach().exp()[items_M]
    for row in range(batch.size):
        count_M = torch.zeros(len(items_M))
        for item, count in ((row, 1.0), (row + 50, 2.0)):
            count_M[items_M == item] = count
        torch.testing.assert_close(scores_BM[row], torch.log(share_M + count_M / 20.0), rtol=1e-4, atol=1e-4)


def test_bfloat16_changes_the_loss_but_little():
    model, batch, weight_BM = model_and_batch(500)
    exact = RETRIEVAL.loss(model("found", batch), weight_BM)
    with torch.autocast("cpu", torch.bfloat16):
        outputs_BM = model("found", batch)
    rough = RETRIEVAL.loss(outputs_BM.float(), weight_BM)
    rough.mean().backward()
    torch.testing.assert_close(rough, exact, rtol=0.01, atol=0.01)
