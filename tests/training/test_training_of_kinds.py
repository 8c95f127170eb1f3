"""Tagging, regression and ranking of two texts from example tables to answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.example_tables import write_example_tables
from fixtures.tiny_encoder import write_tiny_encoder

from polymart.config import Suite
from polymart.data.example_checks import check_examples
from polymart.errors import SuiteError
from polymart.evaluation.checks import check_suite
from polymart.evaluation.evaluate import evaluate_suite
from polymart.model.predictor import Predictor
from polymart.training.loop import train_suite

WORDS = ["milk", "bread", "cheese"]
MOODS = ["angry", "glad", "torn"]
COMMON = {"micro_batch": 16, "cluster": "example_id"}
SUITE = Suite.model_validate(
    {
        "name": "kinds",
        "encoder": {"max_tokens": 16, "trainable_layers": 2},
        "training": {
            "max_steps": 60,
            "evaluate_every": 30,
            "learning_rate": 3e-3,
            "head_learning_rate": 1e-2,
            "precision": "float32",
        },
        "gates": {"resamples": 100, "min_examples": 10},
        "tasks": [
            {
                "name": "emotion",
                "kind": "tagging",
                "source": "emotion",
                "metric": "macro_f1",
                "floor": "majority",
                "inputs": {"text": "text"},
                "max_tokens": 8,
                **COMMON,
            },
            {
                "name": "valence",
                "kind": "regression",
                "source": "valence",
                "metric": "mae",
                "floor": "majority",
                "inputs": {"text": "text", "numeric": ["length"]},
                **COMMON,
            },
            {
                "name": "relevance",
                "kind": "ranking",
                "source": "relevance",
                "metric": "ndcg@10",
                "floor": "random_order",
                "inputs": {"text": "query", "text_pair": "product", "numeric": ["length"]},
                "group": "query_id",
                **COMMON,
                "cluster": "query_id",
            },
        ],
    }
)


def example_tables(rows: int = 240) -> dict[str, pd.DataFrame]:
    numbers = np.random.default_rng(0)
    query_id = np.arange(rows) // 4
    base = pd.DataFrame(
        {
            "example_id": [f"e{i}" for i in range(rows)],
            "split": np.array(["train", "val", "train", "test"])[query_id % 4],
            "length": numbers.normal(size=rows),
        }
    )
    good, bad = (numbers.random(rows) < 0.4).tolist(), (numbers.random(rows) < 0.3).tolist()
    text = [f"{numbers.choice(WORDS)} {'good ' * g}{'bad' * b}" for g, b in zip(good, bad, strict=True)]
    tags = [[0] * b + [1] * g + [2] * (g and b) for g, b in zip(good, bad, strict=True)]
    valence = 300 + 40.0 * np.array(good) - 40.0 * np.array(bad) + 5 * base["length"]
    asked, shown = np.repeat(numbers.choice(WORDS, rows // 4), 4), numbers.choice(WORDS, rows)
    grade = np.select([asked == shown, (asked == "milk") | (shown == "milk")], [3, 1], 0)
    return {
        "emotion": base.assign(text=text, label=tags),
        "valence": base.assign(text=text, label=valence),
        "relevance": base.assign(query=asked, product=shown, query_id=query_id, label=grade),
    }


def write_examples(folder: Path, suite: Suite, tables: dict[str, pd.DataFrame]) -> Path:
    labels = {"emotion": MOODS}
    for task in suite.tasks:
        check_examples(tables[task.name], task, labels.get(task.name))
    return write_example_tables(folder, suite.tasks, tables, labels)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    check_suite(SUITE)
    examples = write_examples(folder / "examples", SUITE, example_tables())
    train_suite(examples, write_tiny_encoder(folder / "encoder"), SUITE, folder / "checkpoint")
    evaluation = evaluate_suite(examples, folder / "checkpoint", SUITE, folder / "predictions")
    return Predictor.load(folder / "checkpoint"), {task.task: task for task in evaluation.tasks}


@pytest.mark.parametrize("name", ["emotion", "valence", "relevance"])
def test_what_can_be_learned_beats_the_floor(trained, name):
    found = trained[1][name]
    assert found.gain_lower_bound > 0
    assert found.gain.low <= found.gain.value <= found.gain.high


def test_each_kind_has_its_classical_baseline(trained):
    names = {name: task.baseline for name, task in trained[1].items()}
    assert names == {"emotion": "tfidf_one_vs_rest", "valence": "tfidf_ridge", "relevance": None}
    assert trained[1]["emotion"].baseline_score.value > 0.9


def test_the_ranking_is_judged_by_whole_queries(trained):
    assert trained[1]["relevance"].num_clusters == 15
    assert trained[1]["relevance"].num_examples == 60


def test_clusters_that_part_a_query_are_refused_before_the_first_step(tmp_path):
    task = SUITE.task("relevance").model_copy(update={"cluster": "example_id"})
    suite = SUITE.model_copy(update={"tasks": [task]})
    examples, encoder = (
        write_examples(tmp_path / "e", suite, example_tables()),
        write_tiny_encoder(tmp_path / "encoder"),
    )
    with pytest.raises(SuiteError, match="60 queries lie in several clusters 'example_id'"):
        train_suite(examples, encoder, suite, tmp_path / "out", pytest.fail)


def test_texts_longer_than_the_encoder_reads_are_refused_before_the_first_step(tmp_path):
    task = SUITE.task("relevance").model_copy(update={"max_tokens": 300})
    encoder = write_tiny_encoder(tmp_path / "encoder")
    with pytest.raises(SuiteError, match=r"task 'relevance' reads 300 tokens, the encoder in .* at most 64"):
        train_suite(tmp_path, encoder, SUITE.model_copy(update={"tasks": [task]}), tmp_path / "out", pytest.fail)


def test_what_the_labels_taught_is_in_the_checkpoint(trained):
    states = trained[0].checkpoint.tasks
    assert states["valence"].target.mean == pytest.approx(300, abs=20)
    assert states["valence"].target.scale == pytest.approx(26, rel=0.3)
    assert len(states["emotion"].target.thresholds) == 3
    assert states["emotion"].target.scale < 0.7


def test_answers_come_in_units_and_by_threshold(trained):
    predictor, _ = trained
    rows = pd.DataFrame({"text": ["milk good", "milk bad", "milk"], "length": 0.0})
    values = [answer["score"] for answer in predictor.answer("valence", rows)]
    assert values[0] > values[2] > values[1]
    assert all(200 < value < 400 for value in values)
    assert [answer["labels"] for answer in predictor.answer("emotion", rows)] == [["glad"], ["angry"], []]


def test_a_text_length_is_each_tasks_own(trained):
    rows = pd.DataFrame({"text": ["milk " * 40], "length": [0.0]})
    width = {name: trained[0].collators[name](rows).tokens_UT.shape[1] for name in ("emotion", "valence")}
    assert width == {"emotion": 8, "valence": 16}
