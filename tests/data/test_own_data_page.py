"""Every suite on docs/your-own-data.md works on files in the form in which their owners publish them."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from polymart.config import Settings, Suite
from polymart.data.examples import write_examples
from polymart.data.sources import prepare_suite_tables
from polymart.evaluation.checks import check_suite
from polymart.files import canonical_json

PAGE = (Path(__file__).parents[2] / "docs/your-own-data.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
TASKS = [task for block in BLOCKS for task in (block["tasks"] if isinstance(block, dict) else block)]
QUERIES, PRODUCTS = range(50), range(6)
PAIRS = [(10 * query + product, query, product) for query in QUERIES for product in PRODUCTS]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    for name in ("esci", "wands", "goemotions", "banking77"):
        (folder / name).mkdir()
    rows = [
        (
            row,
            f"query {query}",
            query,
            f"B0{product}",
            "us",
            "ESCI"[product % 4],
            1,
            1,
            "test" if query > 39 else "train",
        )
        for row, query, product in PAIRS
    ]
    names = "example_id query query_id product_id product_locale esci_label small_version large_version split"
    examples = pd.DataFrame(rows, columns=names.split())
    examples.to_parquet(folder / "esci/shopping_queries_dataset_examples.parquet")
    titles = [(f"B0{product}", locale, f"title {product}") for product in PRODUCTS for locale in ("us", "es")]
    pd.DataFrame(titles, columns=["product_id", "product_locale", "product_title"]).to_parquet(
        folder / "esci/shopping_queries_dataset_products.parquet"
    )
    words = ["Exact", "Partial", "Irrelevant"]
    judged = [(row, query, product, words[product % 3]) for row, query, product in PAIRS]
    for name, columns, content in (
        ("label", ["id", "query_id", "product_id", "label"], judged),
        ("query", ["query_id", "query", "query_class"], [(query, f"sofa {query}", "Sofas") for query in QUERIES]),
        ("product", ["product_id", "product_name"], [(product, f'a 5" lamp {product}') for product in PRODUCTS]),
    ):
        pd.DataFrame(content, columns=columns).to_csv(folder / f"wands/{name}.csv", sep="\t", index=False)
    for name in ("train", "dev", "test"):
        (folder / f"goemotions/{name}.tsv").write_text(f'it "works\t3,17\t{name}1\nso sad\t25\t{name}2\n')
    for name in ("train", "test"):
        lines = "".join(
            f'"where, please, is card {name} {row}?",card_arrival\nhelp {name} {row},pin\n' for row in range(20)
        )
        (folder / f"banking77/{name}.csv").write_text("text,category\n" + lines)
    times = pd.date_range("2024-04-01", periods=90).astype(str)
    events = {"user": range(90), "item": ["tea", "milk"] * 45, "time": times, "action": ["buy", "look"] * 45}
    pd.DataFrame(events).to_csv(folder / "events.csv", index=False)
    orders = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
    lines = [re.sub(r"^\d+", f"{row:04d}", orders[1 + row % 2]) for row in range(40)]
    (folder / "orders.csv").write_text("\n".join([orders[0], *lines]) + "\n")
    return folder


def test_the_page_shows_every_format():
    assert {task["source"] for task in TASKS} == {
        "my_orders", "esci", "wands", "feelings", "bank_intent", "my_events"
    }  # fmt: skip


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["source"])
def test_the_page_is_right(task, published, tmp_path):
    suite = Suite.from_json(canonical_json({"name": "page", "tasks": [task]}))
    check_suite(suite)
    report = prepare_suite_tables(suite, Settings(extra_data=published), tmp_path / "tables")
    index = write_examples(tmp_path / "tables", suite, tmp_path / "examples", retrieve=None)
    rows = index.tasks[task["name"]].rows
    assert min(rows.values()) > 0
    assert sum(rows.values()) == report["tables"][f"labels/{task['source']}"]["rows"]
    assert index.tasks[task["name"]].licence == task["table"]["licence"]
    dropped = [rule for rule in report["rules"] if rule["rows_before"] != rule["rows_after"]]
    assert dropped == [], "a published file needs no cleaning here"
