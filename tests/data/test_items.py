"""Item tables: what a catalogue must be, and how examples carry it."""

import numpy as np
import pandas as pd
import pytest

from polymart.config import Suite
from polymart.data.examples import read_examples_index, write_examples
from polymart.data.items import items_path, read_items
from polymart.errors import LabelError, TableError
from polymart.files import write_json

GOODS = pd.DataFrame({"item_id": [3, 5, 9], "text": ["milk", "bread", "cheese"], "price": [1.0, 2.0, 3.0]})


def write_goods(folder, items: pd.DataFrame = GOODS):
    path = items_path(folder, "goods")
    path.parent.mkdir(parents=True, exist_ok=True)
    items.to_parquet(path)
    return folder


def test_a_table_is_read_with_all_its_columns(tmp_path):
    pd.testing.assert_frame_equal(read_items(write_goods(tmp_path), "goods"), GOODS)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (GOODS.drop(columns="text"), r"lacks the columns \['text'\]"),
        (GOODS.assign(item_id=[3, 3, 9]), "each id once and ascending; found 3 rows with 2 ids"),
        (GOODS.iloc[::-1], "ascending"),
        (GOODS.head(1), "at least two items"),
        (GOODS.assign(text=["milk", None, "cheese"]), "1 items have no text, e.g. 5"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path, items, message):
    with pytest.raises(TableError, match=message):
        read_items(write_goods(tmp_path, items.reset_index(drop=True)), "goods")


def test_an_absent_table_is_named(tmp_path):
    with pytest.raises(TableError, match=r"goods\.parquet is absent"):
        read_items(tmp_path, "goods")


def suite(items: str = "goods") -> Suite:
    task = {"name": "found", "kind": "retrieval", "source": "answer", "items": items, "inputs": {"text": "text"}}
    return Suite.model_validate(
        {"name": "goods", "tasks": [{**task, "metric": "mrr", "floor": "bm25", "cluster": "example_id"}]}
    )


def write_tables(folder, labels: list[list[int]], items: pd.DataFrame = GOODS):
    write_goods(folder, items)
    (folder / "labels").mkdir()
    frame = pd.DataFrame({"example_id": [f"e{i}" for i in range(len(labels))], "text": "milk", "label": labels})
    frame["split"] = np.array(["train", "val", "test"])[np.arange(len(frame)) % 3]
    frame.to_parquet(folder / "labels/answer.parquet")
    info = {"labels": None, "items": "goods", "data_origin": "authored", "licence": "MIT", "note": "made by the tests"}
    write_json(folder / "labels/labels.json", {"answer": info})
    return folder


def test_examples_carry_the_items_and_their_digest_counts_them(tmp_path):
    digests = set()
    for name, items in (("a", GOODS), ("b", GOODS), ("c", GOODS.assign(text=["milk", "bread", "tea"]))):
        tables = write_tables(tmp_path / name, [[0], [1, 2], [2]], items)
        index = write_examples(tables, suite(), tmp_path / f"{name}_examples", retrieve=lambda service, rows: rows)
        pd.testing.assert_frame_equal(read_items(tmp_path / f"{name}_examples", "goods"), items)
        assert read_examples_index(tmp_path / f"{name}_examples").tasks["found"].items == "goods"
        digests.add(index.digest)
    assert len(digests) == 2


@pytest.mark.parametrize("label", [[3], [-1], []])
def test_a_label_outside_the_items_stops_the_run(tmp_path, label):
    tables = write_tables(tmp_path / "tables", [[0], [1, 2], label])
    with pytest.raises(LabelError, match=r"row numbers 0\.\.2 of the item table; 1 such rows, e\.g\. e2"):
        write_examples(tables, suite(), tmp_path / "examples", retrieve=lambda service, rows: rows)


def test_labels_of_another_item_table_stop_the_run(tmp_path):
    tables = write_tables(tmp_path / "tables", [[0], [1], [2]])
    items_path(tables, "wares").write_bytes(items_path(tables, "goods").read_bytes())
    with pytest.raises(TableError, match="rows of the item table 'goods', the suite names 'wares'"):
        write_examples(tables, suite("wares"), tmp_path / "examples", retrieve=lambda service, rows: rows)
