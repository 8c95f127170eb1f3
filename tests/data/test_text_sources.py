"""Readers of comments, food reviews, support questions and card transactions, on small files in the published form."""

import gzip
import json
import lzma

import numpy as np
import pandas as pd
import pytest
import rdata

from polymart.config import Settings, load_suite
from polymart.data import emotions, finefoods, fraud, opinions, support
from polymart.data.example_index import read_examples
from polymart.data.examples import write_examples
from polymart.data.extra import find_extra
from polymart.data.prepare import prepare_tables
from polymart.data.sources import prepare_suite_tables
from polymart.data.tables import Rules
from polymart.data.validate import validate_tables
from polymart.errors import TableError


def write_comments(folder):
    folder.mkdir()
    (folder / "labels.txt").write_text("joy\nanger\nneutral\n")
    (folder / "train.tsv").write_text('so "nice\t0\ta1\nsame words\t1,0,1\ta2\n  two   spaces\t2\ta3\n')
    (folder / "dev.tsv").write_text("dev words\t1\tb1\n")
    (folder / "test.tsv").write_text("same words\t0\tc1\n")
    return folder


def to_r(value):
    return rdata.unparser.unparse_data(rdata.conversion.convert_python_to_r_data(value), file_type="rds")


def write_foods(folder, train, test):
    """A lazy-load database as R writes it: blocks of size, the letter Z and raw xz; an index in gzip."""
    folder.mkdir()
    blocks, variables = b"", {}
    for name, rows in (("training_data", train), ("testing_data", test)):
        frame = pd.DataFrame(rows, columns=["product", "review", "score"]).astype({"score": "category"})
        plain = to_r(frame)
        block = len(plain).to_bytes(4, "big") + b"Z"
        block += lzma.compress(plain, format=lzma.FORMAT_RAW, filters=finefoods.XZ)
        variables[name] = np.array([len(blocks), len(block)], dtype=np.int32)
        blocks += block
    (folder / "Rdata.rdb").write_bytes(blocks)
    (folder / "Rdata.rdx").write_bytes(gzip.compress(to_r({"variables": variables})))
    return folder


def write_support(folder, tasks):
    folder.mkdir()
    documents = [{"id": f"doc_{n}", "title": f"Title {n}", "content": f"All of\n {n}"} for n in (2, 0, 1)]
    (folder / "documents.json.gz").write_bytes(gzip.compress(json.dumps(documents).encode()))
    rows = [
        {"id": name, "user_scenario": {"instructions": scenario}, "required_documents": needed}
        for name, scenario, needed in tasks
    ]
    (folder / "tasks.json").write_text(json.dumps(rows))
    return folder


def write_payments(folder):
    folder.mkdir()
    rows = [
        (2, 7, 1, "2019-07-02 10:00:00", 300, "EUR", True, True, "08/20", "V", "NA"),
        (0, 7, 1, "2019-01-01 00:30:00", 100, "EUR", True, False, "08/20", "V", "NA"),
        (1, 7, 2, "2019-01-03 00:30:00", 200, "USD", False, False, "08/20", "V", ""),
        (3, 8, 1, "2019-06-30 23:00:00", 50, "EUR", True, False, "01/20", "M", "US"),
    ]
    names = "id card_id store_id datetime amount currency customer_present fraud expiration_date provider country"
    path = folder / "fraud_transactions.csv.gz"
    pd.DataFrame(rows, columns=names.split()).to_csv(path, index=False, compression="gzip")
    return folder


def write_opinions(folder, **lines):
    folder.mkdir()
    for domain, name in opinions.FILES.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines.get(domain, [])))
    return folder


SCENARIO = (
    '1. **Opening:** "Hi, {0}, I lost the card that I need for my trip, please help."\n\n2. If asked: "Gold Card"'
)


def test_comments_keep_every_emotion_and_the_published_test_file(tmp_path):
    rules = Rules()
    frame = emotions.read_comments(write_comments(tmp_path / "raw"), 3, rules).set_index("example_id")
    assert frame.label.to_dict() == {"a1": [0], "a3": [2], "b1": [1], "c1": [0]}
    assert frame.split.to_dict() == {"a1": "train", "a3": "train", "b1": "val", "c1": "test"}
    assert frame.text["a1"] == 'so "nice'
    assert frame.text["a3"] == "two spaces"
    assert rules.entries[0]["rows_before"] - rules.entries[0]["rows_after"] == 1


@pytest.mark.parametrize("line", ["no position\tjoy\tz", "foreign\t3\tz", "only one field"])
def test_a_comment_of_another_form_is_told(tmp_path, line):
    folder = write_comments(tmp_path / "raw")
    (folder / "dev.tsv").write_text(line + "\n")
    with pytest.raises(TableError, match=r"dev\.tsv"):
        emotions.read_comments(folder, 3, Rules())


def test_food_reviews_are_read_without_r(tmp_path):
    train = [(f"P{n}", f"good<br />food {n}", "great") for n in range(60)] + [("X", "known", "other")]
    folder = write_foods(tmp_path / "raw", train, [("T", "known", "other"), ("T", "fresh", "great")])
    frame = finefoods.read_food_reviews(folder, Rules())
    assert frame.split.value_counts()["test"] == 2
    assert 1 <= frame.split.eq("val").sum() <= 15
    assert frame.text.tolist().count("known") == 1, "a review of the test set is no training review"
    assert frame.text.str.fullmatch(r"good food \d+|known|fresh").all()
    assert set(frame.label) == {"great", "other"}


def test_a_broken_food_database_is_told(tmp_path):
    folder = write_foods(tmp_path / "raw", [("P", "a", "great")], [("T", "b", "other")])
    content = bytearray((folder / "Rdata.rdb").read_bytes())
    content[20:60] = bytes(40)
    (folder / "Rdata.rdb").write_bytes(content)
    with pytest.raises(TableError, match="no readable data set"):
        finefoods.read_food_reviews(folder, Rules())


def test_a_support_query_is_what_the_customer_says_first(tmp_path):
    tasks = [(f"t{n}", SCENARIO.format(n // 2), ["doc_2", "doc_0"]) for n in range(20)]
    folder = write_support(tmp_path / "raw", [*tasks, ("silent", "You are angry and want money.", ["doc_1"])])
    documents = support.read_documents(folder)
    assert documents.item_id.tolist() == ["doc_0", "doc_1", "doc_2"]
    assert documents.text[0] == "Title 0. All of 0"
    rules = Rules()
    frame = support.read_needs(folder, documents, rules)
    assert frame.text[0] == "Hi, 0, I lost the card that I need for my trip, please help."
    assert not frame.text.str.contains("Gold").any(), "the direction of the talk is not part of the query"
    assert all(label == [0, 2] for label in frame.label)
    assert rules.entries[0]["rows_before"] - rules.entries[0]["rows_after"] == 1
    assert frame.split.value_counts().to_dict() == {"train": 8, "test": 8, "val": 4}
    assert (frame.groupby("text").split.nunique() == 1).all()


def test_a_task_that_needs_an_unknown_document_is_told(tmp_path):
    folder = write_support(tmp_path / "raw", [("t", SCENARIO.format(1), ["doc_9"])])
    with pytest.raises(TableError, match="doc_9"):
        support.read_needs(folder, support.read_documents(folder), Rules())


def test_payments_know_only_their_past(tmp_path):
    frame = fraud.read_light(write_payments(tmp_path / "raw"), Rules()).set_index("example_id")
    assert frame.index.tolist() == ["0", "1", "3", "2"], "in the order of time"
    assert frame.card_before.to_dict() == {"0": 0, "1": 1, "3": 0, "2": 2}
    assert frame.amount_to_mean["1"] == 2.0
    assert frame.amount_to_mean["2"] == 2.0  # 300 over the mean of 100 and 200
    assert frame.card_gap_days["1"] == 2.0
    assert np.isnan(frame.card_gap_days["3"])
    assert frame.store_before.to_dict() == {"0": 0, "1": 0, "3": 1, "2": 2}
    assert frame.months_to_expiry["0"] == 19
    assert frame.country.to_dict() == {"0": "NA", "1": None, "3": "US", "2": "NA"}, "NA is Namibia"
    assert frame.split.to_dict() == {"0": "train", "1": "train", "3": "val", "2": "test"}
    assert frame.label.tolist() == [0, 0, 0, 1]


def test_the_future_changes_no_payment(tmp_path):
    folder = write_payments(tmp_path / "raw")
    before = fraud.read_light(folder, Rules())
    path = folder / "fraud_transactions.csv.gz"
    later = pd.read_csv(path, keep_default_na=False)
    row = later.iloc[[0]].assign(id=9, datetime="2019-08-01 00:00:00", amount=9999)
    pd.concat([later, row]).to_csv(path, index=False, compression="gzip")
    pd.testing.assert_frame_equal(fraud.read_light(folder, Rules()).iloc[:-1], before)


def test_all_of_them_pass_their_schemas(tmp_path):
    foods = [(f"P{n}", f"food {n}", "great") for n in range(40)]
    sources = {
        "goemotions": write_comments(tmp_path / "g"),
        "finefoods": write_foods(tmp_path / "f", foods, [("T", "fresh", "other")]),
        "retail_kb": write_support(tmp_path / "s", [(f"t{n}", SCENARIO.format(n), ["doc_1"]) for n in range(9)]),
        "fraud_light": write_payments(tmp_path / "p"),
    }
    report = prepare_tables(sources, tmp_path / "tables")
    assert set(validate_tables(tmp_path / "tables")["tables"]) == set(report["tables"])
    assert report["tables"]["labels/answer"]["data_origin"] == "authored"
    assert report["tables"]["labels/fraud"]["data_origin"] == "synthetic"


def test_terms_that_nobody_accepted_skip_their_task(tmp_path):
    suite = load_suite("suites/quick.yaml")
    task = suite.task("intent").model_copy(update={"source": "fraud_ieee"})
    alone = suite.model_copy(update={"tasks": [task]})
    settings = Settings(data_dir=tmp_path, extra_data=None)
    with pytest.raises(TableError, match=r"--accept-terms[\s\S]*Kaggle"):
        prepare_suite_tables(alone, settings, tmp_path / "tables")
    assert list(tmp_path.iterdir()) == [], "nothing was downloaded"


def test_without_debians_client_its_tasks_are_left_out(tmp_path, monkeypatch):
    suite = load_suite("suites/quick.yaml")
    task = suite.task("intent").model_copy(update={"source": "review_quality"})
    alone = suite.model_copy(update={"tasks": [task]})
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(TableError, match=r"no data of suite[\s\S]*polymart data fetch finefoods"):
        prepare_suite_tables(alone, Settings(data_dir=tmp_path, extra_data=None), tmp_path / "tables")


def test_the_published_comments(tmp_path):
    folder = find_extra("goemotions", Settings())
    if folder is None:
        pytest.skip("POLYMART_EXTRA_DATA holds no goemotions")
    frame = emotions.read_comments(folder, 28, Rules())
    assert frame.split.value_counts().to_dict() == {"train": 43_283, "test": 5_427, "val": 5_426}
    assert frame.label.map(len).gt(1).mean() == pytest.approx(0.16, abs=0.01)


def test_opinions_are_told_by_where_they_come_from(tmp_path):
    folder = write_opinions(
        tmp_path / "raw",
        product=["1_1\t-0.9\tno picture", "1_2\t1.5\tgood  sound"],
        film=["1\t2.25\ta funny film", "2\t-3\tno picture"],
        post=["1\t0\tat home"],
        editorial=["1_1\t0.1\tthe city plans", "1_2\t-0.2\tand builds"],
    )
    rules = Rules()
    frame = opinions.read_opinions(folder, rules).set_index("example_id")
    assert frame.text.to_dict() == {
        "product_1_1": "no picture", "product_1_2": "good sound", "film_1": "a funny film", "post_1": "at home",
        "editorial_1_1": "the city plans", "editorial_1_2": "and builds",
    }  # fmt: skip
    assert rules.entries[0]["rows_before"] - rules.entries[0]["rows_after"] == 1, "a text stands once, whoever wrote it"
    assert frame.document_id["product_1_1"] == frame.document_id["product_1_2"] == "product_1"
    assert frame.document_id["film_1"] != frame.document_id["post_1"]
    assert frame.valence["film_1"] == 2.25


def test_documents_of_opinions_stay_whole_and_half_of_them_are_for_tests(tmp_path):
    lines = [f"{document}_{sentence}\t0\t{document} says {sentence}" for document in range(800) for sentence in (1, 2)]
    frame = opinions.read_opinions(write_opinions(tmp_path / "raw", product=lines), Rules())
    assert frame.groupby("document_id").split.nunique().eq(1).all()
    shares = frame.split.value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.5, abs=0.06)
    assert shares["val"] == pytest.approx(0.1, abs=0.04)


def test_a_line_of_opinions_without_its_grade_is_named(tmp_path):
    folder = write_opinions(tmp_path / "raw", film=["1\tbad\ta film"])
    with pytest.raises(TableError, match=r"graded_opinions.*movieReviewSnippets_GroundTruth"):
        opinions.read_opinions(folder, Rules())


def test_opinions_become_a_table(tmp_path):
    posts = [f"{number}\t{number % 5 - 2}\tpost {number}" for number in range(60)]
    folder = write_opinions(tmp_path / "raw", post=posts)
    prepare_tables({"graded_opinions": folder}, tmp_path / "tables")
    validate_tables(tmp_path / "tables")
    claim = load_suite("suites/claim.yaml")
    suite = claim.model_copy(update={"tasks": [task for task in claim.tasks if task.source == "opinion"]})
    write_examples(tmp_path / "tables", suite, tmp_path / "examples", retrieve=lambda *_: pytest.fail("no features"))
    assert read_examples(tmp_path / "examples", "valence")["valence"].between(-2, 2).all()
