"""Answers for rows of an example table, in evaluation and in serving alike.

Shape suffixes: B examples, O head outputs, S scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polymart.errors import ServingError
from polymart.model.batch import Batch
from polymart.model.inputs import Collator
from polymart.model.item_index import ItemIndex
from polymart.model.items import Items
from polymart.model.text_memory import TextMemory
from polymart.model.texts import fit_tokenizer
from polymart.tasks import kind_of
from polymart.tasks.retrieval import ranked_answers
from polymart.training.checkpoint import Checkpoint, load_checkpoint


class Predictor:
    """A checkpoint ready to answer; float32, no gradients."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.model = checkpoint.model.to(self.device).eval()
        suite = checkpoint.suite
        # A tokenizer takes some 8 MB, and a suite has far fewer lengths than tasks.
        tokenizers = {n: fit_tokenizer(checkpoint.tokenizer, n) for n in {suite.max_tokens(t) for t in suite.tasks}}
        self.collators = {
            task.name: Collator(
                task.inputs,
                checkpoint.tasks[task.name].statistics,
                tokenizers[suite.max_tokens(task)],
                suite.encoder.image_size,
            )
            for task in suite.tasks
        }
        self.kinds = {
            task.name: kind_of(task.kind).bind(task, checkpoint.tasks[task.name].target)
            for task in checkpoint.suite.tasks
        }
        self.catalogues = {
            task.name: Items.of(checkpoint.items[task.items], self.collators[task.name].tokenizer)
            for task in checkpoint.suite.tasks
            if task.kind == "retrieval" and task.items
        }
        self._indexes: dict[str, ItemIndex] = {}

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu", *, encoder: bool = True) -> Predictor:
        """Load and verify a checkpoint folder.

        Args:
            folder: written by `polymart.training.checkpoint.save_checkpoint`.
            device: where the model goes.
            encoder: see `load_checkpoint`.

        Raises:
            CheckpointError: the checkpoint is torn or does not match its manifest.
        """
        checkpoint = load_checkpoint(folder, encoder=encoder)
        checkpoint.model.encoder.merge_adapter()  # nobody else holds the model that was just read
        return cls(checkpoint, device)

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
        """Scores on their natural scale, float32 of shape (B, S), in the order of the rows.

        Args:
            task: a task of the checkpoint's suite.
            frame: rows with at least `columns`.
            batch_size: rows per forward pass; rows of similar length are batched together, a text that comes again
                is encoded once.
            advance: called with the number of rows done after each batch.

        Raises:
            ServingError: no such task.
            TableError: an input column is absent.
        """
        self.columns(task)
        assert task not in self.catalogues, f"rank the items of {task} with top_items"
        kind, collate, labels = self.kinds[task], self.collators[task], self.checkpoint.tasks[task].labels
        scores_BS = np.zeros((len(frame), kind.num_scores(labels)), np.float32)
        memory = TextMemory(self.model.encoder_of(task))
        with torch.inference_mode():
            for chosen, batch in self._batches(collate, frame, batch_size, advance):
                outputs_BO = self.model(task, batch, memory.encode(batch))
                scores_BS[chosen] = kind.activate(outputs_BO.float()).cpu().numpy()
        return scores_BS

    def top_items(
        self,
        task: str,
        frame: pd.DataFrame,
        k: int,
        batch_size: int = 64,
        advance: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores of the best items of a retrieval task, best first, each of shape (B, min(k, items)).

        A score is the item's share of the softmax over the whole catalogue. The first call encodes the catalogue.

        Args:
            task: a retrieval task of the checkpoint's suite.
            frame: rows with at least `columns`.
            k: items wanted for each row.
            batch_size: rows per forward pass.
            advance: called with the number of rows done after each batch.

        Raises:
            ServingError: no such task, or its kind is not retrieval.
            TableError: an input column is absent.
        """
        self.columns(task)
        if task not in self.catalogues:
            raise ServingError(
                f"task {task!r} has no catalogue: its kind is {self.kinds[task].name!r}",
                remedy="ask it for scores",
            )
        with torch.inference_mode():
            index = self.index(task)
            ranked_BK = np.zeros((len(frame), min(k, len(index.items))), np.int64)
            scores_BK = np.zeros(ranked_BK.shape, np.float32)
            for chosen, batch in self._batches(self.collators[task], frame, batch_size, advance):
                ranked_BK[chosen], scores_BK[chosen] = index.top(batch, k)
        return ranked_BK, scores_BK

    def index(self, task: str) -> ItemIndex:
        """The item vectors of a retrieval task, encoded at the first call."""
        if task not in self._indexes:
            self._indexes[task] = ItemIndex(self.model, task, self.catalogues[task])
        return self._indexes[task]

    def use_item_vectors(self, task: str, vectors_VD: Tensor) -> None:
        """Take the item vectors of a retrieval task as they were kept, instead of encoding its catalogue."""
        self._indexes[task] = ItemIndex(self.model, task, self.catalogues[task], vectors_VD)

    def _batches(
        self, collate: Collator, frame: pd.DataFrame, batch_size: int, advance: Callable[[int], None] | None
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Row positions and batches of similar length, longest first."""
        order = np.argsort(-collate.lengths(frame), kind="stable")
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield chosen, collate(frame.iloc[chosen]).to(self.device)
            if advance is not None:
                advance(len(chosen))

    def answer(self, task: str, frame: pd.DataFrame, top: int = 10) -> list[dict[str, Any]]:
        """One JSON-ready answer per row; see `TaskKind.decode` of the task's kind."""
        if task in self.catalogues:
            return ranked_answers(*self.top_items(task, frame, top), self.catalogues[task].ids_I)
        return self.kinds[task].decode(self.scores(task, frame), self.checkpoint.tasks[task].labels, top)
