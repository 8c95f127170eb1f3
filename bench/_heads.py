"""Heads trained on the kept vectors of a frozen encoder: a candidate in seconds.

Shape suffixes: B rows of a batch, U distinct texts, D text width, N rows of a split.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from polymart.config import Suite
from polymart.evaluation.encodings import encode_texts
from polymart.evaluation.metrics import metric_of
from polymart.model.batch import Batch
from polymart.model.multitask import MultiTaskModel
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import Checkpoint
from polymart.training.data import TaskData
from polymart.training.material import Material, load_material


@dataclass(frozen=True)
class Rows:
    """One split of one task, ready for its head."""

    data: TaskData
    batch: Batch
    """All rows at once; the texts are vectors already."""
    text_UD: Tensor | None

    def take(self, rows: np.ndarray) -> Batch:
        """The rows at these positions."""
        index = torch.from_numpy(rows)
        parts = {f.name: getattr(self.batch, f.name) for f in fields(self.batch)}
        own = {name: part.index_select(0, index) for name, part in parts.items() if isinstance(part, Tensor)}
        return replace(self.batch, size=len(rows), **own)


class Workbench:
    """Everything of a suite's examples that the candidates share."""

    def __init__(self, examples: Path, encoder: Path, suite: Suite, vectors: Path) -> None:
        """Read the examples and encode their texts.

        Args:
            examples: folder with ``<task>.parquet`` and ``examples.json``.
            encoder: folder of the pretrained encoder, which stays frozen.
            suite: tasks without pictures, second texts and items.
            vectors: folder that keeps the vectors of texts.
        """
        self.examples, self.material = examples, load_material(examples, encoder, suite)
        self.suite = self.material.suite
        predictor = Predictor(self.checkpoint(self.material.fresh_model()))
        self.train = {name: _rows(predictor, data, vectors) for name, data in self.material.train.items()}
        self.val = {name: _rows(predictor, data, vectors) for name, data in self.material.val.items()}

    def checkpoint(self, model: MultiTaskModel) -> Checkpoint:
        """``model`` with all that belongs to it, not yet written."""
        material: Material = self.material
        return Checkpoint(model.eval(), material.tokenizer, material.suite, material.states, material.items)

    def trained(self, seed: int, shuffled: str = "") -> MultiTaskModel:
        """A model by the suite's recipe.

        Args:
            seed: of the heads' first weights, the order of the rows and dropout.
            shuffled: task whose head learns from shuffled labels.
        """
        torch.manual_seed(seed)
        model = self.material.fresh_model()
        for name, rows in self.train.items():
            order = np.random.default_rng(seed).permutation(len(rows.data)) if name == shuffled else None
            _fit(model, name, rows, self.suite, seed, order)
        return model.eval()

    @torch.inference_mode()
    def validated(self, model: MultiTaskModel, task: str) -> float:
        """The task's metric on its validation rows."""
        data, rows = self.val[task].data, self.val[task]
        scores = data.kind.activate(model.eval()(task, rows.batch, rows.text_UD).float()).numpy()
        label = data.kind.metric_label(data.frame, data.task, data.labels)
        return metric_of(data.task.metric, data.task.kind).value(label, data.kind.metric_scores(scores))


def _rows(predictor: Predictor, data: TaskData, vectors: Path) -> Rows:
    encoded = encode_texts(predictor, data.task.name, data.frame, vectors)
    batch = data.collate(data.frame)
    if encoded is None:
        return Rows(data, batch, None)
    rows = replace(batch, tokens_UT=None, mask_UT=None, text_index_B=torch.from_numpy(encoded.text_index_B))
    return Rows(data, rows, torch.from_numpy(encoded.vectors_UD))


def _fit(model: MultiTaskModel, name: str, rows: Rows, suite: Suite, seed: int, order: np.ndarray | None) -> None:
    """Train one head for ``training.max_steps`` steps, with a rate that falls to 0."""
    settings, kind, size = suite.training, rows.data.kind, rows.data.task.micro_batch
    head, target = model.head(name).train(), rows.data.target if order is None else rows.data.target[order]
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.head_learning_rate, weight_decay=settings.weight_decay, foreach=True
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.head_learning_rate, total_steps=settings.max_steps, pct_start=settings.warmup
    )
    draws = np.random.default_rng(seed)
    for _ in range(settings.max_steps):
        chosen = draws.choice(len(target), min(size, len(target)), replace=False)
        outputs_BO = model(name, rows.take(chosen), rows.text_UD)
        kind.loss(outputs_BO, target[torch.from_numpy(chosen)]).mean().backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), settings.clip_norm)
        optimizer.step()
        rates.step()
        optimizer.zero_grad(set_to_none=True)
    head.eval()
