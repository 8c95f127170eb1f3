"""The gradients of one optimiser step: several homogeneous micro-batches, exact loss normalisation.

Shape suffixes: G micro-batches of the step, T tasks of the step that reach the trunk, P parameters of the trunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polymart.balancing.base import Balancer
from polymart.balancing.clipping import trunk_contribution
from polymart.balancing.conflict import conflict_cosines
from polymart.config import Training
from polymart.model.batch import Batch
from polymart.model.multitask import MultiTaskModel
from polymart.model.precision import autocast_dtype
from polymart.tasks.probability import LogitKind
from polymart.training.data import TaskData
from polymart.training.schedule import Draw, Plan
from polymart.training.trunk import Trunk
from polymart.training.world import World


@dataclass(frozen=True)
class Outcome:
    """What one step saw; tensors stay on the device until someone reads them."""

    losses: dict[str, Tensor]
    """Mean unit-scaled loss of each task over the examples of the step."""
    parts_G: Tensor
    """What each micro-batch adds to its task's loss."""
    diagnosis: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Where asked for: effective weight and trunk gradient norm of each task, conflict of each two."""

    def curves(self) -> dict[str, dict[str, Tensor]]:
        """The numbers by curve and task."""
        return {"loss": self.losses, **self.diagnosis}


class GradientStep:
    """Leaves the gradients of a plan on the model's parameters.

    Each task's loss is a sum over its examples divided by their count in the whole step, on all processes, not a
    mean of micro-batch means (which would overweight short micro-batches). A task drawn g times of G has the share
    g/G, so that the expected gradient is sum_t p_t w_t grad l_t.

    Several processes add their gradients up explicitly, once a step. DistributedDataParallel would reduce inside
    the last backward pass: too early for a task's trunk gradient to be clipped, projected or weighed by losses that
    are not known yet, and its buckets expect every head to take part. The sum of shares of globally normalised
    losses is exact, and plain code does the same for every balancing method.
    """

    def __init__(
        self, model: MultiTaskModel, balancer: Balancer, settings: Training, device: torch.device, world: World
    ) -> None:
        self.model, self.balancer, self.device, self.world = model, balancer, device, world
        self.limit = settings.balancing.trunk_clip
        self.dtype = autocast_dtype(settings.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.trunk = Trunk(model, world)

    def __call__(self, plan: Plan, data: Mapping[str, TaskData], diagnose: bool = False) -> Outcome:
        """Accumulate the gradients of ``plan``; ``diagnose`` asks for weights, norms and conflicts too."""
        apart = self.balancer.needs_gradients or self.balancer.needs_losses or self.limit is not None or diagnose
        tasks, counts = plan.of_task(), plan.examples()
        share = {name: len(draws) / len(plan.draws) for name, draws in tasks.items()}
        # The gradients of all tasks add up on the trunk, unless each one's is taken off before the next comes.
        known = {} if apart else self.balancer.coefficients({name: torch.tensor(torch.nan) for name in tasks})
        parts, rows = [], {}
        for name, draws in tasks.items():
            for draw in draws:
                loss = self.loss(draw, data[name]) / counts[name]
                self.scaler.scale(loss * (share[name] * known[name] if known else 1.0)).backward()
                parts.append(loss.detach())
            if apart and (gradient_P := self.trunk.take()) is not None:
                rows[name] = gradient_P
        parts_G = self.world.total(torch.stack(parts))
        losses = dict(zip(tasks, (p.sum() for p in parts_G.split([len(d) for d in tasks.values()])), strict=True))
        diagnosis = {}
        if apart:
            coefficients = self.balancer.coefficients(losses)
            diagnosis = self._combine(rows, {n: share[n] * coefficients[n].to(self.device) for n in tasks})
            diagnosis["weight"] = {n: plan.probabilities[n] * coefficients[n] for n in tasks}
        else:
            # FSDP2 has summed the shards of the trunk in the backward passes.
            self.world.total_gradients((self.model.heads if self.world.sharded else self.model).parameters())
        if (penalty := self.model.encoder.regulariser()) is not None:  # the same in every process
            self.scaler.scale(penalty).backward()
        return Outcome(losses, parts_G, diagnosis if diagnose else {})

    def loss(self, draw: Draw, data: TaskData) -> Tensor:
        """Sum of the unit-scaled losses of this process's share of a micro-batch.

        With ``consistency`` c of the task it is that of two passes z and w with dropout of their own:
        (loss(z) + loss(w)) / 2 + c disagreement(z, w).
        """
        batch, target = draw.batch.to(self.device), draw.target.to(self.device, non_blocking=True)
        outputs_BO, kind, consistency = self._outputs(draw.task, batch), data.kind, data.task.consistency
        loss_B = kind.loss(outputs_BO, target)
        if consistency and torch.is_grad_enabled():
            assert isinstance(kind, LogitKind)  # the suite saw to it
            again_BO = self._outputs(draw.task, batch)
            loss_B = (loss_B + kind.loss(again_BO, target)) / 2 + consistency * kind.disagreement(outputs_BO, again_BO)
        return draw.weight * loss_B.sum()

    def _outputs(self, task: str, batch: Batch) -> Tensor:
        """Raw outputs of a pass, float32."""
        with torch.autocast(self.device.type, self.dtype) if self.dtype else nullcontext():
            outputs_BO: Tensor = self.model(task, batch)
        return outputs_BO.float()

    @torch.no_grad()
    def losses(self, plan: Plan, data: Mapping[str, TaskData]) -> dict[str, Tensor]:
        """The losses of ``plan`` with the weights as they are now."""
        counts = plan.examples()
        totals = {
            name: torch.stack([self.loss(draw, data[name]) for draw in draws]).sum() / counts[name]
            for name, draws in plan.of_task().items()
        }
        return dict(zip(totals, self.world.total(torch.stack(list(totals.values()))), strict=True))

    def _combine(self, rows: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Weigh the gradients of heads and own layers; weigh, clip and aggregate those of the trunk."""
        for name, weight in weights.items():
            for parameter in self.model.own_parameters(name):
                if parameter.grad is not None:
                    parameter.grad.mul_(weight)
        self.world.total_gradients(p for name in self.model.heads for p in self.model.own_parameters(name))
        if not rows:
            return {}
        # Limits and norms are meant in units of the loss, not in those of mixed precision's scale.
        scale = self.scaler.scale(torch.ones((), device=self.device))
        gradients_TP = self.trunk.total(torch.stack(list(rows.values()))) / scale
        names, limit = list(rows), self.limit
        clipped = [trunk_contribution(g_P, weights[n], limit) for n, g_P in zip(names, gradients_TP, strict=True)]
        self.trunk.put(self.trunk.mine(self.balancer.aggregate(torch.stack([part_P for part_P, _ in clipped])) * scale))
        cosines_TT = conflict_cosines(gradients_TP)
        return {
            "gradient_norm": {name: norm for name, (_, norm) in zip(names, clipped, strict=True)},
            "conflict": {f"{names[i]}/{names[j]}": cosines_TT[i, j] for j in range(len(names)) for i in range(j)},
        }
