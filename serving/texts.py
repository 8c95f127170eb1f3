"""Every head that reads one text alone, on the vectors of many texts at once.

Shape suffixes: B examples (always 1), U texts, D hidden size, I documents, S scores, K best documents.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.predictor import Predictor
from polymart.tasks.retrieval import ranked_answers
from serving.contract.base import MAX_TOP
from serving.encoding.packaged import branches, finds_documents

_log = logging.getLogger(__name__)


def is_text_only(task: Task) -> bool:
    """Whether ``task`` reads one text and nothing else, so that it can share the encoder pass of other such tasks."""
    others = task.inputs.model_dump(exclude={"text"}, exclude_defaults=True)
    return bool(task.inputs.text) and not (task.feature_service or others or task.kind == "retrieval")


def is_understood(task: Task) -> bool:
    """Whether ``/understand`` serves ``task``: it judges a text, or finds the documents that answer one."""
    return is_text_only(task) or finds_documents(task)


def all_text_heads(predictor: Predictor) -> list[TextHeads]:
    """One for the tasks that share every layer, one for each task with layers of its own; those without heads too."""
    return [TextHeads(predictor, branch) for branch in (None, *branches(predictor.checkpoint.suite))]


class TextHeads:
    """The heads of a release that `is_understood` names; `outputs` is what a thread of the encoder reads from vectors.

    Heads that read the same vectors belong together: those of all tasks that share every layer, or that of one task
    with layers of its own.

    Args:
        predictor: of the release.
        branch: the task with layers of its own; None takes all others.

    Attributes:
        tasks: their tasks.
        lengths: the lengths in tokens at which they read a text, ascending.
    """

    def __init__(self, predictor: Predictor, branch: str | None = None) -> None:
        self.predictor = predictor
        suite = predictor.checkpoint.suite
        chosen = [task for task in suite.tasks if (task.name if task.own_layers else None) == branch]
        self.tasks = [task for task in chosen if is_understood(task)]
        self.lengths = sorted({suite.max_tokens(task) for task in self.tasks})
        self._length_of = {task.name: self.lengths.index(suite.max_tokens(task)) for task in self.tasks}
        self._columns: dict[str, list[slice]] = {}
        """Of each task in what `outputs` returns; known with `_joined`."""

    def outputs(self, vectors_UD: np.ndarray) -> list[np.ndarray]:
        """What all heads say of each text, float32 of shape (sum of S and 2 K,).

        One after another the scores of each task, shape (S,), or of one that finds documents the positions and the
        scores of the best, shape (K,) each; positions are exact up to 16 million documents. One array a text:
        thousands are kept, and small objects would cost the garbage collector its time.
        """
        with torch.inference_mode():
            joined = self._joined(torch.from_numpy(vectors_UD)).numpy()
        return [row.copy() for row in joined]  # a row that is kept must not keep its whole batch

    def warm_up(self) -> None:
        """Answer a few times: a traced program is made fast while it runs for the first times."""
        if self.tasks:
            for texts in (1, 8) * 2:
                self.outputs(np.ones((texts, self.predictor.model.encoder.width), np.float32))

    @cached_property
    def _joined(self) -> Callable[[Tensor], Tensor]:
        """All heads as one program, which answers in a third of the time that their modules take one by one."""
        width = self.predictor.model.encoder.width
        heads = _Heads(self.predictor, self.tasks).eval()
        # not inference mode, whose tensors cannot be a program's constants
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch.jit will go some day: then the modules run as they are
            sizes = [[part.shape[1] for part in parts] for parts in heads.parts(torch.ones(2, width))]
            ends = np.cumsum([size for task in sizes for size in task]).tolist()
            columns = iter([slice(start, end) for start, end in pairwise([0, *ends])])
            self._columns = {
                task.name: [next(columns) for _ in found] for task, found in zip(self.tasks, sizes, strict=True)
            }
            try:
                # torch's own check imports DTensor and sympy, a second and more; ours, below, needs neither
                program = torch.jit.trace(heads, torch.ones(2, width), check_trace=False)
                traced = torch.jit.freeze(program.eval())
                several = torch.arange(3.0 * width).reshape(3, width).sin()
                if traced(several).allclose(heads(several), atol=1e-5):
                    return cast("Callable[[Tensor], Tensor]", traced)
                _log.warning("the heads' traced program strays from them, so they run as they are")
            except RuntimeError as error:  # whatever cannot be traced can still be run
                reason = str(error).partition("\n")[0]  # a tracer prints whole tensors
                _log.warning("the heads cannot be traced, so they run as they are: %s", reason)
            return heads

    def answers(self, outputs: Sequence[np.ndarray], top: int) -> dict[str, dict[str, Any]]:
        """The JSON-ready answer of every task to one text.

        Args:
            outputs: what `outputs` said of the text cut to each of `lengths`.
            top: most labels or documents of an answer, at most `serving.contract.base.MAX_TOP`.
        """
        found = {}
        for task in self.tasks:
            row = outputs[self._length_of[task.name]]
            found[task.name] = self._answer(task, [row[None, columns] for columns in self._columns[task.name]], top)
        return found

    def _answer(self, task: Task, parts: Sequence[np.ndarray], top: int) -> dict[str, Any]:
        predictor = self.predictor
        if finds_documents(task):
            positions_BK, scores_BK = parts
            ids_I = predictor.index(task.name).items.ids_I
            return ranked_answers(positions_BK[:, :top].astype(np.int64), scores_BK[:, :top], ids_I)[0]
        return predictor.kinds[task.name].decode(parts[0], predictor.checkpoint.tasks[task.name].labels, top)[0]


class _Heads(nn.Module):
    """From vectors, shape (U, D), to what all heads say of them, float32 of shape (U, sum of S and 2 K)."""

    def __init__(self, predictor: Predictor, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.predictor, self.tasks = predictor, tasks
        self.model = predictor.model  # a tracer takes weights from modules that it knows

    def forward(self, vectors_UD: Tensor) -> Tensor:
        return torch.cat([part.float() for parts in self.parts(vectors_UD) for part in parts], 1)

    def parts(self, vectors_UD: Tensor) -> list[tuple[Tensor, ...]]:
        """One by one: of a task that finds documents the positions and the scores, of others the scores."""
        predictor = self.predictor
        # the index as an operation, for in a trace a number of texts would be a constant
        batch = Batch(size=len(vectors_UD), text_index_B=torch.arange(vectors_UD.shape[0]))
        found: list[tuple[Tensor, ...]] = []
        for task in self.tasks:
            if finds_documents(task):
                found.append(predictor.index(task.name).top_tensors(batch, MAX_TOP, vectors_UD))
            else:
                outputs = predictor.model(task.name, batch, vectors_UD).float()
                found.append((predictor.kinds[task.name].activate(outputs),))
        return found
