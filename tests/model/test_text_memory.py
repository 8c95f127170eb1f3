"""Texts that come again in a table are encoded once, and nothing else changes."""

import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from polymart.config import Inputs
from polymart.model.encoder import TextEncoder
from polymart.model.inputs import Collator
from polymart.model.statistics import fit_statistics
from polymart.model.text_memory import TextMemory
from polymart.model.texts import fit_tokenizer

PAIR = Inputs(text="query", text_pair="product")
COLLATE = Collator(PAIR, fit_statistics(pd.DataFrame(), PAIR, 0), fit_tokenizer(tiny_tokenizer(), 8))
ENCODER = TextEncoder(tiny_bert(tiny_tokenizer().get_vocab_size()), 1).eval()
TEXTS = st.sampled_from(["milk", "bread", "good milk", "bad bread sour", "", "fresh good milk bread"])


class Counting:
    """An encoder that tells how many texts each of its passes had."""

    def __init__(self):
        self.passes = []

    def __call__(self, tokens_UT, mask_UT):
        self.passes.append(len(tokens_UT))
        assert mask_UT.sum(1).max() == mask_UT.shape[1], "padded to the longest text of the pass"
        return ENCODER(tokens_UT, mask_UT)


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.inference_mode():
        yield


def batches(*tables):
    return [COLLATE(pd.DataFrame(rows, columns=["query", "product"])) for rows in tables]


@given(st.lists(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 6))
def test_vectors_are_those_of_a_plain_pass_and_no_remembered_text_is_encoded_again(tables, size):
    encoder = Counting()
    memory = TextMemory(encoder, size)
    with torch.inference_mode():
        for batch in batches(*tables):
            torch.testing.assert_close(memory.encode(batch), ENCODER(batch.tokens_UT, batch.mask_UT))
    distinct = {text for rows in tables for row in rows for text in row}
    assert sum(encoder.passes) >= len(distinct)
    if size >= len(distinct):
        assert sum(encoder.passes) == len(distinct)
    assert len(memory) == min(size, len(distinct))


def test_a_first_batch_has_the_bits_of_a_plain_pass():
    (batch,) = batches([("milk", "good milk"), ("bread", "")])
    assert torch.equal(TextMemory(ENCODER).encode(batch), ENCODER(batch.tokens_UT, batch.mask_UT))


def test_a_batch_that_is_known_needs_no_pass():
    encoder = Counting()
    memory = TextMemory(encoder)
    first, again = batches([("milk", "good milk"), ("bread", "milk")], [("good milk", "bread")])
    memory.encode(first)
    memory.encode(again)
    assert encoder.passes == [3]


def test_a_task_without_texts_has_no_vectors():
    inputs = Inputs(numeric=["age"])
    train = pd.DataFrame({"age": [1.0, 2.0]})
    collate = Collator(inputs, fit_statistics(train, inputs, 0), fit_tokenizer(tiny_tokenizer(), 8))
    assert TextMemory(ENCODER).encode(collate(train)) is None
