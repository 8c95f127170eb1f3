"""Losses and metrics of the validation rows, and the one number that decides which step is best.

Shape suffixes: N validation rows, B rows of a batch, S scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from polymart.evaluation.metrics import METRICS
from polymart.model.multitask import MultiTaskModel
from polymart.training.data import TaskData
from polymart.training.world import World

BATCH_SIZE = 64
SOFTENING = 0.05
"""Added to every loss before its logarithm: a nearly solved task must not decide by the noise of tiny losses."""


@torch.no_grad()
def validate(
    model: MultiTaskModel,
    data: Mapping[str, TaskData],
    device: torch.device,
    dtype: torch.dtype | None,
    world: World,
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean unit-scaled loss of each task, and its metric where that is cheap and defined."""
    model.eval()
    losses, metrics = {}, {}
    for name, part in data.items():
        total, scores_NS = torch.zeros((), device=device), None
        for number, rows in enumerate(part.in_order(BATCH_SIZE)):
            mine, weight = part.share(rows, number, world)
            batch, target = part.take(mine, number)
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                outputs_BO = model(name, batch.to(device)).float()
            total += weight * part.kind.loss(outputs_BO, target.to(device)).sum()
            if part.task.kind != "retrieval":  # its batches hold candidates, not the whole catalogue
                scores_BS = weight * part.kind.activate(outputs_BO)
                scores_NS = scores_BS.new_zeros(len(part), scores_BS.shape[1]) if scores_NS is None else scores_NS
                scores_NS.index_add_(0, torch.from_numpy(mine).to(device), scores_BS)
        losses[name] = float(world.total(total)) / len(part)
        if scores_NS is not None:
            metrics[name] = _metric(part, world.total(scores_NS).cpu().numpy())
    model.train()
    return losses, {name: value for name, value in metrics.items() if math.isfinite(value)}


def _metric(part: TaskData, scores_NS: np.ndarray) -> float:
    label = part.kind.metric_label(part.frame, part.task, part.labels)
    return METRICS[part.task.metric].value(label, part.kind.metric_scores(scores_NS))


def validation_mean(losses: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted geometric mean of the tasks' losses, each plus `SOFTENING`: lower is better.

    One checkpoint serves all tasks, so one number must decide. A geometric mean counts relative changes: a task
    whose loss falls by a tenth counts the same whatever its scale, and one task that gets worse cannot outweigh all
    others by the size of its loss alone, as it could in an arithmetic mean.
    """
    total = sum(weights[name] * math.log(max(loss, 0.0) + SOFTENING) for name, loss in losses.items())
    return math.exp(total / sum(weights[name] for name in losses)) - SOFTENING
