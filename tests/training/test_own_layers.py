"""A task with top layers of its own: no other task moves them, and it moves none of the shared ones."""

import copy

import numpy as np
import pytest
import torch
from fixtures.tiny_suite import LABELS, tiny_checkpoint, tiny_suite, tiny_tables
from pydantic import ValidationError

from polymart.balancing.static import Static
from polymart.config import Suite, Training
from polymart.model.encoder import LAYERS
from polymart.model.inputs import Collator
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import load_checkpoint, save_checkpoint
from polymart.training.data import TaskData
from polymart.training.loop import train_suite
from polymart.training.optimizer import build_optimizer
from polymart.training.schedule import Draw, Plan
from polymart.training.single import single_suite
from polymart.training.step import GradientStep
from polymart.training.world import ALONE

TABLES = tiny_tables()
CPU = torch.device("cpu")
SHARED = "encoder.transformer.encoder.layer."
OWN = "branches.mood."


def suite_with(own_layers: int, *names: str, **training) -> Suite:
    suite = tiny_suite(*names, **training)
    tasks = [t.model_copy(update={"own_layers": own_layers}) if t.name == "mood" else t for t in suite.tasks]
    return suite.model_copy(update={"tasks": tasks})


def checkpoint_with(own_layers: int):
    checkpoint = tiny_checkpoint(suite_with(own_layers, "mood", "reply"))
    for head in checkpoint.model.heads.values():  # a zero output layer would hide the encoder from the loss
        torch.nn.init.normal_(head.out.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return checkpoint


def gradients(own_layers: int, *names: str, diagnose=False, **balancing):
    checkpoint = checkpoint_with(own_layers)
    suite, draws, data = checkpoint.suite, [], {}
    for name in names:
        collate = Collator(suite.task(name).inputs, checkpoint.tasks[name].statistics, checkpoint.tokenizer)
        data[name] = TaskData.of(suite.task(name), TABLES[name], LABELS[name], collate)
        rows, weight = ALONE.share(np.arange(12))
        draws.append(Draw(name, rows, *data[name].take(rows), weight, 0))
    settings = Training.model_validate({"precision": "float32", "balancing": balancing})
    step = GradientStep(checkpoint.model, Static(suite.tasks), settings, CPU, ALONE)
    step(Plan(1, draws, {}, dict.fromkeys(["mood", "reply"], 0.5)), data, diagnose)
    return {name: p.grad for name, p in checkpoint.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("own_layers", [1, 2])
def test_a_fresh_model_answers_as_one_that_shares_all_layers(own_layers):
    apart, shared = (Predictor(checkpoint_with(layers)) for layers in (own_layers, 0))
    for task in ("mood", "reply"):
        assert np.array_equal(apart.scores(task, TABLES[task]), shared.scores(task, TABLES[task]))


@pytest.mark.parametrize("diagnose", [False, True])
def test_each_task_moves_its_layers_as_if_it_were_alone(diagnose):
    mood, reply = (gradients(0, task) for task in ("mood", "reply"))
    both = gradients(2, "mood", "reply", diagnose=diagnose)
    halves = {name: gradient / 2 for name, gradient in reply.items()}
    for name, gradient in mood.items():
        halves[name.replace(SHARED, OWN) if name.startswith(SHARED) else name] = gradient / 2
    assert both.keys() == halves.keys()
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, halves[name], rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_one_own_layer_leaves_the_one_below_to_both_tasks():
    found = gradients(1, "mood", "reply")
    reply, mood = gradients(1, "reply"), gradients(1, "mood")
    below, above = f"{SHARED}0.output.dense.weight", f"{SHARED}1.output.dense.weight"
    torch.testing.assert_close(found[below], (mood[below] + reply[below]) / 2)
    torch.testing.assert_close(found[above], reply[above] / 2)
    assert above not in mood
    torch.testing.assert_close(found[f"{OWN}0.output.dense.weight"], mood[f"{OWN}0.output.dense.weight"] / 2)


def test_balancing_sees_only_what_is_shared():
    """A limit of zero would stop a trunk; what belongs to one task alone has nobody to be balanced against."""
    free, limited = (gradients(2, "mood", "reply", trunk_clip=limit) for limit in (1e9, 1e-9))
    own = [name for name in free if name.startswith(OWN)]
    assert own
    assert all(torch.equal(free[name], limited[name]) for name in own)
    assert limited[f"{SHARED}1.output.dense.weight"].abs().max() < 1e-8 < free[own[0]].abs().max()


def test_own_layers_learn_at_the_rate_of_the_encoder():
    model, settings = checkpoint_with(1).model, Training(learning_rate=1e-5, head_learning_rate=1e-3)
    groups = build_optimizer(model, settings, CPU).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert {rates[id(p)] for p in model.branches.parameters()} == {1e-5}
    assert len(rates) == sum(p.requires_grad for p in model.parameters())


def test_a_checkpoint_keeps_own_layers_once(tmp_path):
    checkpoint = checkpoint_with(1)
    with torch.no_grad():
        for parameter in checkpoint.model.branches.parameters():
            parameter.add_(0.05)
    save_checkpoint(checkpoint, tmp_path / "one")
    loaded = load_checkpoint(tmp_path / "one")
    assert loaded.model.state_dict().keys() == checkpoint.model.state_dict().keys()
    assert len(loaded.model.branches["mood"]) == 1
    scores = Predictor(checkpoint).scores("mood", TABLES["mood"])
    assert np.array_equal(Predictor(loaded).scores("mood", TABLES["mood"]), scores)
    assert not np.allclose(Predictor(checkpoint_with(1)).scores("mood", TABLES["mood"]), scores)
    bare = load_checkpoint(tmp_path / "one", encoder=False)
    assert not list(bare.model.branches.parameters())


def test_a_copy_of_the_model_has_layers_of_its_own():
    model = checkpoint_with(1).model
    twin = copy.deepcopy(model)
    batch = Collator(tiny_suite("mood").task("mood").inputs, *statistics_and_tokenizer())(TABLES["mood"].head(5))
    with torch.no_grad():
        before = model("mood", batch)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(model("mood", batch), before)
        assert torch.equal(twin("mood", batch), torch.zeros_like(before))


def statistics_and_tokenizer():
    checkpoint = checkpoint_with(1)
    return checkpoint.tasks["mood"].statistics, checkpoint.tokenizer


def test_a_view_of_a_compiled_encoder_runs_its_own_layers():
    encoder = checkpoint_with(0).model.encoder
    encoder.transformer.compile(backend="eager")
    top = encoder.copy_of_top(1)
    view = encoder.with_top(top)
    assert view.transformer._compiled_call_impl is not encoder.transformer._compiled_call_impl
    assert view.transformer.get_submodule(LAYERS)[-1] is top[0]
    assert encoder.transformer.get_submodule(LAYERS)[-1] is not top[0]


def test_a_training_with_own_layers_repeats_and_is_no_other_task_s(shop, tmp_path):
    def trained(name, suite):
        digest, _ = train_suite(shop / "examples", shop / "encoder", suite, tmp_path / name)
        return digest, load_checkpoint(tmp_path / name).model.state_dict()

    suite = suite_with(2, "mood", "reply", max_steps=8, evaluate_every=4)
    digest, weights = trained("one", suite)
    assert trained("two", suite)[0] == digest
    fresh = trained("three", suite_with(2, "mood", "reply", max_steps=1, evaluate_every=1, learning_rate=1e-12))[1]
    own, shared = f"{OWN}1.output.dense.weight", f"{SHARED}1.output.dense.weight"
    assert torch.allclose(fresh[own], fresh[shared], atol=1e-6)
    assert not torch.allclose(weights[own], fresh[own], atol=1e-3)
    assert not torch.allclose(weights[own], weights[shared], atol=1e-3)


def test_a_task_alone_needs_no_layers_of_its_own():
    assert single_suite(suite_with(2), "mood", 80).task("mood").own_layers == 0


@pytest.mark.parametrize(
    ("own_layers", "encoder", "training", "task", "message"),
    [
        (3, {}, {}, "mood", "task mood wants 3 own_layers, but encoder.trainable_layers is 2"),
        (1, {"adapter": {"method": "lora"}}, {}, "mood", "own_layers of task mood cannot stand beside encoder.adapter"),
        (1, {}, {"distributed": {"strategy": "fsdp2"}}, "mood", "fsdp2 cannot shard own_layers of task mood: use ddp"),
        (1, {}, {}, "units", "the task reads no text: leave them out"),
    ],
)
def test_what_own_layers_cannot_do_is_refused(own_layers, encoder, training, task, message):
    given = tiny_suite().model_dump(mode="json")
    given["encoder"] |= encoder
    given["training"] |= training
    next(t for t in given["tasks"] if t["name"] == task)["own_layers"] = own_layers
    with pytest.raises(ValidationError, match=message):
        Suite.model_validate(given)
