"""Candidates of a retrieval batch: the positives of its rows, uniform negatives, and items of the rows' histories.

Shape suffixes: N examples of the split, B of the batch, P positives (padded), H history, I items, M candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.items import Items


@dataclass(frozen=True)
class Candidates:
    """Draws the items against which a batch's positives are scored.

    Positives of other rows come as often as they are popular, uniform negatives reach the tail (mixed negative
    sampling, Yang et al. 2020), and items met before are what a recommender confuses most. Each candidate's logit is
    corrected by -log of the chance pi that it was drawn (Bengio & Senecal 2008; Yi et al. 2019), which makes the
    sum of the softmax an unbiased estimate of the sum over the catalogue. A row's own positives are always there:
    pi = 1, and a positive drawn once more as a negative stays one candidate.
    """

    items: Items
    share_I: np.ndarray
    """Share of each item among the positives of the split."""
    num_uniform: int
    num_history: int

    @classmethod
    def of(cls, items: Items, target_NP: Tensor, task: Task) -> Candidates:
        """A sampler of ``task.negatives`` items beside the positives, half of them from histories if there are any."""
        counts_I = target_NP[target_NP >= 0].bincount(minlength=len(items)).numpy()
        from_history = task.negatives // 2 if task.inputs.label_history else 0
        uniform = min(task.negatives - from_history, len(items))
        return cls(items, counts_I / max(1, counts_I.sum()), uniform, from_history)

    def add_to(self, batch: Batch, target_BP: Tensor, draw: int) -> tuple[Batch, Tensor]:
        """The batch with candidates, and the weights of the positives that `Retrieval.loss` reads, shape (B, M).

        Args:
            batch: inputs of B examples.
            target_BP: item positions of the positives, padded.
            draw: number of the draw; the same number draws the same items.
        """
        generator = np.random.default_rng(draw)
        positives_BP = target_BP.numpy()
        history = self._history(batch)
        drawn = [positives_BP[positives_BP >= 0], generator.choice(len(self.items), self.num_uniform, replace=False)]
        if len(history):
            drawn.append(generator.choice(history, self.num_history))
        items_M = np.unique(np.concatenate(drawn))
        positive_BM = _positions_in(items_M, positives_BP)
        correction_BM = np.where(positive_BM, 0.0, -np.log(self._chance(items_M, positives_BP, history)))
        weight_BM = positive_BM / positive_BM.sum(1, keepdims=True).clip(min=1) / math.log(len(self.items))
        texts, index_M = self.items.texts_of(items_M)
        tokens_VT, mask_VT = self.items.padded(texts)
        with_candidates = replace(
            batch,
            items_M=torch.from_numpy(items_M),
            item_tokens_VT=tokens_VT,
            item_mask_VT=mask_VT,
            item_index_M=torch.from_numpy(index_M),
            item_correction_BM=torch.from_numpy(correction_BM.astype(np.float32)),
        )
        return with_candidates, torch.from_numpy(weight_BM.astype(np.float32))

    def _history(self, batch: Batch) -> np.ndarray:
        """Every item of every row's history; empty where the task has none."""
        if batch.history_ids_BP is None:
            return np.empty(0, np.int64)
        ids_BH = batch.history_ids_BP.numpy()
        return ids_BH[ids_BH < len(self.items)]

    def _chance(self, items_M: np.ndarray, positives_BP: np.ndarray, history: np.ndarray) -> np.ndarray:
        """Chance that a batch with this row holds each candidate, were it no positive of the row, shape (B, M)."""
        lengths_B = (positives_BP >= 0).sum(1)
        from_others_BM = (lengths_B.sum() - lengths_B)[:, None] * self.share_I[items_M]
        met, counts = np.unique(history, return_counts=True)
        share_M = np.zeros(len(items_M))
        share_M[np.isin(items_M, met)] = counts[np.isin(met, items_M)] / max(1, len(history))
        absent_BM = np.exp(-from_others_BM - self.num_history * share_M)
        return 1.0 - (1.0 - self.num_uniform / len(self.items)) * absent_BM


def _positions_in(items_M: np.ndarray, positives_BP: np.ndarray) -> np.ndarray:
    """Which candidates are positives of each row, bool of shape (B, M)."""
    positive_BM = np.zeros((len(positives_BP), len(items_M)), bool)
    row, column = np.nonzero(positives_BP >= 0)
    positive_BM[row, np.searchsorted(items_M, positives_BP[row, column])] = True
    return positive_BM
