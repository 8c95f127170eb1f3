"""Second texts, hostile texts, and pictures beside texts."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer
from fixtures.tiny_suite import tiny_suite
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from polymart.config import Inputs
from polymart.model.encoder import TextEncoder
from polymart.model.heads import PairMatcher
from polymart.model.inputs import Collator
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import fit_statistics
from polymart.model.texts import CHARACTERS_PER_TOKEN, clean_texts, fit_tokenizer

TOKENIZER = fit_tokenizer(tiny_tokenizer(), 8)
PAIR = Inputs(text="query", text_pair="product")


def collator(inputs: Inputs, train: pd.DataFrame | None = None) -> Collator:
    return Collator(inputs, fit_statistics(pd.DataFrame() if train is None else train, inputs, 0), TOKENIZER)


def pairs(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query", "product"])


def test_a_text_is_encoded_once_be_it_first_or_second():
    batch = collator(PAIR)(pairs(("milk", "bread"), ("bread", "milk"), ("milk", None)))
    assert len(batch.tokens_UT) == 3
    assert batch.text_index_B.tolist() == [0, 1, 0]
    assert batch.pair_index_B.tolist() == [1, 0, 2]


def test_rows_are_bucketed_by_their_longer_text():
    assert collator(PAIR).lengths(pairs(("milk", "good bad"), ("milk bread sour", ""), ("", ""))).tolist() == [4, 5, 2]
    assert collator(PAIR).columns() == ["query", "product"]


def test_each_length_has_a_tokenizer_of_its_own():
    short, long = fit_tokenizer(TOKENIZER, 4), fit_tokenizer(TOKENIZER, 12)
    text = "milk " * 20
    assert [len(t.encode(text).ids) for t in (short, long, TOKENIZER)] == [4, 12, 8]


@pytest.mark.parametrize("text", ["milk " * 20_000, "x" * 100_000, "\u4e00" * 100_000, " " * 100_000 + "milk"])
def test_only_the_start_of_a_long_text_is_read(text):
    limit = 8 * CHARACTERS_PER_TOKEN
    collate = collator(Inputs(text="t"))
    whole, start = (collate(pd.DataFrame({"t": [value]})).tokens_UT for value in (text, text[:limit]))
    assert torch.equal(whole, start)
    assert clean_texts(pd.Series([text]), limit)[0] == text[:limit]


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "\x00milk", "\u202e\u200b", "\U0001f95b" * 50, "e\u0301" * 9, "\ufffe", "﷽"]
)
def test_text_that_is_junk_is_read_without_complaint(text):
    collate = collator(Inputs(text="t"))
    frame = pd.DataFrame({"t": pd.Series([text, "milk"], dtype=object)})
    batch = collate(frame)
    assert collate.lengths(frame).tolist() == batch.mask_UT.sum(1).tolist()
    assert batch.text_index_B.tolist() == [0, 1]  # junk is not taken for the clean text beside it


@given(st.lists(st.text(st.characters(), max_size=40), min_size=1, max_size=4))
def test_any_text_can_be_written_as_utf_8(texts):
    cleaned = clean_texts(pd.Series(texts, dtype=object), 30)
    for before, after in zip(texts, cleaned, strict=True):
        assert len(after) == min(30, len(before))
        assert after.encode().decode() == after
        assert after == before[:30] or any("\ud800" <= c <= "\udfff" for c in before)


def test_values_that_are_no_text_are_read_as_text():
    assert clean_texts(pd.Series([None, np.nan, pd.NA, 3, True], dtype=object), 9).tolist() == ["", "", "", "3", "True"]


def model_of(kind: str, inputs: Inputs, train: pd.DataFrame) -> tuple[MultiTaskModel, Collator]:
    task = tiny_suite("reply").tasks[0].model_copy(update={"kind": kind, "inputs": inputs})
    collate = collator(inputs, train)
    encoder = TextEncoder(tiny_bert(TOKENIZER.get_vocab_size()), 2)
    return MultiTaskModel.build(encoder, [task], {"reply": collate.statistics}, {"reply": ["a", "b"]}), collate


@pytest.mark.parametrize("kind", ["ranking", "binary", "regression", "tagging"])
def test_a_pair_is_scored_the_same_alone_and_among_others(kind):
    frame = pairs(("milk", "bread"), ("sour", "milk"), ("milk", "milk")).assign(x=[1.0, 2.0, 3.0])
    model, collate = model_of(kind, PAIR.model_copy(update={"numeric": ["x"]}), frame)
    together = model.eval()("reply", collate(frame))
    alone = torch.cat([model("reply", collate(frame.iloc[i : i + 1])) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.std(0).min() > 1e-4


def test_the_second_text_is_not_mixed_up_with_the_first_of_another_row():
    frame = pairs(("milk", "bread"), ("bread", "cheese"))
    model, collate = model_of("ranking", PAIR, frame)
    changed = frame.assign(product=["bread", "sour"])
    before, after = (model.eval()("reply", collate(rows)) for rows in (frame, changed))
    torch.testing.assert_close(before[0], after[0], rtol=1e-4, atol=1e-5)
    assert (before[1] - after[1]).abs().max() > 1e-4


def test_the_match_is_symmetric_and_ends_in_the_cosine():
    torch.manual_seed(0)
    matcher, u, v = PairMatcher(16), torch.randn(4, 16), torch.randn(4, 16)
    torch.testing.assert_close(matcher(u, v), matcher(v, u))
    torch.testing.assert_close(matcher(u, v)[:, -1], torch.cosine_similarity(u, v))
    assert matcher(u, v).shape == (4, PairMatcher.width)
    torch.testing.assert_close(matcher(u, 3 * u)[:, -1], torch.ones(4))


def picture(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("binary", Inputs(image="photo")),
        ("tagging", Inputs(image="photo", text="query")),
        ("regression", Inputs(image="photo", text="query", text_pair="product", numeric=["x"])),
        ("count", Inputs(image="photo", numeric=["x"])),
    ],
)
def test_pictures_work_beside_other_inputs_in_every_kind(kind, inputs):
    frame = pairs(("milk", "bread"), ("sour", "milk")).assign(photo=[picture("red"), picture("blue")], x=[1.0, 2.0])
    model, collate = model_of(kind, inputs, frame)
    outputs = model("reply", collate(frame))
    assert outputs.shape[0] == 2
    outputs.square().sum().backward()
    assert model.image.project.weight.grad.abs().sum() > 0


def test_a_model_without_pictures_has_no_image_tower():
    assert model_of("binary", PAIR, pairs(("a", "b")))[0].image is None
