"""Many texts through an encoder, each once.

Shape suffixes: U texts, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from polymart.model.texts import padded

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder


def encode_tokens(
    encoder: TextEncoder,
    tokens: Sequence[np.ndarray],
    pad: int,
    device: torch.device,
    batch_size: int = 128,
    advance: Callable[[int], None] | None = None,
) -> Tensor:
    """Vectors of texts, float32 of shape (U, D) on ``device``, in the order given.

    Texts of similar length are encoded together, the longest first, so that a lack of memory shows at once.

    Args:
        encoder: or what stands in its place.
        tokens: token ids of each text, without padding.
        pad: the tokenizer's padding id.
        device: where the encoder is.
        batch_size: texts of a pass.
        advance: called with the number of texts done after each pass.
    """
    vectors_UD = torch.empty(len(tokens), encoder.width, device=device)
    order = np.argsort([-len(ids) for ids in tokens], kind="stable")
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        tokens_UT, mask_UT = (part.to(device) for part in padded([tokens[text] for text in chosen], pad))
        vectors_UD[torch.from_numpy(chosen).to(device)] = encoder(tokens_UT, mask_UT).float()
        if advance is not None:
            advance(len(chosen))
    return vectors_UD
