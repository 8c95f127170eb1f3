"""Texts that come again while a table is scored: queries of many products, products of many queries.

Shape suffixes: U unique texts of a batch, T tokens, D text width.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polymart.model.batch import Batch

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder  # transformers take seconds and 150 MB, which a server can spare

REMEMBERED = 50_000
"""Vectors that are kept, 1.5 kB each at width 384; what comes later is encoded whenever it comes."""


class TextMemory:
    """The vectors of the texts of many batches, each encoded where it comes first.

    A text is known by its token ids. Its last digits depend on the batch in which it came first, so the same rows in
    the same order have the same vectors, but not the same rows in another order.
    """

    def __init__(self, encoder: TextEncoder, size: int = REMEMBERED) -> None:
        self.encoder, self.size = encoder, size
        self._known: dict[bytes, Tensor] = {}

    def __len__(self) -> int:
        return len(self._known)

    def encode(self, batch: Batch) -> Tensor | None:
        """Vectors of the batch's unique texts, shape (U, D); None where its task reads no text."""
        if batch.tokens_UT is None or batch.mask_UT is None:
            return None
        lengths = batch.mask_UT.sum(1).tolist()
        texts = [ids[:n].tobytes() for ids, n in zip(batch.tokens_UT.cpu().numpy(), lengths, strict=True)]
        vectors = {text: self._known[text] for text in texts if text in self._known}
        fresh = [i for i, text in enumerate(texts) if text not in vectors]
        if fresh:
            rows, longest = torch.tensor(fresh, device=batch.tokens_UT.device), max(lengths[i] for i in fresh)
            tokens_UT, mask_UT = (part[rows, :longest] for part in (batch.tokens_UT, batch.mask_UT))
            made = {texts[i]: vector for i, vector in zip(fresh, self.encoder(tokens_UT, mask_UT), strict=True)}
            vectors |= made
            self._known |= islice(made.items(), max(0, self.size - len(self._known)))
        return torch.stack([vectors[text] for text in texts])
