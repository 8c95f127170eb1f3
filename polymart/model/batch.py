"""Tensors of one homogeneous batch: every example belongs to the same task.

Shape suffixes: U unique texts, T tokens, B examples, N numeric features, K categorical features,
L labels, H history features, P padded history length, C colour channels, H W pixels,
M candidate items, V unique texts of candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs of B examples of one task; an absent input is None."""

    size: int
    tokens_UT: Tensor | None = None
    """Token ids of the *unique* texts, padded with the tokenizer's padding id."""
    mask_UT: Tensor | None = None
    text_index_B: Tensor | None = None
    """Which of the U texts belongs to each example."""
    pair_index_B: Tensor | None = None
    """Which of the U texts is each example's second text."""
    image_BCHW: Tensor | None = None
    """Pictures, float32 in 0..1; normalised by the image tower."""
    numeric_BN: Tensor | None = None
    """Standardised numeric features; a missing value is 0 (the median) with its flag in ``missing_BN``."""
    missing_BN: Tensor | None = None
    categorical_BK: Tensor | None = None
    history_ids_BP: Tensor | None = None
    """Label indices seen before, padded with L (one past the last label)."""
    history_BPH: Tensor | None = None
    history_count_BP: Tensor | None = None
    baseline_B: Tensor | None = None
    """log1p of a forecast that the head corrects."""
    items_M: Tensor | None = None
    """Positions of the items to be scored, ascending (retrieval tasks, in training)."""
    item_tokens_VT: Tensor | None = None
    """Token ids of the unique texts of those items."""
    item_mask_VT: Tensor | None = None
    item_index_M: Tensor | None = None
    """Which of the V texts belongs to each candidate."""
    item_correction_BM: Tensor | None = None
    """-log of the chance that a candidate was drawn; 0 for the row's own positives."""

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on ``device``."""
        tensors = {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        moved: dict[str, Any] = {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
        return replace(self, **moved)
