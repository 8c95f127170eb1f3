import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer, write_tiny_encoder
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables

from polymart.errors import CheckpointError, ServingError, TableError, TrainingError
from polymart.model.encoder import TextEncoder
from polymart.model.precision import autocast_dtype
from polymart.model.predictor import Predictor

SUITE = tiny_suite()
NAMES = [task.name for task in SUITE.tasks]
each_task = pytest.mark.parametrize("task", NAMES)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    checkpoint = tiny_checkpoint(SUITE)
    for head in checkpoint.model.heads.values():  # zero weights would hide a dependence on the inputs
        torch.nn.init.normal_(head.out.weight, std=0.3)
    return Predictor(checkpoint)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return tiny_tables()


@each_task
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_score_of_a_row_ignores_the_rows_beside_it(predictor, tables, task, batch_size):
    """The parity of serving (one row) with evaluation (many rows) rests on this."""
    frame = tables[task].head(40)
    whole = predictor.scores(task, frame, batch_size=40)
    np.testing.assert_allclose(predictor.scores(task, frame, batch_size=batch_size), whole, rtol=1e-5, atol=1e-5)
    assert whole.std(0).max() > 1e-3  # rows differ, so equality says something


@each_task
def test_scores_follow_their_rows(predictor, tables, task):
    frame = tables[task].head(30)
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(
        predictor.scores(task, frame.iloc[order], batch_size=8),
        predictor.scores(task, frame)[order],
        rtol=1e-5,
        atol=1e-5,
    )


@each_task
def test_every_row_is_counted_once_and_the_index_does_not_matter(predictor, tables, task):
    frame, done = tables[task].head(11), []
    scores = predictor.scores(task, frame.set_axis([5] * 11), batch_size=4, advance=done.append)
    assert sum(done) == len(scores) == 11
    np.testing.assert_array_equal(scores, predictor.scores(task, frame, batch_size=4))


@each_task
def test_only_the_listed_columns_are_read(predictor, tables, task):
    frame = tables[task].head(5)
    np.testing.assert_array_equal(predictor.scores(task, frame[predictor.columns(task)]), predictor.scores(task, frame))
    with pytest.raises(TableError, match="are absent"):
        predictor.scores(task, frame.drop(columns=predictor.columns(task)[0]))


@each_task
def test_no_rows_give_no_scores(predictor, tables, task):
    assert len(predictor.scores(task, tables[task].head(0))) == 0
    assert predictor.answer(task, tables[task].head(0)) == []


def test_answers_are_the_decoded_scores(predictor, tables):
    answers = predictor.answer("reply", tables["reply"].head(3))
    assert [a["score"] for a in answers] == predictor.scores("reply", tables["reply"].head(3))[:, 0].tolist()
    ranked = predictor.answer("next_item", tables["next_item"].head(3), top=2)
    assert [len(a["items"]) for a in ranked] == [2, 2, 2]


def test_an_unknown_task_is_answered_with_the_known_ones(predictor, tables):
    with pytest.raises(ServingError, match=r"(?s)no task 'gone'.*use one of: next_item, reply, units, mood"):
        predictor.scores("gone", tables["mood"])


@each_task
def test_one_task_leaves_the_other_heads_without_gradient(tables, task):
    checkpoint = tiny_checkpoint(SUITE)
    collate = Predictor(checkpoint).collators[task]
    checkpoint.model.train()(task, collate(tables[task].head(6))).sum().backward()
    touched = {name for name, p in checkpoint.model.heads.named_parameters() if p.grad is not None}
    assert touched
    assert {name.split(".")[0] for name in touched} == {task}


def test_one_encoding_serves_several_heads(predictor, tables):
    frame = tables["mood"].head(6)
    batch = predictor.collators["mood"](frame)
    text_UD = predictor.model.encode("mood", batch)
    torch.testing.assert_close(predictor.model("mood", batch, text_UD), predictor.model("mood", batch))


def test_gradients_repeat_bit_by_bit_when_many_rows_share_few_texts():
    """Plain indexing sums such gradients with racing threads once they exceed 32,768 numbers."""
    model = tiny_checkpoint(tiny_suite("mood")).model.train()
    collate = Predictor(tiny_checkpoint(tiny_suite("mood"))).collators["mood"]
    batch = collate(pd.DataFrame({"text": ["milk", "bread", "tea"] * 800}))
    weight = torch.randn(2400, 3, generator=torch.Generator().manual_seed(0))

    def gradient() -> torch.Tensor:
        text_UD = model.encode("mood", batch).detach().requires_grad_()
        (model("mood", batch, text_UD) * weight).sum().backward()
        return text_UD.grad

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = gradient()
        assert all(torch.equal(gradient(), first) for _ in range(10))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("trainable", "frozen"), [(0, {0, 1}), (1, {0}), (2, set()), (9, set())])
def test_layers_below_the_trainable_ones_have_no_gradient(trainable, frozen):
    encoder = TextEncoder(tiny_bert(80), trainable)
    vectors = encoder(torch.tensor([[2, 5, 3]]), torch.ones(1, 3, dtype=torch.int64))
    assert vectors.requires_grad == (trainable > 0)
    if trainable:
        vectors.sum().backward()
    with_gradient = {name for name, p in encoder.transformer.named_parameters() if p.grad is not None}
    layers = {int(name.split(".")[2]) for name in with_gradient if name.startswith("encoder.layer")}
    assert layers == {0, 1} - frozen
    assert not any(name.startswith("embeddings") for name in with_gradient)


def test_the_vector_is_the_mean_over_real_tokens():
    encoder = TextEncoder(tiny_bert(80).eval(), 2)
    tokens = torch.tensor([[2, 5, 6, 3, 0, 0], [2, 7, 3, 0, 0, 0]])
    mask = (tokens != 0).long()
    hidden = encoder.transformer(input_ids=tokens, attention_mask=mask).last_hidden_state
    expected = torch.stack([hidden[0, :4].mean(0), hidden[1, :3].mean(0)])
    torch.testing.assert_close(encoder(tokens, mask), expected)
    torch.testing.assert_close(encoder(tokens[1:, :3], mask[1:, :3]), expected[1:], rtol=1e-5, atol=1e-5)


def test_pretrained_weights_are_read_and_an_empty_folder_is_refused(tmp_path):
    folder = write_tiny_encoder(tmp_path / "encoder", seed=3)
    encoder = TextEncoder.from_pretrained(folder, 1)
    vocabulary = tiny_tokenizer().get_vocab_size()
    torch.testing.assert_close(encoder.state_dict(), TextEncoder(tiny_bert(vocabulary, 3), 1).state_dict())
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"(?s)no pretrained encoder in .*empty.*polymart data fetch minilm"):
        TextEncoder.from_pretrained(tmp_path / "empty", 1)


def test_precision_is_what_the_suite_says():
    cpu = torch.device("cpu")
    assert autocast_dtype("float32", cpu) is None
    assert autocast_dtype("bfloat16", cpu) is torch.bfloat16
    assert autocast_dtype("auto", cpu) in (None, torch.bfloat16)
    assert autocast_dtype("float16", torch.device("cuda")) is torch.float16
    with pytest.raises(TrainingError, match="float16 needs a GPU"):
        autocast_dtype("float16", cpu)
