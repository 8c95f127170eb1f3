"""Every head that reads one text alone, on the vectors of many texts at once.

Shape suffixes: B examples (always 1), U texts, D hidden size, I documents, S scores, K best documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.predictor import Predictor
from polymart.tasks.retrieval import ranked_answers
from serving.contract.base import MAX_TOP
from serving.encoding.packaged import finds_documents


def is_text_only(task: Task) -> bool:
    """Whether ``task`` reads one text and nothing else, so that it can share the encoder pass of other such tasks."""
    others = task.inputs.model_dump(exclude={"text"}, exclude_defaults=True)
    return bool(task.inputs.text) and not (task.feature_service or others or task.kind == "retrieval")


def is_understood(task: Task) -> bool:
    """Whether ``/understand`` serves ``task``: it judges a text, or finds the documents that answer one."""
    return is_text_only(task) or finds_documents(task)


class TextHeads:
    """The heads of a release that `is_understood` names; `outputs` is what the encoder's thread reads from vectors.

    Attributes:
        tasks: their tasks.
        lengths: the lengths in tokens at which they read a text, ascending.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        suite = predictor.checkpoint.suite
        self.tasks = [task for task in suite.tasks if is_understood(task)]
        self.lengths = sorted({suite.max_tokens(task) for task in self.tasks})
        self._length_of = {task.name: self.lengths.index(suite.max_tokens(task)) for task in self.tasks}
        self._widths: dict[str, tuple[int, ...]] = {}
        """Columns of each task in what `outputs` returns; known from the first batch on."""

    def outputs(self, vectors_UD: np.ndarray) -> list[np.ndarray]:
        """What all heads say of each text, float32 of shape (sum of S and 2 K,).

        One after another the scores of each task, shape (S,), or of one that finds documents the positions and the
        scores of the best, shape (K,) each. One array a text: thousands are kept, and small objects would cost the
        garbage collector its time.
        """
        batch = Batch(size=len(vectors_UD), text_index_B=torch.arange(len(vectors_UD)))
        text_UD = torch.from_numpy(vectors_UD)
        with torch.inference_mode():
            found = {task.name: self._outputs(task, batch, text_UD) for task in self.tasks}
        self._widths = {name: tuple(part.shape[1] for part in parts) for name, parts in found.items()}
        joined = np.concatenate([part for parts in found.values() for part in parts], 1, dtype=np.float32)
        return [row.copy() for row in joined]  # a row that is kept must not keep its whole batch

    def _outputs(self, task: Task, batch: Batch, text_UD: Tensor) -> tuple[np.ndarray, ...]:
        predictor = self.predictor
        if finds_documents(task):
            return predictor.index(task.name).top(batch, MAX_TOP, text_UD)
        scores = predictor.kinds[task.name].activate(predictor.model(task.name, batch, text_UD).float())
        return (scores.numpy(),)

    def answers(self, outputs: Sequence[np.ndarray], top: int) -> dict[str, dict[str, Any]]:
        """The JSON-ready answer of every task to one text.

        Args:
            outputs: what `outputs` said of the text cut to each of `lengths`.
            top: most labels or documents of an answer, at most `serving.contract.base.MAX_TOP`.
        """
        found, start = {}, 0
        for task in self.tasks:
            parts = []
            for width in self._widths[task.name]:
                parts.append(outputs[self._length_of[task.name]][None, start : start + width])
                start += width
            found[task.name] = self._answer(task, parts, top)
        return found

    def _answer(self, task: Task, parts: Sequence[np.ndarray], top: int) -> dict[str, Any]:
        predictor = self.predictor
        if finds_documents(task):
            positions_BK, scores_BK = parts
            ids_I = predictor.index(task.name).items.ids_I
            return ranked_answers(positions_BK[:, :top].astype(np.int64), scores_BK[:, :top], ids_I)[0]
        return predictor.kinds[task.name].decode(parts[0], predictor.checkpoint.tasks[task.name].labels, top)[0]
