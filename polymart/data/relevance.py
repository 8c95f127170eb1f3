"""Search relevance derived from the product taxonomy: queries as people type them, products with graded relevance.

No shopper judged these rows: the rules below grade them, so every number measured on them is called derived.

A query is made from a product type that at least `MIN_BASKETS` baskets before `TRAIN_UNTIL` hold, in one of
`FORMS`: as it is, with a package size, with the brand, in another order of words, misspelt, or abbreviated.
Grades of a product:

- 3 exact: of the query's type and, where the query names them, of its size or brand;
- 2 substitute: of the type with another size or brand than asked for, or of a sibling type in the category;
- 1 complement: of one of the `MAX_COMPLEMENTS` types of other categories with the highest lift
  P(both in a basket) / (P(one) P(other)), at least `MIN_LIFT` from at least `MIN_JOINT` baskets before `TRAIN_UNTIL`;
- 0 irrelevant: of any other category; half of them share a word with the query where such products exist.

Types of other categories whose words overlap with the query's by half or more get no grade: the catalogue keeps some
kinds twice. Whole types, by name, are held out for validation and test; training rows show training types only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa

from polymart.data.assortment import product_items
from polymart.data.query_forms import FORMS, Product, Query, words_of
from polymart.data.tables import Rules, unit_hash

TRAIN_UNTIL = "2017-09-01"
"""Day before which baskets tell what is bought together: the training period of suites/shop.yaml."""
MIN_BASKETS, MIN_JOINT, MIN_LIFT, MAX_COMPLEMENTS = 50, 20, 1.5, 5
TEST_SHARE, VAL_SHARE = 0.25, 0.15
QUERIES_PER_TYPE, PRODUCTS_PER_QUERY = 2, 20
NUM_EXACT, NUM_SUBSTITUTES, NUM_COMPLEMENTS = 4, 5, 3
"""Most products of the grades 3, 2 and 1 for one query; irrelevant ones fill it up."""
MAX_OVERLAP = 0.5
"""Jaccard index of two types' words from which they may mean the same thing."""

HELD = f"""
CREATE OR REPLACE TEMP TABLE held AS
WITH typed AS (
    SELECT DISTINCT basket_id, w.category_id, w.product_type
    FROM transactions JOIN item_words w ON product_id = item_id
    WHERE local_date < DATE '{TRAIN_UNTIL}' AND w.product_type <> ''
)
SELECT *, count(*) OVER (PARTITION BY category_id, product_type) AS num_baskets FROM typed
QUALIFY num_baskets >= {MIN_BASKETS}
"""  # noqa: S608 - a constant of ours

COMMON = "SELECT DISTINCT category_id, product_type FROM held ORDER BY category_id, product_type"

TOGETHER = f"""
WITH total AS (SELECT count(DISTINCT basket_id) AS num_total FROM held)
SELECT a.category_id, a.product_type, b.category_id, b.product_type,
       count(*) * any_value(num_total) / (any_value(a.num_baskets) * any_value(b.num_baskets)) AS lift
FROM held a JOIN held b ON a.basket_id = b.basket_id AND a.category_id <> b.category_id CROSS JOIN total
GROUP BY ALL HAVING count(*) >= {MIN_JOINT} AND lift >= {MIN_LIFT}
ORDER BY a.category_id, a.product_type, lift DESC, b.category_id, b.product_type
"""  # noqa: S608

Type = tuple[int, str]
"""Category id and product type in words."""


class Catalogue(NamedTuple):
    """What the rows are drawn from."""

    products: dict[Type, list[Product]]
    """Products of each type that read differently."""
    complements: dict[Type, list[Type]]
    siblings: dict[int, list[Type]]
    """Types of each category."""
    sharing: dict[str, list[Type]]
    """Types whose names hold the word."""


def search_relevance_labels(con: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """Columns: example_id, query_id, query, product_text, label (0..3), split; ordered by example_id."""
    items = product_items(con)
    con.register("item_words", items)
    con.execute(HELD)
    con.unregister("item_words")
    common: list[Type] = con.execute(COMMON).fetchall()
    catalogue = _catalogue(items.to_pandas(), con.execute(TOGETHER).fetchall())
    rule = f"the product type stands in at least {MIN_BASKETS} baskets before {TRAIN_UNTIL}"
    rules.add("labels/search_relevance", rule, len(catalogue.products), len(common))
    rows = [
        (f"{query_id}-{rank:02d}", query_id, query.text, product.text, grade, _split(query.kind))
        for query_id, query in _queries(common, catalogue)
        for rank, (product, grade) in enumerate(_graded(query, catalogue, Random(f"{query_id} {query.text}")))  # noqa: S311
    ]
    columns = ["example_id", "query_id", "query", "product_text", "label", "split"]
    frame = pd.DataFrame(rows, columns=columns).astype({"label": "int64"})
    return pa.Table.from_pandas(frame.sort_values("example_id", ignore_index=True), preserve_index=False)


def _catalogue(items: pd.DataFrame, together: list[tuple[int, str, int, str, float]]) -> Catalogue:
    catalogue = Catalogue({}, defaultdict(list), defaultdict(list), defaultdict(list))
    typed = items[items.product_type != ""].drop_duplicates(["category_id", "product_type", "text"])
    columns = ["category_id", "product_type", "text", "package", "brand"]
    for category, name, text, package, brand in typed[columns].itertuples(index=False, name=None):
        product = Product((int(category), name), text, package, brand)
        catalogue.products.setdefault(product.kind, []).append(product)
    for kind in catalogue.products:
        catalogue.siblings[kind[0]].append(kind)
        for word in sorted(words_of(kind[1])):
            catalogue.sharing[word].append(kind)
    for category, name, other_category, other_name, _ in together:
        kind, other = (category, name), (other_category, other_name)
        if not _alike(kind, other) and len(catalogue.complements[kind]) < MAX_COMPLEMENTS:
            catalogue.complements[kind].append(other)
    return catalogue


def _queries(common: list[Type], catalogue: Catalogue) -> Iterator[tuple[str, Query]]:
    for number, kind in enumerate(common):
        random = Random(f"{kind[0]} {kind[1]}")  # noqa: S311 - seeded by the type: the same on every machine
        texts: dict[str, str] = {}
        for form in random.sample(sorted(FORMS), len(FORMS)):
            query = FORMS[form](random.choice(catalogue.products[kind]), random)
            if query is not None and query.text not in texts and len(texts) < QUERIES_PER_TYPE:
                texts[query.text] = form
                yield f"{number:04d}-{form}", query


def _graded(query: Query, catalogue: Catalogue, random: Random) -> list[tuple[Product, int]]:
    """Products of every grade, in random order, each text once."""
    own = catalogue.products[query.kind]
    exact = [product for product in own if query.matches(product)]
    other = [product for product in own if not query.matches(product)]
    siblings = [kind for kind in catalogue.siblings[query.kind[0]] if kind != query.kind]
    near = _draw(other, NUM_SUBSTITUTES // 2, random)
    near += _of_types(siblings, query, NUM_SUBSTITUTES - len(near), catalogue, random)
    complements = catalogue.complements[query.kind]
    beside = _of_types(complements, query, NUM_COMPLEMENTS, catalogue, random)
    graded = [(product, 3) for product in _draw(exact, NUM_EXACT, random)]
    graded += [(product, 2) for product in near] + [(product, 1) for product in beside]
    rest = PRODUCTS_PER_QUERY - len(graded)
    sharing = [kind for word in sorted(words_of(query.kind[1])) for kind in catalogue.sharing[word]]
    far = _of_types(_far(sharing, query, complements), query, rest // 2, catalogue, random)
    anything = random.sample(sorted(catalogue.products), min(5 * rest, len(catalogue.products)))
    far += _of_types(_far(anything, query, complements), query, rest - len(far), catalogue, random)
    graded += [(product, 0) for product in far]
    once = {product.text: (product, grade) for product, grade in reversed(graded)}
    return random.sample(list(once.values()), len(once))


def _of_types(kinds: list[Type], query: Query, count: int, catalogue: Catalogue, random: Random) -> list[Product]:
    """One random product of each of ``count`` random types that the query's split may show."""
    shown = [kind for kind in dict.fromkeys(kinds) if _may_show(query.kind, kind)]
    return [random.choice(catalogue.products[kind]) for kind in _draw(shown, count, random)]


def _draw(values: list, count: int, random: Random) -> list:
    return random.sample(values, min(count, len(values)))


def _far(kinds: list[Type], query: Query, complements: list[Type]) -> list[Type]:
    return [
        kind for kind in kinds if kind[0] != query.kind[0] and kind not in complements and not _alike(kind, query.kind)
    ]


def _alike(one: Type, other: Type) -> bool:
    first, second = words_of(one[1]), words_of(other[1])
    return len(first & second) >= MAX_OVERLAP * len(first | second)


def _may_show(kind: Type, other: Type) -> bool:
    """Training queries see training types, validation queries no test types."""
    return _ORDER[_split(other)] <= _ORDER[_split(kind)]


_ORDER = {"train": 0, "val": 1, "test": 2}


@cache
def _split(kind: Type) -> str:
    position = unit_hash("search_relevance", kind[1])
    return "test" if position < TEST_SHARE else "val" if position < TEST_SHARE + VAL_SHARE else "train"
