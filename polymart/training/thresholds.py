"""The end of training: thresholds of tagging tasks, chosen on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polymart.model.predictor import Predictor
from polymart.tasks.tagging import Tagging, best_thresholds
from polymart.training.checkpoint import Checkpoint
from polymart.training.data import TaskData


def fit_thresholds(checkpoint: Checkpoint, val: Mapping[str, TaskData]) -> Checkpoint:
    """The checkpoint with the threshold of every label of its tagging tasks in `TaskState.target`.

    The rows are scored as they will be in serving, so that a threshold means the same there.
    """
    device = next(checkpoint.model.parameters()).device
    predictor, tasks = Predictor(checkpoint, device), dict(checkpoint.tasks)
    for name, data in val.items():
        if isinstance(data.kind, Tagging):
            thresholds = best_thresholds(data.target.numpy(), predictor.scores(name, data.frame))
            target = data.learned.model_copy(update={"thresholds": thresholds})
            tasks[name] = tasks[name].model_copy(update={"target": target})
    return replace(checkpoint, tasks=tasks)
