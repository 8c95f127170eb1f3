"""Real trainings that the gates must tell apart: the same model twice, two copies of one task, shuffled labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fixtures.example_tables import write_example_tables
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import LABELS, tiny_suite, tiny_tables

from polymart.config import Suite
from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.records import GateResult
from polymart.evaluation.rivals import Champion
from polymart.gates import judge
from polymart.training.loop import train_suite

MOOD = tiny_tables(rows=600)["mood"]
ONE = tiny_suite("mood", max_steps=40, evaluate_every=20)
GATES = ONE.gates.model_copy(update={"min_examples": 100, "single_task": True, "leakage": False})
ONE = ONE.model_copy(update={"gates": GATES})
TWICE = ONE.model_copy(update={"tasks": [ONE.tasks[0], ONE.tasks[0].model_copy(update={"name": "mood_again"})]})


def train(folder: Path, suite: Suite, tables: dict[str, pd.DataFrame]) -> Path:
    """Train on the tables; the checkpoint."""
    labels = dict.fromkeys(tables, LABELS["mood"])
    write_tiny_encoder(folder / "encoder")
    examples = write_example_tables(folder / "examples", suite.tasks, tables, labels)
    train_suite(examples, folder / "encoder", suite, folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Path:
    """A folder with a model of each task alone."""
    folder = tmp_path_factory.mktemp("single")
    for task in TWICE.tasks:
        made = train(folder / "home" / task.name, ONE.model_copy(update={"tasks": [task]}), {task.name: MOOD})
        made.rename(folder / task.name)
    return folder


def judged(checkpoint: Path, suite: Suite, tables: dict[str, pd.DataFrame], folder: Path, **rivals: Any):
    """What each gate says of each task."""
    labels = dict.fromkeys(tables, LABELS["mood"])
    examples = write_example_tables(folder / "judged", suite.tasks, tables, labels)
    evaluation = evaluate_suite(examples, checkpoint, suite, folder / "predictions", **rivals)
    return {(gate.gate, gate.task): gate for gate in judge(evaluation, suite).gates}


def test_the_same_model_twice_differs_by_nothing(single, tmp_path):
    champion = Champion("tiny-0123456789ab", single / "mood")
    found = judged(single / "mood", ONE, {"mood": MOOD}, tmp_path, champion=champion, baselines=single)
    assert {gate.outcome for gate in found.values()} == {"pass"}
    for gate in ("champion", "single_task"):  # the second is compared in earnest, the first is the same checkpoint
        assert found[gate, "mood"].number == 0
    compared: GateResult = found["single_task", "mood"]
    assert (compared.low, compared.high) == (0, 0)


def test_two_copies_of_one_task_do_not_hurt_each_other(single, tmp_path):
    tables = {"mood": MOOD, "mood_again": MOOD}
    both = train(tmp_path, TWICE, tables)
    found = judged(both, TWICE, tables, tmp_path, baselines=single)
    assert {key: gate.cause for key, gate in found.items() if gate.outcome != "pass"} == {}
    assert {("single_task", "mood"), ("single_task", "mood_again")} <= found.keys()


def test_shuffled_labels_of_one_task_fail_and_spare_the_other(single, tmp_path):
    known = MOOD["split"] != "test"
    mixed = MOOD.copy()
    mixed.loc[known, "label"] = MOOD[known]["label"].sample(frac=1, random_state=0).to_numpy()
    both = train(tmp_path, TWICE, {"mood": mixed, "mood_again": MOOD})
    found = judged(both, TWICE, {"mood": MOOD, "mood_again": MOOD}, tmp_path, baselines=single)
    assert found["single_task", "mood"].outcome == "fail"
    assert found["single_task", "mood"].cause.startswith("mood: accuracy ")
    assert "below the single-task model" in found["single_task", "mood"].cause
    assert found["floor", "mood"].outcome != "pass"
    assert found["floor", "mood_again"].outcome == "pass"
