"""Retrieval from example tables to a checkpoint, answers and an evaluation."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_items import NUM_ITEMS, goods, items_suite, items_tables, write_items_examples

from monitoring.performance import score_rows
from polymart.errors import CheckpointError, ServingError
from polymart.evaluation.evaluate import evaluate_suite
from polymart.model import item_index
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import load_checkpoint
from polymart.training.loop import train_suite


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrieval")
    encoder = folder / "encoder"
    encoder.mkdir()
    write_tiny_encoder(encoder)
    examples, suite = write_items_examples(folder / "examples"), items_suite()
    digest, log = train_suite(examples, encoder, suite, folder / "checkpoint")
    evaluation = evaluate_suite(examples, folder / "checkpoint", suite, folder / "predictions")
    return SimpleNamespace(
        folder=folder,
        examples=examples,
        encoder=encoder,
        suite=suite,
        digest=digest,
        log=log,
        evaluation={task.task: task for task in evaluation.tasks},
        predictor=Predictor.load(folder / "checkpoint"),
    )


def test_retrieval_beats_its_floors(trained):
    found, again = trained.evaluation["found"], trained.evaluation["again"]
    assert found.gain_lower_bound > 0.2
    assert found.score.value > 0.7
    assert again.others["mrr"] > 0.7
    assert set(again.others) == {"recall@20", "hit@10", "mrr", "ndcg@10"}
    assert (found.baseline, found.floor) == ("bm25", "popularity")


def test_predictions_hold_the_best_item_and_its_share(trained):
    table = pd.read_parquet(trained.folder / "predictions/found.parquet")
    assert set(table.split) == {"val", "test"}
    assert set(table.prediction) <= set(goods().item_id)
    assert table.score.between(0, 1).all()
    hits = [prediction in label for prediction, label in zip(table.prediction, table.label, strict=True)]
    assert np.mean(hits) > 0.2
    assert score_rows("retrieval", table) == pytest.approx(np.mean(hits))
    answers = trained.predictor.answer("found", items_tables()["found"].query("split != 'train'"), top=3)
    assert table.prediction.tolist() == [answer["items"][0]["item_id"] for answer in answers]
    assert [len(answer["items"]) for answer in answers] == [3] * len(table)


@pytest.mark.parametrize("task", ["found", "again"])
@pytest.mark.parametrize("chunk", [7, 8192])
def test_the_best_items_are_those_of_all_scores(trained, monkeypatch, task, chunk):
    monkeypatch.setattr(item_index, "CHUNK", chunk)
    predictor, frame = trained.predictor, items_tables()[task].head(9)
    head, batch = predictor.model.head(task), predictor.collators[task](frame)
    with torch.inference_mode():
        text_BD = predictor.model.encode(task, batch).index_select(0, batch.text_index_B)
        vectors = predictor.index(task).vectors_VD[predictor.index(task).text_index_I]
        scores_BI = head.score(batch, head.context(batch, text_BD), vectors, torch.arange(NUM_ITEMS))
    share_BI = scores_BI.softmax(1).numpy()
    ranked_BK, shares_BK = predictor.top_items(task, frame, 5)
    np.testing.assert_allclose(shares_BK, -np.sort(-share_BI, 1)[:, :5], rtol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(share_BI, ranked_BK, 1), shares_BK, rtol=1e-4)
    everything, _ = predictor.top_items(task, frame, 1000)
    assert np.sort(everything, 1).tolist() == [list(range(NUM_ITEMS))] * 9


def test_the_catalogue_is_encoded_once(trained):
    predictor = Predictor.load(trained.folder / "checkpoint")
    calls = []
    predictor.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    frame = items_tables()["found"].head(3)
    predictor.top_items("found", frame, 2)
    first = len(calls)
    predictor.top_items("found", frame, 2)
    assert (first, len(calls)) == (2, 3)  # the catalogue and the queries; then the queries alone


def test_scores_of_no_catalogue_are_refused(trained):
    with pytest.raises(ServingError, match="no task 'nothing'"):
        trained.predictor.top_items("nothing", items_tables()["found"], 2)


def test_the_checkpoint_keeps_the_items_and_verifies_them(trained, tmp_path):
    checkpoint = load_checkpoint(trained.folder / "checkpoint")
    pd.testing.assert_frame_equal(checkpoint.items["goods"], goods(), check_dtype=False)
    assert checkpoint.digest == trained.digest
    path = trained.folder / "checkpoint/items/goods.parquet"
    written = path.read_bytes()
    goods().assign(text="other").to_parquet(path)
    try:
        with pytest.raises(CheckpointError, match=r"items/goods\.parquet"):
            load_checkpoint(trained.folder / "checkpoint")
    finally:
        path.write_bytes(written)


def test_the_same_training_gives_the_same_bytes(trained, tmp_path):
    suite = items_suite("again", max_steps=6, evaluate_every=3)
    digests = {train_suite(trained.examples, trained.encoder, suite, tmp_path / n)[0] for n in ("a", "b")}
    assert len(digests) == 1
