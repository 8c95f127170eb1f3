import dataclasses

import numpy as np
import pytest
import torch
from fixtures.tiny_suite import LABELS, tiny_checkpoint, tiny_suite, tiny_tables

from polymart.balancing.base import Balancer
from polymart.balancing.pcgrad import PCGrad
from polymart.balancing.static import Static
from polymart.config import Training
from polymart.model.inputs import Collator
from polymart.training.data import TaskData
from polymart.training.optimizer import build_optimizer, clip, warmup_cosine
from polymart.training.schedule import Draw, Plan
from polymart.training.step import GradientStep
from polymart.training.world import ALONE, World

SUITE = tiny_suite()
NAMES = [task.name for task in SUITE.tasks]
CPU = torch.device("cpu")
TABLES = tiny_tables()


def model_and_data():
    checkpoint = tiny_checkpoint(SUITE)
    for head in checkpoint.model.heads.values():  # a zero output layer would hide the encoder from the loss
        torch.nn.init.normal_(head.out.weight, std=0.3)
    data = {}
    for task in SUITE.tasks:
        collate = Collator(task.inputs, checkpoint.tasks[task.name].statistics, checkpoint.tokenizer)
        data[task.name] = TaskData.of(task, TABLES[task.name], LABELS[task.name], collate)
    return checkpoint.model.eval(), data  # no dropout: a step can be recomputed


def plan_of(data, parts: dict[str, list[np.ndarray]], world: World = ALONE) -> Plan:
    draws = []
    for name, pieces in parts.items():
        for rows in pieces:
            mine, weight = world.share(rows)
            draws.append(Draw(name, rows, *data[name].take(mine), weight, 0))
    return Plan(1, draws, {}, dict.fromkeys(NAMES, 0.25))


def weights(**given: float) -> Balancer:
    return Static([task.model_copy(update={"weight": given.get(task.name, 1.0)}) for task in SUITE.tasks])


def gradients(parts: dict[str, list[np.ndarray]], balancer: Balancer | None = None, *, diagnose=False, **training):
    """Outcome and gradients of one step on the given micro-batches."""
    model, data = model_and_data()
    settings = Training.model_validate({"precision": "float32", **training})
    step = GradientStep(model, balancer or weights(), settings, CPU, ALONE)
    outcome = step(plan_of(data, parts), data, diagnose)
    return outcome, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


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
    whole_outcome, whole = gradients({task: [rows]})
    outcome, cut = gradients({task: np.split(rows, cuts)})
    assert float(outcome.losses[task]) == pytest.approx(float(whole_outcome.losses[task]), rel=1e-5)
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-4
    assert_same(whole, cut)


PARTS = {"mood": [np.arange(8)], "units": np.split(np.arange(16), [5, 6])}


@pytest.mark.parametrize("kept_apart", [False, True])
def test_tasks_count_by_their_share_of_the_schedule_and_their_weight(kept_apart):
    alone = {name: gradients({name: [np.concatenate(rows)]})[1] for name, rows in PARTS.items()}
    _, both = gradients(PARTS, weights(mood=2.0, units=0.5), diagnose=kept_apart)
    expected = {
        name: sum(
            share * alone[task].get(name, torch.zeros_like(found)) for task, share in (("mood", 0.5), ("units", 0.375))
        )
        for name, found in both.items()
    }
    assert_same(expected, both)


THREE = {"mood": [np.arange(8)], "reply": [np.arange(12)], "units": [np.arange(6)]}


def test_keeping_gradients_apart_changes_nothing_but_what_is_known():
    plain, together = gradients(THREE, weights(reply=3.0))
    diagnosed, apart = gradients(THREE, weights(reply=3.0), diagnose=True)
    assert_same(together, apart)
    assert plain.curves().keys() == {"loss"}
    assert diagnosed.curves().keys() == {"loss", "weight", "gradient_norm", "conflict"}
    assert {name: float(w) for name, w in diagnosed.diagnosis["weight"].items()} == {
        "mood": 0.25,
        "reply": 0.75,  # p w
        "units": 0.25,
    }
    assert diagnosed.diagnosis["gradient_norm"].keys() == {"mood", "reply"}, "units reads no text"
    assert -1 <= float(diagnosed.diagnosis["conflict"]["mood/reply"]) <= 1


def test_norms_and_conflicts_are_those_of_each_task_alone():
    outcome, _ = gradients(THREE, weights(reply=3.0), diagnose=True)
    alone = []
    for name in ("mood", "reply"):
        _, found = gradients({name: THREE[name]})
        alone.append(torch.cat([g.flatten() for n, g in found.items() if n.startswith("encoder.")]))
    norms = outcome.diagnosis["gradient_norm"]
    assert [float(n) for n in norms.values()] == pytest.approx([float(g.norm()) for g in alone], rel=1e-4)
    cosine = float(torch.cosine_similarity(*alone, dim=0))
    assert float(outcome.diagnosis["conflict"]["mood/reply"]) == pytest.approx(cosine, abs=1e-4)


def test_a_limit_on_the_trunk_holds_for_each_task_and_leaves_the_heads():
    _, free = gradients(THREE)
    outcome, limited = gradients(THREE, balancing={"trunk_clip": 1e-3}, diagnose=True)
    norms = {name: float(n) for name, n in outcome.diagnosis["gradient_norm"].items()}
    assert min(norms.values()) > 1e-3
    total = torch.cat([g.flatten() for n, g in limited.items() if n.startswith("encoder.")]).norm()
    assert float(total) <= (2 / 3) * 1e-3 * 1.0001, "two tasks, each with a third of the schedule"
    heads = {name for name in free if name.startswith("heads.")}
    assert_same({n: free[n] for n in heads}, {n: limited[n] for n in heads})


def test_conflicting_tasks_are_projected():
    opposite = {"mood": [np.arange(8)], "reply": [np.arange(12)]}
    _, plain = gradients(opposite)
    outcome, projected = gradients(opposite, PCGrad(SUITE.tasks, 0), diagnose=True)
    same = all(torch.allclose(plain[n], projected[n]) for n in plain if n.startswith("encoder."))
    assert same == (float(outcome.diagnosis["conflict"]["mood/reply"]) >= 0)


def test_a_task_that_is_not_drawn_keeps_its_head():
    _, found = gradients({"mood": [np.arange(4)]})
    assert {name.split(".")[1] for name in found if name.startswith("heads")} == {"mood"}


@pytest.mark.parametrize("diagnose", [False, True])
def test_a_step_without_text_leaves_the_trunk_alone(diagnose):
    _, found = gradients({"units": [np.arange(4)]}, diagnose=diagnose)
    assert {name.split(".")[0] for name in found} == {"heads"}


def test_the_shares_of_two_processes_add_up_to_the_whole():
    parts = {"mood": [np.arange(9), np.array([9])], "next_item": [np.arange(7)]}
    whole, expected = gradients(parts)
    total, losses = {}, []
    for rank in range(2):
        model, data = model_and_data()
        world = World(rank, 2)
        step = GradientStep(model, weights(), Training(precision="float32"), CPU, ALONE)
        outcome = step(plan_of(data, parts, world), data)
        losses.append(torch.stack(list(outcome.losses.values())))
        found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        assert found.keys() == expected.keys(), "a process without a row of its own still touches every parameter"
        total = {name: total.get(name, 0) + gradient for name, gradient in found.items()}
    assert_same(expected, total)
    torch.testing.assert_close(sum(losses), torch.stack(list(whole.losses.values())))


def test_the_reported_loss_is_the_mean_over_the_examples_of_the_step():
    outcome, _ = gradients({"reply": [np.arange(3), np.arange(3, 10)]})
    single = [float(gradients({"reply": [np.array([i])]})[0].losses["reply"]) for i in range(10)]
    assert float(outcome.losses["reply"]) == pytest.approx(np.mean(single), rel=1e-4)
    assert not outcome.losses["reply"].requires_grad


def test_losses_of_a_plan_are_those_of_its_step():
    model, data = model_and_data()
    step = GradientStep(model, weights(), Training(precision="float32"), CPU, ALONE)
    plan = plan_of(data, PARTS)
    before = step(plan, data).losses
    again = step.losses(plan, data)
    assert {n: float(v) for n, v in again.items()} == pytest.approx({n: float(v) for n, v in before.items()}, rel=1e-6)


def consistent(consistency: float, *, dropout: bool) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one step of ``mood`` whose two passes should agree."""
    model, data = model_and_data()
    task = data["mood"].task.model_copy(update={"consistency": consistency})
    data["mood"] = dataclasses.replace(data["mood"], task=task)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    step = GradientStep(model.train(dropout), weights(), Training(precision="float32"), CPU, ALONE)
    torch.manual_seed(3)
    outcome = step(plan_of(data, {"mood": [np.arange(16)]}), data)
    return float(outcome.losses["mood"]), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_two_passes_that_agree_learn_what_one_does():
    (once, single), (twice, double) = consistent(0.0, dropout=False), consistent(7.0, dropout=False)
    assert twice == pytest.approx(once, rel=1e-6)
    assert_same(single, double)


def test_disagreement_of_two_passes_is_paid_in_proportion():
    """The loss is that of both passes, and the price of how they differ."""
    low, middle, high = (consistent(weight, dropout=True)[0] for weight in (1.0, 2.0, 4.0))
    assert middle > low
    assert high - middle == pytest.approx(2 * (middle - low), rel=1e-4)
    norms = [
        sum(float(gradient.square().sum()) for gradient in consistent(weight, dropout=True)[1].values())
        for weight in (1e-9, 100.0)
    ]
    assert norms[1] > norms[0], "it teaches, too"


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
    GradientStep(model, weights(), Training(precision="float32"), CPU, ALONE)(
        plan_of(data, {"mood": [np.arange(8)]}), data
    )
    before = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    total = float(clip(model, norm))
    after = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert total == pytest.approx(float(torch.stack([g.norm() for g in before.values()]).norm()), rel=1e-5)
    assert_same(before, after, scale=norm / total if scaled else 1.0)


def test_half_precision_stays_near_full_precision():
    losses = [
        float(gradients({"mood": [np.arange(16)]}, precision=precision)[0].losses["mood"])
        for precision in ("float32", "bfloat16")
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
