"""Derived search relevance: grades follow the stated rules, whole types are held out, forms change what they say."""

from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymart.data.assortment import readable_size
from polymart.data.query_forms import FORMS, Product, words_of

CHIPS = Product(
    (12, "potato chips"), "potato chips, 5.5 oz, national brand, bag snacks, grocery", "5.5 oz", "national brand"
)
names = st.lists(st.text("abcdeiouz", min_size=1, max_size=9), min_size=1, max_size=4).map(" ".join)


@pytest.fixture(scope="module")
def rows(tables):
    """The relevance rows with the type of the query and of the product; a text names one type in this shop."""
    frame = pd.read_parquet(tables / "labels/search_relevance.parquet")
    items = pd.read_parquet(tables / "items/products.parquet").drop_duplicates("text").set_index("text")
    frame = frame.join(items[["category_id", "product_type"]], on="product_text")
    exact = frame[frame.label == 3].drop_duplicates("query_id").set_index("query_id")
    return frame.join(exact[["category_id", "product_type"]], on="query_id", rsuffix="_asked")


def test_grades_follow_the_taxonomy(rows):
    same_type = (rows.category_id == rows.category_id_asked) & (rows.product_type == rows.product_type_asked)
    same_category = rows.category_id == rows.category_id_asked
    assert set(rows.label) >= {0, 2, 3}
    assert same_type[rows.label == 3].all()
    assert same_category[rows.label == 2].all()
    assert not same_category[rows.label <= 1].any()
    assert rows.groupby("query_id").label.max().eq(3).all(), "every query has an exact answer"
    assert not rows.duplicated(["query_id", "product_text"]).any()


def test_whole_types_are_held_out(rows):
    assert set(rows.split) == {"train", "val", "test"}
    assert rows.groupby("product_type_asked").split.nunique().eq(1).all()
    shown_in_training = set(rows.product_type[rows.split == "train"])
    assert not shown_in_training & set(rows.product_type_asked[rows.split != "train"])


def test_the_table_is_called_derived(tables):
    labels = pd.read_json(tables / "labels/labels.json", typ="series")
    assert labels["search_relevance"]["data_origin"] == "derived"
    assert labels["next_product"]["data_origin"] == "real-redated"
    assert labels["next_product"]["items"] == "products"


def test_each_form_reads_as_described():
    texts = {name: form(CHIPS, Random(1)).text for name, form in FORMS.items()}
    assert texts["plain"] == "potato chips"
    assert texts["sized"] == "potato chips 5.5 oz"
    assert texts["branded"] == "national brand potato chips"
    assert texts["reordered"] == "chips potato"
    assert texts["misspelt"] != "potato chips"
    assert texts["abbreviated"] in ("ptt chps", "pota chip")


@given(st.sampled_from(sorted(FORMS)), names, st.integers(0, 99))
def test_a_form_never_changes_what_is_asked_for(form, name, seed):
    product = Product((1, name), name, "", "store brand")
    query = FORMS[form](product, Random(seed))
    if query is None:
        assert form not in ("plain", "branded")
    else:
        assert query.kind == product.kind
        assert query.matches(product)
        assert query.text.strip()
        if form == "reordered":
            assert words_of(query.text) == words_of(name)


def test_a_named_size_or_brand_must_fit():
    sized, branded = FORMS["sized"](CHIPS, Random(0)), FORMS["branded"](CHIPS, Random(0))
    assert not sized.matches(CHIPS._replace(size="12 oz"))
    assert sized.matches(CHIPS._replace(brand="store brand"))
    assert not branded.matches(CHIPS._replace(brand="store brand"))
    assert FORMS["sized"](CHIPS._replace(size=""), Random(0)) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("16 OZ", "16 oz"),
        ("AB    8 OZ", "8 oz"),
        ("134619 1 CT", "1 ct"),
        ("971150  PK", ""),
        (".39 OZ", ".39 oz"),
        ("", ""),
    ],
)
def test_sizes_lose_the_catalogues_codes(size, words):
    assert readable_size(size) == words
