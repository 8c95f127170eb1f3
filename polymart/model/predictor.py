"""Answers for rows of an example table, in evaluation and in serving alike.

Shape suffixes: B examples, O head outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from polymart.errors import ServingError
from polymart.model.inputs import Collator
from polymart.tasks import kind_of
from polymart.training.checkpoint import Checkpoint, load_checkpoint


class Predictor:
    """A checkpoint ready to answer; float32, no gradients."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.model = checkpoint.model.to(self.device).eval()
        self.collators = {
            task.name: Collator(task.inputs, checkpoint.tasks[task.name].statistics, checkpoint.tokenizer)
            for task in checkpoint.suite.tasks
        }

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu") -> Predictor:
        """Load and verify a checkpoint folder.

        Raises:
            CheckpointError: the checkpoint is torn or does not match its manifest.
        """
        return cls(load_checkpoint(folder), device)

    def columns(self, task: str) -> list[str]:
        """The input columns that rows of ``task`` must have.

        Raises:
            ServingError: no such task.
        """
        if task not in self.collators:
            raise ServingError(f"this release has no task {task!r}", remedy=f"use one of: {', '.join(self.collators)}")
        return self.collators[task].columns()

    def scores(
        self, task: str, frame: pd.DataFrame, batch_size: int = 64, advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Scores on their natural scale, float32 of shape (B, O), in the order of the rows.

        Args:
            task: a task of the checkpoint's suite.
            frame: rows with at least `columns`.
            batch_size: rows per forward pass; rows of similar length are batched together.
            advance: called with the number of rows done after each batch.

        Raises:
            ServingError: no such task.
            TableError: an input column is absent.
        """
        self.columns(task)
        config, state = self.checkpoint.suite.task(task), self.checkpoint.tasks[task]
        kind, collate = kind_of(config.kind), self.collators[task]
        scores_BO = np.zeros((len(frame), kind.num_outputs(state.labels)), np.float32)
        order = np.argsort(-collate.lengths(frame), kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                outputs_BO = self.model(task, collate(frame.iloc[chosen]).to(self.device))
                scores_BO[chosen] = kind.activate(outputs_BO.float()).cpu().numpy()
                if advance is not None:
                    advance(len(chosen))
        return scores_BO

    def answer(self, task: str, frame: pd.DataFrame, top: int = 10) -> list[dict[str, Any]]:
        """One JSON-ready answer per row; see `TaskKind.decode` of the task's kind."""
        scores_BO = self.scores(task, frame)
        kind = kind_of(self.checkpoint.suite.task(task).kind)
        return kind.decode(scores_BO, self.checkpoint.tasks[task].labels, top)
