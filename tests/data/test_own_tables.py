"""A table that the project has never seen goes from YAML to examples, and a model learns from it."""

import numpy as np
import pandas as pd
import pytest
import yaml
from fixtures.tiny_encoder import write_tiny_encoder

from polymart.config import Settings, load_suite
from polymart.data.examples import read_examples, write_examples
from polymart.data.own_files import missing_file
from polymart.data.sources import prepare_suite_tables, suite_data_version
from polymart.data.validate import validate_tables
from polymart.errors import SuiteError, TableError
from polymart.files import read_json
from polymart.training.loop import train_suite

SAID = {"data_origin": "authored", "licence": "CC0-1.0"}
TEXTS = ["milk sour bad", "bread good", "cheese good", "where refund", "bad coupon", "good milk bread"]
TASKS = {
    "late": {
        "kind": "binary",
        "table": {**SAID, "file": "orders.csv", "columns": {"label": "was late"}, "labels": {"Y": 1, "N": 0}},
        "inputs": {"text": "remark", "numeric": ["weight"], "categorical": ["carrier"]},
        "metric": "roc_auc",
        "cluster": "customer",
    },
    "topic": {
        "kind": "multiclass",
        "table": {**SAID, "file": {"train": "mail-a.tsv", "test": "mail-b.tsv"}, "header": ["text", "topic"]},
        "label": "topic",
        "inputs": {"text": "text"},
        "metric": "accuracy",
        "cluster": "example_id",
    },
    "needs": {
        "kind": "tagging",
        "table": {**SAID, "file": "calls.parquet", "tag_delimiter": "|"},
        "label": "wishes",
        "inputs": {"text": "text"},
        "metric": "macro_f1",
        "cluster": "example_id",
    },
    "search": {
        "kind": "ranking",
        "table": {
            **SAID,
            "file": "judged.csv",
            "delimiter": "\t",
            "join": [{"file": "queries.csv", "by": ["query_id"]}, {"file": "goods.csv", "by": ["sku", "shop"]}],
            "labels": {"Exact": 3, "Partial": 1, "Irrelevant": 0},
        },
        "inputs": {"text": "query", "text_pair": "title"},
        "group": "query_id",
        "metric": "ndcg@10",
        "cluster": "query_id",
    },
}


def write_data(folder, rows=120):
    """The user's own files; what a row says tells its label."""
    random = np.random.default_rng(0)
    remark = random.choice(TEXTS, rows)
    orders = pd.DataFrame(
        {
            "remark": remark,
            "customer": [f"00{row % 30}" for row in range(rows)],
            "weight": np.where(np.arange(rows) % 9, random.gamma(2.0, 1.0, rows).round(2).astype(str), ""),
            "carrier": random.choice(["post", "van"], rows),
            "was late": np.where(["bad" in text for text in remark], "Y", "N"),
        }
    )
    orders.to_csv(folder / "orders.csv", index=False)
    topics = ["good" if "good" in text else "other" for text in remark]
    mails = pd.DataFrame({"text": remark, "topic": topics})
    mails[:90].to_csv(folder / "mail-a.tsv", sep="\t", header=False, index=False)
    mails[90:].to_csv(folder / "mail-b.tsv", sep="\t", header=False, index=False)
    wishes = ["|".join(word for word in ("milk", "bread") if word in text) for text in remark]
    split = np.array(["train", "dev", "test"])[np.minimum(np.arange(rows) % 5, 2)]
    pd.DataFrame({"text": remark, "wishes": wishes, "split": split}).to_parquet(folder / "calls.parquet")
    judged = [
        (query, sku, "shop-a", ["Exact", "Partial", "Irrelevant"][sku % 3]) for query in range(40) for sku in range(4)
    ]
    pd.DataFrame(judged, columns=["query_id", "sku", "shop", "label"]).to_csv(
        folder / "judged.csv", sep="\t", index=False
    )
    queries = pd.DataFrame({"query_id": range(40), "query": [TEXTS[query % 6] for query in range(40)]})
    queries.to_csv(folder / "queries.csv", sep="\t", index=False)
    goods = pd.DataFrame({"sku": range(4), "shop": "shop-a", "title": ["good milk", "bread", "cheese", "coupon"]})
    goods.to_csv(folder / "goods.csv", sep="\t", index=False)
    return folder


def write_suite(path, *names, **changes):
    """A suite file of the named tasks; ``changes`` go to the table of the first."""
    tasks = [{"name": name, "source": f"own_{name}", "floor": "majority", **TASKS[name]} for name in names]
    tasks[0] = {**tasks[0], "table": {**tasks[0]["table"], **changes}}
    training = {"max_steps": 6, "evaluate_every": 3, "micro_batches": 2, "precision": "float32"}
    path.write_text(
        yaml.safe_dump({"name": "own", "tasks": tasks, "training": training, "encoder": {"max_tokens": 16}})
    )
    return load_suite(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    suite = write_suite(folder / "own.yaml", *TASKS)
    report = prepare_suite_tables(suite, Settings(extra_data=data), folder / "tables")
    index = write_examples(folder / "tables", suite, folder / "examples", retrieve=None)
    return suite, report, index, folder


def prepared(data, tmp_path, *names, **changes):
    return prepare_suite_tables(
        write_suite(tmp_path / "s.yaml", *names, **changes), Settings(extra_data=data), tmp_path / "tables"
    )


def test_every_kind_becomes_an_example_table(made):
    suite, report, index, folder = made
    assert set(index.tasks) == set(TASKS)
    assert index.skipped == {}
    assert set(validate_tables(folder / "tables")["tables"]) == set(report["tables"])
    for entry in index.tasks.values():
        assert min(entry.rows.values()) > 0
        assert (entry.data_origin, entry.licence) == ("authored", "CC0-1.0")
    assert index.tasks["topic"].labels == ["good", "other"]
    assert index.tasks["needs"].labels == ["bread", "milk"]
    assert index.tasks["late"].labels is None
    assert suite.tasks[0].table.file == "orders.csv"


def test_values_mean_what_the_suite_says(made, data):
    folder = made[3] / "examples"
    late = read_examples(folder, "late")
    assert (late.label == late.remark.str.contains("bad")).all()
    assert late.customer.iloc[0] == "000", "an id keeps its zeros"
    assert late.weight.isna().sum() == 14
    assert (late.groupby("customer").split.nunique() == 1).all(), "a cluster stays in one split"
    needs = read_examples(folder, "needs")
    assert [list(ids) for ids in needs.wishes] == [
        [n for n, word in enumerate(("bread", "milk")) if word in text] for text in needs.text
    ]
    assert any(len(ids) == 0 for ids in needs.wishes)
    topic = read_examples(folder, "topic")
    assert topic.split.value_counts()["test"] == 30
    assert set(topic.split) == {"train", "val", "test"}, "a tenth of the training file becomes val"
    search = read_examples(folder, "search")
    assert set(zip(search.title, search.label, strict=True)) == {
        ("good milk", 3), ("bread", 1), ("cheese", 0), ("coupon", 3)
    }  # fmt: skip
    assert (search.groupby("query_id").split.nunique() == 1).all()


def test_a_model_learns_from_them(made, tmp_path):
    suite, _, _, folder = made
    encoder = write_tiny_encoder(tmp_path / "encoder")
    _, log = train_suite(folder / "examples", encoder, suite, tmp_path / "checkpoint", lambda *row: None)
    assert set(TASKS) <= set(log.validation[-1])
    assert all(np.isfinite(log.validation[-1][name]) for name in TASKS)


def test_the_data_version_follows_the_bytes(data, tmp_path):
    own = write_data(tmp_path)
    suite, settings = write_suite(tmp_path / "s.yaml", "search"), Settings(extra_data=own)
    before = suite_data_version(suite, settings)
    assert suite_data_version(suite, settings) == before
    with (own / "goods.csv").open("a") as file:
        file.write("9\tshop-b\tnew\n")
    assert suite_data_version(suite, settings) != before


def test_an_absent_file_skips_its_task_with_one_line(data, tmp_path):
    suite = write_suite(tmp_path / "s.yaml", "late", "topic", file="nowhere.csv")
    prepare_suite_tables(suite, Settings(extra_data=data), tmp_path / "tables")
    index = write_examples(tmp_path / "tables", suite, tmp_path / "examples", retrieve=None)
    assert set(index.tasks) == {"topic"}
    assert "nowhere.csv" in index.skipped["late"]
    assert "\n" not in index.skipped["late"]
    with pytest.raises(TableError, match=r"no data of suite 'own' is present[\s\S]*nowhere\.csv"):
        prepared(data, tmp_path, "late", file="nowhere.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("remark,customer,weight,carrier,was late\nhi,1,2,van,Y\nhi,1,2,van\n", "Row #3: Expected 5 columns, got 4"),
        ("remark,customer,weight,carrier\nhi,1,2,van\n", "was late, but the table has remark, customer"),
        ("remark,customer,weight,carrier,was late\n", "holds no rows"),
        ("", "cannot be read"),
        ("remark,customer,weight,carrier,was late\nhi,1,2,van,\n", "no training row has a label"),
        ("remark,customer,weight,carrier,was late\nhi,1,heavy,van,Y\n", "'heavy' in row 1"),
        ("remark,customer,weight,carrier,was late\nhi,1,2,van,maybe\n", "what the label 'maybe' means"),
        ("remark,customer,weight,carrier,was late\nhi,,2,van,Y\n", "each of the 1 rows lacks one of remark, customer"),
        ("remark,customer,weight,remark,was late\nhi,1,2,ho,Y\n", "has several columns called remark"),
    ],
)
def test_a_broken_file_is_told(tmp_path, content, message):
    (tmp_path / "orders.csv").write_text(content)
    with pytest.raises(TableError, match=message):
        prepared(tmp_path, tmp_path, "late")


def test_labels_without_a_meaning_are_told(data, tmp_path):
    with pytest.raises(TableError, match=r"label 'N' is no whole number[\s\S]*table\.labels"):
        prepared(data, tmp_path, "late", labels={})


def test_a_join_that_repeats_rows_is_told(data, tmp_path):
    (tmp_path / "data").mkdir()
    own = write_data(tmp_path / "data")
    with (own / "queries.csv").open("a") as file:
        file.write("1\tagain\n")
    with pytest.raises(TableError, match=r"queries\.csv cannot be joined on query_id"):
        prepared(own, tmp_path, "search")


def test_a_row_without_its_cluster_is_dropped_and_counted(data, tmp_path):
    """It could stand in the training rows and in the test rows at once, and no interval could count it."""
    (tmp_path / "data").mkdir()
    own = write_data(tmp_path / "data")
    rows = pd.read_csv(own / "orders.csv", dtype=str)
    rows.loc[[3, 4], "customer"] = None
    rows.to_csv(own / "orders.csv", index=False)
    before, after = (prepared(folder, tmp_path, "late")["tables"]["labels/own_late"]["rows"] for folder in (data, own))
    assert before - after == 2


def test_without_a_folder_of_extra_data_a_relative_file_is_absent(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    task = write_suite(tmp_path / "s.yaml", "late").tasks[0]
    assert missing_file(task.table, Settings(extra_data=data)) is None
    assert missing_file(task.table, Settings(extra_data=None)) is not None


def test_a_label_that_no_training_row_has_is_dropped_and_counted(data, tmp_path):
    own = tmp_path / "data"
    own.mkdir()
    write_data(own)
    with (own / "mail-b.tsv").open("a") as file:
        file.write("something new\tunheard\n")
    rules = prepared(own, tmp_path, "topic")["rules"]
    dropped = [rule for rule in rules if rule["rule"] == "a label occurs in a training row"]
    assert [rule["rows_before"] - rule["rows_after"] for rule in dropped] == [1]
    assert read_json(tmp_path / "tables/labels/labels.json")["own_topic"]["labels"] == ["good", "other"]


def test_times_split_where_the_task_says_so(tmp_path):
    days = pd.date_range("2024-01-01", periods=90, tz="Europe/Berlin")
    events = pd.DataFrame(
        {"user": range(90), "item": ["tea", "milk"] * 45, "time": days, "action": ["buy", "look", "buy"] * 30}
    )
    events.to_csv(tmp_path / "events.csv", index=False)
    table = {**SAID, "file": "events.csv", "columns": {"event_timestamp": "time", "label": "action"}}
    task = {
        "name": "action", "source": "events", "kind": "multiclass", "table": table, "inputs": {"categorical": ["item"]},
        "metric": "accuracy", "floor": "majority", "cluster": "user",
        "split": {"val_from": "2024-02-01", "test_from": "2024-03-01"},
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"name": "own", "tasks": [task]}))
    suite = load_suite(tmp_path / "s.yaml")
    prepare_suite_tables(suite, Settings(extra_data=tmp_path), tmp_path / "tables")
    write_examples(tmp_path / "tables", suite, tmp_path / "examples", retrieve=None)
    frame = read_examples(tmp_path / "examples", "action")
    assert frame.event_timestamp.iloc[0] == pd.Timestamp("2023-12-31 23:00"), "times are naive UTC"
    assert frame.split.value_counts().to_dict() == {"train": 32, "val": 29, "test": 29}, "days begin in New York"


def test_sources_are_told_apart(data, tmp_path):
    path = tmp_path / "twice.yaml"
    tasks = [{"name": n, "source": "same", "floor": "majority", **TASKS["topic"]} for n in ("one", "two")]
    path.write_text(yaml.safe_dump({"name": "own", "tasks": tasks}))
    with pytest.raises(SuiteError, match="source name of its own"):
        load_suite(path)
    suite = write_suite(tmp_path / "s.yaml", "topic")
    taken = suite.model_copy(update={"tasks": [suite.tasks[0].model_copy(update={"source": "intent"})]})
    with pytest.raises(TableError, match="Polymart itself makes intent"):
        prepare_suite_tables(taken, Settings(extra_data=data), tmp_path / "tables")
