"""One optimiser step: several homogeneous micro-batches, exact loss normalisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from polymart.balancing.static import StaticWeights
from polymart.config import Training
from polymart.errors import TrainingError
from polymart.model.multitask import MultiTaskModel
from polymart.tasks import kind_of
from polymart.training.data import TaskData


def step_losses(
    model: MultiTaskModel,
    data: Mapping[str, TaskData],
    streams: Mapping[str, Iterator[np.ndarray]],
    schedule: list[str],
    balance: StaticWeights,
    device: torch.device,
    dtype: torch.dtype | None,
) -> dict[str, Tensor]:
    """Accumulate the gradients of one step and return each task's mean loss (detached).

    Each task's loss is a sum over its examples divided by their count in the whole step, not a mean of
    micro-batch means (which would overweight short micro-batches). A task drawn g times of G has the share g/G,
    so that the expected gradient is sum_t p_t w_t grad l_t.
    """
    drawn = [(name, next(streams[name])) for name in schedule]
    examples: Counter[str] = Counter()
    draws = Counter(schedule)
    for name, rows in drawn:
        examples[name] += len(rows)
    totals: dict[str, Tensor] = {}
    for name, rows in drawn:
        batch, target = data[name].take(rows)
        with torch.autocast(device.type, dtype) if dtype else nullcontext():
            outputs_BO = model(name, batch.to(device))
        loss = kind_of(data[name].task.kind).loss(outputs_BO.float(), target.to(device)).sum() / examples[name]
        (balance.combine({name: loss}) * (draws[name] / len(schedule))).backward()
        totals[name] = totals.get(name, 0.0) + loss.detach()
    return totals


def check_finite(losses: Mapping[str, Tensor | float], step: int) -> dict[str, float]:
    """The losses as numbers.

    Raises:
        TrainingError: a loss is NaN or infinite; names the task and the step.
    """
    values = {name: float(loss) for name, loss in losses.items()}
    for name, value in values.items():
        if not np.isfinite(value):
            raise TrainingError(
                f"loss of task {name!r} became {value} at step {step}",
                remedy="lower training.learning_rate, or look for broken inputs of that task",
            )
    return values


def build_optimizer(model: MultiTaskModel, training: Training, device: torch.device) -> torch.optim.AdamW:
    """AdamW with one rate for the encoder and one for heads; no decay on biases and norms."""
    groups = []
    for module, rate in ((model.encoder, training.learning_rate), (model.heads, training.head_learning_rate)):
        parameters = [p for p in module.parameters() if p.requires_grad]
        for wanted, decay in ((True, training.weight_decay), (False, 0.0)):
            chosen = [p for p in parameters if (p.ndim > 1) == wanted]
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=device.type in ("cpu", "cuda"))


def warmup_cosine(training: Training) -> Callable[[int], float]:
    """Factor of the peak rate at a step: linear warm-up, then a cosine to 0."""
    rising = max(1, round(training.warmup * training.max_steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        progress = (step - rising) / max(1, training.max_steps - rising)
        return 0.5 * (1 + float(np.cos(np.pi * min(1.0, progress))))

    return factor


def clip(model: nn.Module, norm: float) -> Tensor:
    """Clip the global gradient norm; returns the norm before clipping."""
    return nn.utils.clip_grad_norm_((p for p in model.parameters() if p.grad is not None), norm, foreach=True)
