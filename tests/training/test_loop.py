import json
import math
import threading
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import tiny_suite, tiny_tables, write_tiny_examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from torch.utils._python_dispatch import TorchDispatchMode

from polymart.errors import LabelError, TableError, TrainingError
from polymart.evaluation.metrics import METRICS
from polymart.model.predictor import Predictor
from polymart.training import trainer as trainer_module
from polymart.training.checkpoint import load_checkpoint
from polymart.training.data import TaskData
from polymart.training.log import CURVES
from polymart.training.loop import train_suite
from polymart.training.material import load_material
from polymart.training.schedule import made_ahead
from polymart.training.trainer import Trainer
from polymart.training.validation import validation_mean
from polymart.training.world import ALONE

DIVERGES = {"learning_rate": 1e38, "head_learning_rate": 1e38, "clip_norm": 1e30, "warmup": 0.0}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return write_tiny_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def trained(examples, encoder, tmp_path_factory):
    out, steps = tmp_path_factory.mktemp("trained") / "checkpoint", []
    suite = tiny_suite(max_steps=48, evaluate_every=12)
    digest, log = train_suite(examples, encoder, suite, out, lambda *row: steps.append(row))
    return out, digest, log, steps


def test_every_task_learns(trained):
    _, _, log, _ = trained
    first, best = log.validation[0], min(log.validation, key=lambda row: row["mean"])
    assert best["mean"] < 0.8 * first["mean"]
    assert best["mood"] < 0.5  # an uninformed head stays near 1
    assert best["reply"] < 0.5
    assert best["next_item"] < 0.8
    assert best["units"] <= first["units"]


def test_the_log_tells_what_happened(trained):
    _, _, log, steps = trained
    assert [row["step"] for row in log.loss] == list(range(1, len(log.loss) + 1)) == [step for step, _, _ in steps]
    assert all(total == 48 for _, total, _ in steps)
    assert [row["step"] for row in log.validation] == [12, 24, 36, 48][: len(log.validation)]
    assert all(set(row) == {"step", "mean", "next_item", "reply", "units", "mood"} for row in log.validation)
    assert {name for row in log.loss for name in row} == {"step", "next_item", "reply", "units", "mood"}
    assert log.best_step == min(log.validation, key=lambda row: row["mean"])["step"]
    assert log.seconds > 0
    assert log.cpu_seconds > 0
    assert log.gpu_seconds == 0
    assert log.examples_per_s > 0
    assert log.precision == "float32"


def unscaled_loss(predictor: Predictor, val: pd.DataFrame) -> float:
    """Mean log loss in bits, before the temperature that was chosen when the training was over."""
    temperature = predictor.checkpoint.tasks["reply"].target.temperature
    scores = expit(temperature * logit(predictor.scores("reply", val)[:, 0].astype(float)))
    return -np.mean(np.log2(np.where(val.label == 1, scores, 1 - scores)))


def test_the_checkpoint_is_that_of_the_best_validation(trained, examples):
    out, digest, log, _ = trained
    checkpoint = load_checkpoint(out)
    assert checkpoint.digest == digest
    assert {state.data_origin for state in checkpoint.tasks.values()} == {"synthetic"}
    val = tiny_tables()["reply"].query("split == 'val'")
    assert unscaled_loss(Predictor(checkpoint), val) == pytest.approx(
        next(row["reply"] for row in log.validation if row["step"] == log.best_step), rel=1e-4
    )


def test_the_same_seed_gives_the_same_bits(examples, encoder, tmp_path):
    suite = tiny_suite(max_steps=6, evaluate_every=3)
    torch.manual_seed(123)  # what ran before must not matter
    first, _ = train_suite(examples, encoder, suite, tmp_path / "a")
    torch.rand(7)
    again, _ = train_suite(examples, encoder, suite, tmp_path / "b")
    other, _ = train_suite(examples, encoder, suite.model_copy(update={"seed": 18}), tmp_path / "c")
    assert first == again != other
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_training_stops_when_validation_no_longer_improves(examples, encoder, tmp_path):
    suite = tiny_suite(
        "mood", max_steps=60, evaluate_every=1, patience=2, learning_rate=1e-12, head_learning_rate=1e-12
    )
    _, log = train_suite(examples, encoder, suite, tmp_path / "out")
    assert log.stopped_early
    assert (log.best_step, len(log.loss)) == (1, 3)


def test_the_best_step_is_kept_when_later_ones_are_worse(encoder, tmp_path):
    frame = tiny_tables()["reply"]
    frame["label"] = frame["label"].where(frame.split == "train", 1 - frame["label"])  # the better, the worse
    folder = write_tiny_examples(tmp_path / "contrary", {"reply": frame})
    suite = tiny_suite("reply", max_steps=12, evaluate_every=1, patience=99)
    _, log = train_suite(folder, encoder, suite, tmp_path / "out")
    by_step = {row["step"]: row["reply"] for row in log.validation}
    val = frame[frame.split == "val"]
    loss = unscaled_loss(Predictor.load(tmp_path / "out"), val)
    assert loss == pytest.approx(by_step[log.best_step], rel=1e-4)
    assert by_step[12] > 1.5 * by_step[log.best_step]


def test_an_uninformed_start_is_the_base_rate(examples, encoder, tmp_path):
    tables = tiny_tables()
    rare = tables["reply"].assign(label=(np.arange(160) % 20 == 0).astype(int))
    folder = write_tiny_examples(tmp_path / "rare", {"reply": rare})
    suite = tiny_suite("reply", max_steps=1, evaluate_every=1, learning_rate=1e-12, head_learning_rate=1e-12)
    _, log = train_suite(folder, encoder, suite, tmp_path / "out")
    rate = rare.query("split == 'train'").label.mean()
    truth = rare.query("split == 'val'").label.mean()
    entropy = -(truth * math.log2(rate) + (1 - truth) * math.log2(1 - rate)) if rate else 0
    assert log.validation[0]["reply"] == pytest.approx(entropy, abs=0.25)


def test_skipped_tasks_are_left_out(encoder, tmp_path):
    folder = write_tiny_examples(tmp_path / "few", {"mood": tiny_tables()["mood"]})
    train_suite(folder, encoder, tiny_suite(max_steps=1), tmp_path / "out")
    assert [task.name for task in load_checkpoint(tmp_path / "out").suite.tasks] == ["mood"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_task_without_rows_is_named(encoder, tmp_path, split):
    frame = tiny_tables()["mood"]
    folder = write_tiny_examples(tmp_path / "half", {"mood": frame[frame.split != split]})
    with pytest.raises(TrainingError, match=rf"'mood' has no {split} rows among {len(frame[frame.split != split])}"):
        train_suite(folder, encoder, tiny_suite("mood"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_suite_without_any_example_table_is_refused(encoder, tmp_path):
    folder = write_tiny_examples(tmp_path / "few", {"mood": tiny_tables()["mood"]})
    with pytest.raises(TrainingError, match="no task of suite 'tiny' has an example table"):
        train_suite(folder, encoder, tiny_suite("reply"), tmp_path / "out")


def test_an_example_table_that_vanished_is_named(encoder, tmp_path):
    folder = write_tiny_examples(tmp_path / "few", {"mood": tiny_tables()["mood"]})
    (folder / "mood.parquet").unlink()
    with pytest.raises(TableError, match="'mood'"):
        train_suite(folder, encoder, tiny_suite("mood"), tmp_path / "out")


def test_a_foreign_label_is_named(encoder, tmp_path):
    frame = tiny_tables()["mood"]
    frame.loc[[1, 5], "label"] = "furious"
    folder = write_tiny_examples(tmp_path / "foreign", {"mood": frame})
    with pytest.raises(LabelError, match=r"'mood': 2 labels .*'furious'"):
        train_suite(folder, encoder, tiny_suite("mood"), tmp_path / "out")


def test_a_run_that_diverges_names_task_and_step_and_leaves_the_old_checkpoint(examples, encoder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("x")
    suite = tiny_suite("mood", max_steps=20, **DIVERGES)
    with pytest.raises(TrainingError, match=r"loss of task 'mood' became (nan|inf) at step \d+"):
        train_suite(examples, encoder, suite, out)
    assert (out / "old").exists()


def test_a_run_whose_last_step_diverges_saves_nothing(examples, encoder, tmp_path):
    suite = tiny_suite("mood", max_steps=1, evaluate_every=1, **DIVERGES)
    with pytest.raises(TrainingError):
        train_suite(examples, encoder, suite, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_example_is_named_with_its_step_and_task(encoder, tmp_path, monkeypatch):
    frame = tiny_tables()["reply"]
    folder = write_tiny_examples(tmp_path / "broken", {"reply": frame})
    train = frame[frame.split == "train"].reset_index(drop=True)
    take = TaskData.take

    def with_a_broken_row(self, rows, draw=0):
        batch, target = take(self, rows, draw)
        return batch, torch.where(torch.from_numpy(rows == 7), torch.nan, target)

    monkeypatch.setattr(TaskData, "take", with_a_broken_row)
    suite = tiny_suite("reply", max_steps=20, evaluate_every=20, checkpoint_every=1, micro_batches=1)
    with pytest.raises(
        TrainingError, match=r"loss of task 'reply' became nan at step [2-5] in a micro-batch"
    ) as caught:
        train_suite(folder, encoder, suite, tmp_path / "out", state=tmp_path / "state")
    named = caught.value.message.partition("examples ")[2].partition(" and ")[0].split(", ")
    assert set(named) <= set(train["example_id"])
    assert len(named) == 8
    assert "and 8 more" in caught.value.message
    (last_good,) = (tmp_path / "state").iterdir()
    assert f"at step {int(last_good.name[5:]) + 1} " in caught.value.message
    assert not (tmp_path / "out").exists()


def test_curves_hold_every_task_at_every_validation(trained):
    _, _, log, _ = trained
    assert list(log.curves) == list(CURVES)
    at = [row["step"] for row in log.validation]
    for name, rows in log.curves.items():
        found = [row["step"] for row in rows]
        assert set(found) <= set(at) if name in ("gradient_norm", "conflict") else found == at, name
    for name in ("examples_per_s", "tokens_per_s"):
        assert all(value >= 0 for row in log.curves[name] for value in row.values())
    assert all(row["units"] == 0 for row in log.curves["tokens_per_s"] if "units" in row)
    assert {name for row in log.curves["conflict"] for name in row} > {"step"}
    assert set(log.curves["metric"][-1]) == {"step", "next_item", "reply", "units", "mood"}
    assert log.curves["metric"][-1]["mood"] > 0.8
    assert log.peak_memory_gb > 0.1
    json.dumps(asdict(log), allow_nan=False)


def test_the_metric_of_a_validation_is_that_of_the_evaluation(trained):
    out, _, log, _ = trained
    val = tiny_tables()["reply"].query("split == 'val'")
    scores = Predictor.load(out).scores("reply", val)
    best = next(row for row in log.curves["metric"] if row["step"] == log.best_step)
    assert METRICS["roc_auc"].value(val.label.to_numpy(), scores) == pytest.approx(best["reply"], abs=1e-6)


@pytest.mark.parametrize("method", ["uncertainty", "dwa", "famo", "pcgrad"])
def test_every_balancing_method_learns(examples, encoder, tmp_path, method):
    suite = tiny_suite(max_steps=30, evaluate_every=15, balancing={"method": method, "trunk_clip": 5.0})
    _, log = train_suite(examples, encoder, suite, tmp_path / "out")
    assert log.validation[-1]["mood"] < 0.9
    assert log.validation[-1]["mean"] < log.validation[0]["mean"]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 10)), min_size=1, max_size=5), st.floats(0.1, 0.99))
def test_the_deciding_number_is_a_mean_that_falls_with_every_loss(pairs, factor):
    losses = {f"t{i}": loss for i, (loss, _) in enumerate(pairs)}
    weights = {f"t{i}": weight for i, (_, weight) in enumerate(pairs)}
    mean = validation_mean(losses, weights)
    assert min(losses.values()) - 1e-9 <= mean <= max(losses.values()) * (1 + 1e-9) + 1e-9
    assert validation_mean({**losses, "t0": losses["t0"] * factor}, weights) <= mean


def test_one_exploding_task_does_not_decide_alone():
    weights = {"a": 1.0, "b": 1.0, "c": 1.0}
    before = validation_mean({"a": 1.0, "b": 1.0, "c": 1.0}, weights)
    assert validation_mean({"a": 0.5, "b": 0.5, "c": 3.0}, weights) < before
    assert np.mean([0.5, 0.5, 3.0]) > 1.0


class Syncs(TorchDispatchMode):
    """Counts how often a number is asked of the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("limit", [None, 1.0])
def test_no_step_waits_for_the_device(examples, encoder, limit):
    """On a GPU each such question would stop the processor until all queued work is done."""
    suite = tiny_suite(balancing={"trunk_clip": limit})
    material = load_material(examples, encoder, suite)
    trainer = Trainer(material.fresh_model(), material.train, material.val, material.suite, ALONE, torch.device("cpu"))
    plans = list(trainer.schedule.plans(0, trainer.counters, 3))
    trainer._step(plans[0])  # the optimiser makes its state
    with Syncs() as syncs:
        torch.ones(()).item()
        assert syncs.count == 1
        trainer._step(plans[1])
        trainer._step(plans[2])
    assert syncs.count == 1


def test_an_exploding_gradient_of_a_finite_loss_is_named(examples, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "clip", lambda model, norm: torch.tensor(torch.inf))
    with pytest.raises(TrainingError, match="norm of the gradient became inf at step 1 of mood") as caught:
        train_suite(examples, encoder, tiny_suite("mood"), tmp_path / "out")
    assert "trunk_clip" in caught.value.remedy


def test_collation_runs_ahead_and_its_error_reaches_the_training(examples, encoder, monkeypatch):
    material = load_material(examples, encoder, tiny_suite("mood"))
    schedule = Trainer(
        material.fresh_model(), material.train, material.val, material.suite, ALONE, torch.device("cpu")
    ).schedule
    alone = [(p.step, [d.rows.tolist() for d in p.draws], p.counters) for p in schedule.plans(0, {}, 5)]
    with made_ahead(schedule.plans(0, {}, 5)) as plans:
        ahead = [(p.step, [d.rows.tolist() for d in p.draws], p.counters) for p in plans]
    assert ahead == alone
    with made_ahead(schedule.plans(3, alone[2][2], 5)) as plans:
        assert [(p.step, [d.rows.tolist() for d in p.draws], p.counters) for p in plans] == alone[3:]

    def broken():
        yield from schedule.plans(0, {}, 1)
        raise ValueError("no such row")

    with pytest.raises(ValueError, match="no such row"), made_ahead(broken()) as plans:
        list(plans)
    before = threading.active_count()
    with made_ahead(schedule.plans(0, {}, 10**6)) as plans:
        next(plans)
    assert threading.active_count() == before, "a thread that is no longer needed ends"
