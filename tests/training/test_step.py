import dataclasses

import numpy as np
import pytest
import torch
from fixtures.tiny_suite import LABELS, tiny_checkpoint, tiny_suite, tiny_tables

from polymart.balancing.static import StaticWeights
from polymart.config import Training
from polymart.errors import TrainingError
from polymart.model.inputs import Collator
from polymart.training.data import TaskData
from polymart.training.step import build_optimizer, check_finite, clip, step_losses, warmup_cosine

SUITE = tiny_suite()
NAMES = [task.name for task in SUITE.tasks]
CPU = torch.device("cpu")
TABLES = tiny_tables()
ONES = StaticWeights(dict.fromkeys(NAMES, 1.0))


def model_and_data():
    checkpoint = tiny_checkpoint(SUITE)
    for head in checkpoint.model.heads.values():  # a zero output layer would hide the encoder from the loss
        torch.nn.init.normal_(head.out.weight, std=0.3)
    data = {}
    for task in SUITE.tasks:
        collate = Collator(task.inputs, checkpoint.tasks[task.name].statistics, checkpoint.tokenizer)
        data[task.name] = TaskData.of(task, TABLES[task.name], LABELS[task.name], collate)
    return checkpoint.model.train(), data


def gradients(parts: dict[str, list[np.ndarray]], schedule: list[str], balance: StaticWeights = ONES):
    """Losses and gradients of one step on the given micro-batches."""
    model, data = model_and_data()
    losses = step_losses(model, data, {n: iter(p) for n, p in parts.items()}, schedule, balance, CPU, None)
    return losses, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_same(first, second, scale: float = 1.0) -> None:
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(
            first[name] * scale, second[name], rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("cuts", [[12], [3], [3, 4, 20]], ids=["two even", "two uneven", "four"])
def test_the_gradient_ignores_how_a_step_is_cut_into_micro_batches(task, cuts):
    """Averaging micro-batch means instead would overweight short micro-batches."""
    rows = np.arange(24)
    whole_losses, whole = gradients({task: [rows]}, [task])
    parts = np.split(rows, cuts)
    losses, cut = gradients({task: parts}, [task] * len(parts))
    assert float(losses[task]) == pytest.approx(float(whole_losses[task]), rel=1e-5)
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-4
    assert_same(whole, cut)


def test_tasks_count_by_their_share_of_the_schedule_and_their_weight():
    rows = {"mood": np.arange(8), "units": np.arange(16)}
    alone = {name: gradients({name: [r]}, [name])[1] for name, r in rows.items()}
    parts = {"mood": [rows["mood"]], "units": np.split(rows["units"], [5, 6])}
    _, both = gradients(parts, ["units", "mood", "units", "units"], StaticWeights({"mood": 2.0, "units": 0.5}))
    expected = {
        name: sum(
            share * alone[task].get(name, torch.zeros_like(found)) for task, share in (("mood", 0.5), ("units", 0.375))
        )
        for name, found in both.items()
    }
    assert_same(expected, both)


def test_a_task_that_is_not_drawn_keeps_its_head():
    _, found = gradients({"mood": [np.arange(4)]}, ["mood"])
    assert {name.split(".")[1] for name in found if name.startswith("heads")} == {"mood"}


def test_the_reported_loss_is_the_mean_over_the_examples_of_the_step():
    losses, _ = gradients({"reply": [np.arange(3), np.arange(3, 10)]}, ["reply", "reply"])
    single = [float(gradients({"reply": [np.array([i])]}, ["reply"])[0]["reply"]) for i in range(10)]
    assert float(losses["reply"]) == pytest.approx(np.mean(single), rel=1e-4)
    assert not losses["reply"].requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_task_and_step(value):
    assert check_finite({"mood": torch.tensor(0.5)}, 7) == {"mood": 0.5}
    with pytest.raises(TrainingError, match=rf"(?s)'mood' became {value} at step 7.*learning_rate"):
        check_finite({"units": torch.tensor(1.0), "mood": torch.tensor(value)}, 7)


@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.1), (10, 0.5), (7, 0.0), (1, 0.1), (2, 0.5)])
def test_the_rate_rises_to_its_peak_and_falls_to_zero(steps, warmup):
    factor = warmup_cosine(Training(max_steps=steps, warmup=warmup))
    rates = [factor(step) for step in range(steps)]
    rising = max(1, round(warmup * steps))
    assert rates[:rising] == pytest.approx([(i + 1) / rising for i in range(rising)])
    assert max(rates) == rates[rising - 1] == 1.0
    assert all(later <= earlier for earlier, later in zip(rates[rising - 1 :], rates[rising:], strict=False))
    assert all(0 < rate <= 1 for rate in rates)
    assert factor(max(steps, 2)) == pytest.approx(0, abs=1e-9) or steps == 1
    middle = rising + (steps - rising) // 2
    if (steps - rising) % 2 == 0 and steps > rising:
        assert factor(middle) == pytest.approx(0.5)


def test_optimizer_groups_hold_every_trainable_parameter_once_with_its_rate_and_decay():
    checkpoint = tiny_checkpoint(SUITE)
    checkpoint.model.encoder.freeze_below(1)
    settings = Training(learning_rate=1e-5, head_learning_rate=1e-2, weight_decay=0.1)
    optimizer = build_optimizer(checkpoint.model, settings, CPU)
    found = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in checkpoint.model.parameters() if p.requires_grad)
    encoder = {id(p) for p in checkpoint.model.encoder.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == (1e-5 if id(parameter) in encoder else 1e-2)
            assert group["weight_decay"] in (0.0, 0.1)
            assert parameter.ndim > 1 or group["weight_decay"] == 0.0


@pytest.mark.parametrize(("norm", "scaled"), [(0.01, True), (1e6, False)])
def test_clipping_bounds_the_norm_and_keeps_the_direction(norm, scaled):
    model, data = model_and_data()
    step_losses(model, data, {"mood": iter([np.arange(8)])}, ["mood"], ONES, CPU, None)
    before = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    total = float(clip(model, norm))
    after = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert total == pytest.approx(float(torch.stack([g.norm() for g in before.values()]).norm()), rel=1e-5)
    assert_same(before, after, scale=norm / total if scaled else 1.0)


def test_half_precision_stays_near_full_precision():
    model, data = model_and_data()
    losses = [
        float(step_losses(model, data, {"mood": iter([np.arange(16)])}, ["mood"], ONES, CPU, dtype)["mood"])
        for dtype in (None, torch.bfloat16)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_rows_are_taken_with_their_targets():
    _, data = model_and_data()
    units = data["units"]
    batch, target = units.take(np.array([5, 2, 2]))
    assert target.tolist() == TABLES["units"]["label"].iloc[[5, 2, 2]].tolist()
    assert batch.baseline_B.expm1().tolist() == pytest.approx(
        TABLES["units"]["units_mean13"].iloc[[5, 2, 2]].tolist(), rel=1e-5
    )
    assert dataclasses.is_dataclass(batch)
