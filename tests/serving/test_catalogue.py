"""The catalogue: what is built at packaging, verified at the start, and found in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shelf import NUM_PRODUCTS, products, save_shelf_checkpoint, shelf_examples, shelf_suite

from polymart.config import Inputs
from polymart.errors import ReleaseError
from polymart.files import read_json
from polymart.model.batch import Batch
from polymart.model.inputs import NUM_HISTORY_FEATURES
from polymart.model.predictor import Predictor
from polymart.model.retrieval import RetrievalHead
from polymart.model.statistics import InputStatistics
from serving.catalogue import Rules, build_catalogue, catalogue_folder, open_catalogue
from serving.catalogue.diversity import diversified
from serving.catalogue.mapped import MappedVectors, write_vectors
from serving.catalogue.products import Products
from serving.catalogue.ranking import ProductRanking, indexed
from serving.catalogue.total import Total
from serving.refusals import UnknownGroupError

HOUSEHOLD = shelf_examples()["next_product"].iloc[[6]]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Predictor]:
    folder = tmp_path_factory.mktemp("shelf") / "checkpoint"
    return folder, save_shelf_checkpoint(folder, shelf_suite())


@pytest.fixture(scope="module")
def ranking(release: tuple[Path, Predictor]) -> ProductRanking:
    ranking = open_catalogue(catalogue_folder(release[0]), release[1]).ranking
    assert ranking is not None
    return ranking


def _top(predictor: Predictor, ranking: ProductRanking, **rules: object) -> list[dict]:
    batch = predictor.collators["next_product"](HOUSEHOLD)
    with torch.inference_mode():
        return ranking.top(batch, predictor.model.encode("next_product", batch), Rules(**rules))


def test_products_and_shares_are_those_of_scoring_the_whole_catalogue(
    release: tuple[Path, Predictor], ranking: ProductRanking
) -> None:
    best, shares = release[1].top_items("next_product", HOUSEHOLD, NUM_PRODUCTS)
    answer = _top(release[1], ranking, top=NUM_PRODUCTS)
    assert [product["item_id"] for product in answer] == (best[0] * 10 + 5).tolist()
    assert [product["score"] for product in answer] == pytest.approx(shares[0], rel=1e-4)
    bought = HOUSEHOLD["product_ids"].iloc[0] * 10 + 5
    assert {product["item_id"] for product in answer if product["bought"]} == set(bought)


def test_filters_choose_by_department_and_category_and_bought_products_can_be_dropped(
    release: tuple[Path, Predictor], ranking: ProductRanking
) -> None:
    every = _top(release[1], ranking, top=NUM_PRODUCTS)
    chosen = _top(release[1], ranking, top=NUM_PRODUCTS, only=["GROCERY", "cheese"], without=["tea"], bought="drop")
    expected = [p for p in every if p["category"] in ("milk", "soup", "cheese") and not p["bought"]]
    assert 0 < len(chosen) < len(every)
    assert [p["item_id"] for p in chosen] == [p["item_id"] for p in expected]
    assert [p["score"] for p in chosen] == pytest.approx([p["score"] for p in expected], rel=1e-4)
    assert {p["department"] for p in chosen} == {"grocery", "deli"}
    assert _top(release[1], ranking, only=["grocery"], without=["grocery"]) == []
    with pytest.raises(UnknownGroupError, match="no department or category is called 'toys'"):
        _top(release[1], ranking, without=["toys"])


def test_diversity_trades_shares_for_unlikeness(release: tuple[Path, Predictor], ranking: ProductRanking) -> None:
    plain, diverse = (_top(release[1], ranking, top=12, diversity=d) for d in (0.0, 1.0))
    assert diverse[0] == plain[0]
    assert len({p["text"] for p in diverse}) == 12, "products that read the same are as alike as can be"
    assert len({p["text"] for p in plain}) < 12
    assert sum(p["score"] for p in diverse) < sum(p["score"] for p in plain)


def test_search_ranks_as_the_head_ranks_all_product_texts(release: tuple[Path, Predictor]) -> None:
    predictor = release[1]
    search = open_catalogue(catalogue_folder(release[0]), predictor).search
    assert search is not None
    texts = products()["text"].unique()
    rows = pd.DataFrame({"query": "sour milk", "product_text": texts})
    expected = pd.Series(predictor.scores("search_relevance", rows)[:, 0], texts).sort_values(ascending=False)
    batch = predictor.collators["search_relevance"](rows.iloc[:1])
    with torch.inference_mode():
        found = search.top(predictor.model.encode("search_relevance", batch)[:1], 12)
    assert [product["text"] for product in found] == expected.index[:12].tolist()
    assert [product["score"] for product in found] == pytest.approx(expected[:12], abs=1e-5)
    popularity = predictor.model.heads["next_product"].bias_I.detach().numpy()
    for product in found:
        same = np.flatnonzero(products()["text"] == product["text"])
        assert product["item_id"] == products()["item_id"][same[popularity[same].argmax()]]


def test_a_release_without_products_needs_no_catalogue(tmp_path: Path) -> None:
    predictor = save_shelf_checkpoint(tmp_path / "checkpoint", shelf_suite("sentiment", "search_relevance"))
    catalogue = open_catalogue(catalogue_folder(tmp_path / "checkpoint"), predictor)
    assert (catalogue.ranking, catalogue.search) == (None, None)


def test_equal_checkpoints_give_equal_files_and_another_one_is_refused(
    release: tuple[Path, Predictor], tmp_path: Path
) -> None:
    build_catalogue(release[1], tmp_path / "again")
    first, again = (read_json(f / "manifest.json") for f in (catalogue_folder(release[0]), tmp_path / "again"))
    assert first == again
    assert set(first["files"]) == {
        f"{task}/{file}" for task in ("next_product", "search_relevance") for file in ("index.usearch", "vectors.npy")
    }
    other = save_shelf_checkpoint(tmp_path / "other" / "checkpoint", shelf_suite(), seed=2)
    with pytest.raises(ReleaseError, match=f"must belong to checkpoint {other.checkpoint.digest}, found sha256:"):
        open_catalogue(tmp_path / "again", other)
    vectors = tmp_path / "again" / "next_product" / "vectors.npy"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    with pytest.raises(ReleaseError, match=r"vectors\.npy must have sha256:"):
        open_catalogue(tmp_path / "again", release[1])
    vectors.unlink()
    with pytest.raises(ReleaseError, match=r"vectors\.npy must have sha256:.*found absent"):
        open_catalogue(tmp_path / "again", release[1])
    with pytest.raises(ReleaseError, match="was not packaged"):
        open_catalogue(tmp_path / "nowhere", release[1])


@pytest.mark.parametrize("scale", [1.0, 8.0, 20.0])
def test_the_index_finds_the_best_of_many_products(tmp_path: Path, scale: float) -> None:
    """Recall@10 against scoring every product, and shares against the exact softmax."""
    numbers, (num_texts, num_items, width, num_bought) = np.random.default_rng(7), (2000, 6000, 32, 30)
    texts = (
        numbers.normal(size=(num_texts, width))
        + 2 * numbers.normal(size=(40, width))[numbers.integers(0, 40, num_texts)]
    )
    vectors_VD = (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)
    index_I = np.sort(np.append(np.arange(num_texts), numbers.integers(0, num_texts, num_items - num_texts)))
    bias_I = np.log(numbers.pareto(1.1, num_items) + 0.1) - 12
    torch.manual_seed(7)
    head = RetrievalHead(Inputs(text="text", label_history="item"), InputStatistics(num_labels=num_items), width).eval()
    torch.nn.init.normal_(head.history.last.weight, std=0.5)
    head.log_scale.data.fill_(np.log(scale))
    head.start_at(torch.from_numpy(bias_I).float())
    table = pd.DataFrame({"item_id": np.arange(num_items), "text": [f"text {v}, shop" for v in index_I]})
    shelf = Products(table, index_I, bias_I)
    write_vectors(tmp_path / "v", vectors_VD, indexed(vectors_VD, shelf.best_bias_V, scale))
    ranking = ProductRanking(head, shelf, MappedVectors(tmp_path / "v"))
    found, errors = [], []
    for row in range(25):
        ids = np.sort(numbers.choice(num_items, num_bought, replace=False))
        batch = Batch(
            size=1,
            history_ids_BP=torch.from_numpy(ids)[None],
            history_BPH=torch.from_numpy(numbers.random((1, num_bought, NUM_HISTORY_FEATURES), np.float32)),
            history_count_BP=torch.from_numpy(numbers.integers(1, 9, (1, num_bought)).astype(np.float32)),
        )
        text_BD = torch.from_numpy(vectors_VD[[80 * row]] + 0.1 * numbers.normal(size=(1, width)).astype(np.float32))
        with torch.inference_mode():
            exact = head.score(batch, text_BD, torch.from_numpy(vectors_VD[index_I]), torch.arange(num_items))[0]
            answer = ranking.top(batch, text_BD, Rules(top=10))
        best = exact.topk(10).indices.tolist()
        found.append(len(set(best) & {product["item_id"] for product in answer}) / 10)
        share = exact.double().softmax(0)[answer[0]["item_id"]].item()
        errors.append(abs(answer[0]["score"] / share - 1))
    assert np.mean(found) >= 0.98
    assert max(errors) < 0.05


@given(seed=st.integers(0, 10_000), count=st.integers(1, 12), diversity=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_each_choice_is_the_best_of_those_left(seed: int, count: int, diversity: float) -> None:
    numbers = np.random.default_rng(seed)
    relevance = np.sort(numbers.random(9))[::-1]
    relevance /= relevance[0]
    vectors = numbers.normal(size=(9, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = diversified(relevance, vectors, count, diversity).tolist()
    assert len(set(chosen)) == len(chosen) == min(count, 9)
    assert chosen[0] == 0
    for place in range(1, len(chosen)):
        value = (1 - diversity) * relevance - diversity * (vectors @ vectors[chosen[:place]].T).max(1)
        left = np.delete(np.arange(9), chosen[:place])
        assert value[chosen[place]] == pytest.approx(value[left].max())


def test_the_denominator_is_exact_where_all_is_found_and_near_where_little_is() -> None:
    numbers = np.random.default_rng(1)
    vectors_VD = numbers.normal(size=(5000, 16))
    vectors_VD /= np.linalg.norm(vectors_VD, axis=1, keepdims=True)
    mass_V, query_D = numbers.pareto(1.2, 5000) + 0.01, vectors_VD[17]
    cosine_V = vectors_VD @ query_D
    for scale, tolerance in ((1.0, 0.01), (5.0, 0.05), (20.0, 0.15)):
        total = Total(mass_V, vectors_VD, scale)
        exact = mass_V @ np.exp(scale * cosine_V)
        assert total(query_D, np.arange(5000), cosine_V) == pytest.approx(exact)
        best = np.argsort(-(scale * cosine_V + np.log(mass_V)))[:250]
        assert total(query_D, best, cosine_V[best]) == pytest.approx(exact, rel=tolerance)
