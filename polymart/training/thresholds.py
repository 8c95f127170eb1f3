"""The end of training: thresholds of tagging tasks, chosen on validation rows.

Shape suffixes: N validation rows, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from polymart.model.multitask import MultiTaskModel
from polymart.tasks.tagging import Tagging, best_thresholds
from polymart.training.checkpoint import Checkpoint
from polymart.training.data import TaskData

BATCH_SIZE = 64


def fit_thresholds(checkpoint: Checkpoint, val: Mapping[str, TaskData]) -> Checkpoint:
    """The checkpoint with the threshold of every label of its tagging tasks in ``TaskState.target``.

    The rows are scored in float32 as in serving, so that a threshold means the same there.
    """
    tasks = dict(checkpoint.tasks)
    for name, data in val.items():
        if isinstance(data.kind, Tagging):
            thresholds = best_thresholds(data.target.numpy(), _scores(checkpoint.model.eval(), data))
            target = data.learned.model_copy(update={"thresholds": thresholds})
            tasks[name] = tasks[name].model_copy(update={"target": target})
    return replace(checkpoint, tasks=tasks)


@torch.no_grad()
def _scores(model: MultiTaskModel, data: TaskData) -> np.ndarray:
    """Probabilities of the labels, shape (N, L)."""
    device = next(model.parameters()).device
    scores_NL = np.zeros(data.target.shape, np.float32)
    for rows in data.in_order(BATCH_SIZE):
        outputs_BL = model(data.task.name, data.take(rows)[0].to(device))
        scores_NL[rows] = data.kind.activate(outputs_BL.float()).cpu().numpy()
    return scores_NL
