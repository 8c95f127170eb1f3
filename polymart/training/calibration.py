"""The end of training: what is chosen on validation rows, temperatures of probabilities and thresholds of tags.

Shape suffixes: N validation rows, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from polymart.model.multitask import MultiTaskModel
from polymart.tasks.probability import Probabilistic, best_temperature
from polymart.tasks.tagging import Tagging, best_thresholds
from polymart.training.checkpoint import Checkpoint
from polymart.training.data import TaskData

BATCH_SIZE = 64


def calibrate(checkpoint: Checkpoint, val: Mapping[str, TaskData]) -> Checkpoint:
    """The checkpoint with temperatures, and with thresholds of tagging tasks, in ``TaskState.target``.

    The rows are scored in float32 as in serving, so that both mean the same there. Thresholds are chosen on
    probabilities that are scaled already.
    """
    tasks = dict(checkpoint.tasks)
    for name, data in val.items():
        if isinstance(data.kind, Probabilistic):
            outputs_NO = _outputs(checkpoint.model.eval(), data)
            temperature = best_temperature(data.kind, outputs_NO, data.target)
            target = data.learned.model_copy(update={"temperature": temperature})
            if isinstance(data.kind, Tagging):
                scores_NO = data.kind.bind(data.task, target).activate(outputs_NO).numpy()
                target = target.model_copy(update={"thresholds": best_thresholds(data.target.numpy(), scores_NO)})
            tasks[name] = tasks[name].model_copy(update={"target": target})
    return replace(checkpoint, tasks=tasks)


@torch.no_grad()
def _outputs(model: MultiTaskModel, data: TaskData) -> Tensor:
    """Logits, shape (N, O)."""
    device = next(model.parameters()).device
    outputs_NO = torch.zeros(len(data), data.kind.num_outputs(data.labels))
    for rows in data.in_order(BATCH_SIZE):
        outputs_NO[torch.from_numpy(rows)] = model(data.task.name, data.take(rows)[0].to(device)).float().cpu()
    return outputs_NO
