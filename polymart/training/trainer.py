"""The loop: steps, validations, early stopping, and a state from which it goes on bit for bit."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch

from polymart.balancing import make_balancer
from polymart.balancing.base import Balancer
from polymart.balancing.sampling import TaskSampler
from polymart.config import Suite
from polymart.errors import TrainingError
from polymart.model.multitask import MultiTaskModel
from polymart.training.data import TaskData
from polymart.training.log import TrainingLog
from polymart.training.optimizer import build_optimizer, clip, warmup_cosine
from polymart.training.recorder import Readback, Recorder
from polymart.training.schedule import Plan, Schedule, made_ahead
from polymart.training.sharding import sharded_like, whole_tree
from polymart.training.step import GradientStep, Outcome
from polymart.training.validation import validate, validation_mean
from polymart.training.weights import copy_of, load_trained, trained_tensors
from polymart.training.world import World

Report = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (step, max_steps, losses by task)."""
IMPROVEMENT = 1e-4
"""A validation is better than the best one only by more than this."""


class Trainer:
    """One process of a training."""

    def __init__(
        self,
        model: MultiTaskModel,
        train: Mapping[str, TaskData],
        val: Mapping[str, TaskData],
        suite: Suite,
        world: World,
        device: torch.device,
        report: Report | None = None,
    ) -> None:
        settings = suite.training
        self.model, self.train, self.val = model.to(device).train(), train, val
        self.settings, self.world, self.device = settings, world, device
        self.task_weights = {task.name: task.weight for task in suite.tasks}
        self.balancer = make_balancer(settings.balancing, suite.tasks, suite.seed)
        self.gradients = GradientStep(model, self.balancer, settings, device, world)
        self.optimizer = build_optimizer(model, settings, device)
        self.rates = torch.optim.lr_scheduler.LambdaLR(self.optimizer, warmup_cosine(settings))
        sizes = {name: len(data) for name, data in train.items()}
        sampler = TaskSampler(suite.tasks, sizes, settings.balancing, settings.max_steps, suite.seed)
        self.schedule = Schedule(train, sampler, settings.micro_batches, suite.seed, world)
        self.log = TrainingLog(precision=str(self.gradients.dtype or torch.float32).removeprefix("torch."))
        self.report = report
        self.recorder = Recorder(self.log, train, device, self._report, world.size)
        self.step, self.counters = 0, dict.fromkeys(train, 0)
        self.best, self.best_tensors, self.stale = math.inf, copy_of(trained_tensors(model)), 0

    def fit(self, save: Callable[[Trainer], object] | None = None) -> TrainingLog:
        """Train to the end; the best weights lie in ``best_tensors``.

        Args:
            save: called in every process when the state is to be kept (`state_dict`).

        Raises:
            TrainingError: a loss or the gradient is no number.
        """
        started, worked = time.monotonic() - self.log.seconds, time.process_time() - self.log.cpu_seconds
        settings = self.settings
        last = self.step if self.log.stopped_early else settings.max_steps
        self.recorder.restart_clock()
        ahead = self.schedule.plans(self.step, self.counters, last)
        # On a processor a second thread costs more than it hides: its OpenMP threads wait for work on the cores that
        # the step needs (two cores: 2.7 s a step against 1.9 s, collation being 2 % of it).
        with made_ahead(ahead) if self.device.type == "cuda" else nullcontext(ahead) as plans:
            for plan in plans:
                self._step(plan)
                if plan.step % settings.evaluate_every == 0 or plan.step == last:
                    self._validate()
                if save is not None and plan.step % (settings.checkpoint_every or settings.evaluate_every) == 0:
                    self.recorder.read()
                    self.log.seconds, self.log.cpu_seconds = time.monotonic() - started, time.process_time() - worked
                    save(self)
                if self.log.stopped_early:
                    break
        self.log.seconds, self.log.cpu_seconds = time.monotonic() - started, self._total(time.process_time() - worked)
        self.log.gpu_seconds = self.log.seconds * self.world.size if self.device.type == "cuda" else 0.0
        self.log.examples_per_s = self.log.examples / self.log.seconds
        self.log.peak_memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        return self.log

    def _total(self, number: float) -> float:
        """Its sum over all processes."""
        return float(self.world.total(torch.tensor(number, dtype=torch.float64, device=self.device)))

    def _step(self, plan: Plan) -> None:
        outcome = self.gradients(plan, self.train, diagnose=plan.step % self.settings.evaluate_every == 0)
        scaler = self.gradients.scaler
        scaler.unscale_(self.optimizer)
        norm = clip(self.model, self.settings.clip_norm)
        scaler.step(self.optimizer)
        scaler.update()
        self.rates.step()
        self.model.encoder.after_backward(plan.step)
        self.optimizer.zero_grad(set_to_none=True)
        self._teach(plan, outcome)
        self.step, self.counters = plan.step, dict(plan.counters)
        self.recorder.step(plan, outcome, None if scaler.is_enabled() else norm)

    def _teach(self, plan: Plan, outcome: Outcome) -> None:
        """Let the balancer learn from the step; only for one that learns the processor waits for the losses."""
        if type(self.balancer).update is Balancer.update:
            return
        numbers = {("before", name): loss for name, loss in outcome.losses.items()}
        if self.balancer.needs_losses_after:
            numbers |= {("after", name): loss for name, loss in self.gradients.losses(plan, self.train).items()}
        read = {
            moment: {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
            for moment, values in Readback(numbers, self.device).read().items()
        }
        self.balancer.update(**read)

    def _validate(self) -> None:
        self.recorder.read()
        self.recorder.speed(self.step)
        losses, metrics = validate(self.model, self.val, self.device, self.gradients.dtype, self.world)
        for name, loss in losses.items():
            if not math.isfinite(loss):
                raise TrainingError(
                    f"validation loss of task {name!r} became {loss} at step {self.step}",
                    remedy="lower training.learning_rate, or look for broken inputs of that task",
                )
        mean = validation_mean(losses, self.task_weights)
        self.log.validation.append({"step": self.step, **losses, "mean": mean})
        self.log.add("metric", self.step, metrics)
        self.balancer.end_epoch()
        if mean < self.best - IMPROVEMENT:
            self.best, self.stale, self.log.best_step = mean, 0, self.step
            self.best_tensors = copy_of(trained_tensors(self.model))
        else:
            self.stale += 1
            self.log.stopped_early = self.stale >= self.settings.patience
        self.recorder.restart_clock()

    def _report(self, step: int, losses: dict[str, float]) -> None:
        if self.report is not None and self.world.leads:
            self.report(step, self.settings.max_steps, losses)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit: tensors and JSON values, nothing in shards.

        Every process must ask at the same time.
        """
        return {
            "model": trained_tensors(self.model),
            "best_model": self.best_tensors,
            "optimizer": whole_tree(self.optimizer.state_dict()),
            "rates": self.rates.state_dict(),
            "scaler": self.gradients.scaler.state_dict(),
            "balancer": self.balancer.state_dict(),
            "adapter": self.model.encoder.training_state(),
            "random": [part.cpu() for part in self.world.gather(self._random().to(self.device))],
            "progress": {"step": self.step, "counters": self.counters, "best": self.best, "stale": self.stale},
            "log": asdict(self.log),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        load_trained(self.model, state["model"])
        self.best_tensors = state["best_model"]
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        moments = {
            int(index): {key: sharded_like(value, parameters[int(index)]) for key, value in values.items()}
            for index, values in state["optimizer"]["state"].items()  # JSON knows no numbers as keys
        }
        self.optimizer.load_state_dict({**state["optimizer"], "state": moments})
        self.rates.load_state_dict(state["rates"])
        self.gradients.scaler.load_state_dict(state["scaler"])
        self.balancer.load_state_dict(state["balancer"])
        self.model.encoder.load_training_state(state["adapter"])
        self._set_random(state["random"][self.world.rank])
        self.step, self.counters, self.best, self.stale = (
            state["progress"][name] for name in ("step", "counters", "best", "stale")
        )
        self.log = TrainingLog(**state["log"])
        self.recorder = Recorder(self.log, self.train, self.device, self._report, self.world.size)

    def _random(self) -> torch.Tensor:
        """State of the generator that dropout draws from."""
        return torch.cuda.get_rng_state() if self.device.type == "cuda" else torch.get_rng_state()

    def _set_random(self, state: torch.Tensor) -> None:
        torch.cuda.set_rng_state(state) if self.device.type == "cuda" else torch.set_rng_state(state)
