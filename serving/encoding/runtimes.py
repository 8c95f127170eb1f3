"""What runs the forward pass of the shared encoder.

Shape suffixes: U texts, T tokens, D hidden size.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from polymart.model.encoder import TextEncoder


class Runtime(Protocol):
    """One way through the encoder; called from one thread only."""

    name: str

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """Vectors of padded token ids, float32 of shape (U, D)."""


class TorchRuntime:
    """The encoder as it was trained, in plain float32 or with matrix products in bfloat16."""

    def __init__(self, encoder: TextEncoder, dtype: torch.dtype | None = None) -> None:
        self.name = "torch-float32" if dtype is None else "torch-bfloat16"
        self.encoder, self.dtype = encoder, dtype
        self.device = next(encoder.parameters()).device

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        """See `Runtime.encode`."""
        tokens, mask = torch.from_numpy(tokens_UT).to(self.device), torch.from_numpy(mask_UT).to(self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            vectors_UD: np.ndarray = self.encoder(tokens, mask).float().cpu().numpy()
        return vectors_UD
