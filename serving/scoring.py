"""From entity keys or text to answers: features, one encoder pass, heads.

Shape suffixes: B examples, U texts, S scores, D hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch

from polymart.model.predictor import Predictor
from serving.encoding import Vectors
from serving.encoding.packaged import branches
from serving.encoding.runtimes import TorchRuntime
from serving.features import Features
from serving.refusals import UnknownTaskError
from serving.texts import TextHeads, all_text_heads

RECOMMEND, ADS, DEMAND = "next_category", "coupon_response", "demand"
"""The task behind each endpoint that reads features."""


class Scorer:
    """Answers the service's questions from a `Predictor` and the online features.

    Args:
        predictor: of the release.
        features: the online features.
        vectors: by task with layers of its own, and of the shared encoder as None; what is absent is encoded by torch.
        texts: `serving.texts.all_text_heads` of the predictor, where they were made already.
    """

    def __init__(
        self,
        predictor: Predictor,
        features: Features,
        vectors: Mapping[str | None, Vectors] = MappingProxyType({}),
        texts: Sequence[TextHeads] = (),
    ) -> None:
        self.predictor = predictor
        self.features = features
        suite = predictor.checkpoint.suite
        self.tasks = {task.name: task for task in suite.tasks}
        self.vectors = {
            branch: vectors[branch]
            if branch in vectors
            else Vectors(TorchRuntime(predictor.model.encoder_of(branch)), predictor.checkpoint.tokenizer)
            for branch in (None, *branches(suite))
        }
        self.texts = [heads for heads in texts or all_text_heads(predictor) if heads.tasks]

    @property
    def digest(self) -> str:
        """Digest of the checkpoint that answers."""
        return self.predictor.checkpoint.digest

    def vectors_of(self, task: str) -> Vectors:
        """The encoder as ``task`` reads texts."""
        return self.vectors[task if task in self.vectors else None]

    def demand(self, category_id: int, store_id: int) -> dict[str, float]:
        """Units of the coming week by quantile name.

        Raises:
            UnknownTaskError, UnknownEntityError, FeaturesUnavailableError: see `rows`.
        """
        frame = self.rows(DEMAND, [{"category_id": category_id, "store_id": store_id}])
        return self.answer(DEMAND, frame)[0]

    def understand(self, text: str, top: int) -> dict[str, dict[str, Any]]:
        """The answer of every text-only task to ``text``, documents included, from one pass through the encoder.

        Tasks that read more of a text than others get a vector of its longer part, from the same pass; a task with
        layers of its own has a pass of its own.

        Raises:
            UnknownTaskError: the release has no text-only task.
            OverloadedError: too many texts wait for the encoder.
        """
        if not self.texts:
            raise self.absent("understands text")
        found: dict[str, dict[str, Any]] = {}
        for heads in self.texts:
            vectors = self.vectors_of(heads.tasks[0].name)
            found |= heads.answers(vectors.read(text, heads.lengths, heads.outputs), top)
        return {task: found[task] for task in self.tasks if task in found}

    def scores(self, task: str, frame: pd.DataFrame) -> np.ndarray:
        """Scores of one head on their natural scale, float32 of shape (B, S), in the order of the rows.

        The head runs in the caller's thread, the texts go through `Vectors`.

        Args:
            task: a task of the release that is no retrieval task.
            frame: rows with at least the columns that `Predictor.columns` names.

        Raises:
            OverloadedError: too many texts wait for the encoder.
        """
        batch = self.predictor.collators[task](frame)
        text_UD = self.vectors_of(task).of_batch(batch)
        with torch.inference_mode():
            return self.predictor.kinds[task].activate(self.predictor.model(task, batch, text_UD).float()).numpy()

    def answer(self, task: str, frame: pd.DataFrame, top: int = 10) -> list[dict[str, Any]]:
        """One JSON-ready answer per row; see `TaskKind.decode` of the task's kind.

        Raises:
            OverloadedError: too many texts wait for the encoder.
        """
        return self.predictor.kinds[task].decode(
            self.scores(task, frame), self.predictor.checkpoint.tasks[task].labels, top
        )

    def rows(self, task: str, entity_rows: list[dict[str, int]]) -> pd.DataFrame:
        """The online features of ``entity_rows`` as rows of the task's example table.

        Raises:
            UnknownTaskError: the release has no such task.
            UnknownEntityError: the store knows nothing of a row's keys.
            FeaturesUnavailableError: the store is missing or does not answer.
        """
        if task not in self.tasks:
            raise self.absent(f"is called {task!r}")
        service = self.tasks[task].feature_service or task
        rows = self.features.read(service, entity_rows)
        return pd.DataFrame([{**keys, **row} for keys, row in zip(entity_rows, rows, strict=True)])

    def absent(self, rule: str) -> UnknownTaskError:
        """The refusal of what no head of this release answers; ``rule`` says what such a task would do."""
        return UnknownTaskError(f"no task of this release {rule}", remedy=f"this release has: {', '.join(self.tasks)}")
