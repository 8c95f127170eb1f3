"""The catalogue of a retrieval task as tokens.

Shape suffixes: I items of the catalogue, V unique texts, T tokens, M chosen items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from tokenizers import Tokenizer
from torch import Tensor

from polymart.model.texts import clean_texts, longest_text, padded, padding_id, token_ids


@dataclass(frozen=True)
class Items:
    """The items of a catalogue; products share texts, so each unique text is tokenised and encoded once."""

    ids_I: np.ndarray
    text_index_I: np.ndarray
    """Which of the V unique texts belongs to each item."""
    texts_V: np.ndarray
    tokenizer: Tokenizer

    @classmethod
    def of(cls, table: pd.DataFrame, tokenizer: Tokenizer) -> Items:
        """The unique texts of an item table (see `polymart.data.items`).

        Args:
            table: the item table.
            tokenizer: with truncation and padding, as `fit_tokenizer` makes it.
        """
        index_I, unique = pd.factorize(clean_texts(table["text"], longest_text(tokenizer)))
        return cls(table["item_id"].to_numpy(), index_I.astype(np.int64), unique, tokenizer)

    @cached_property
    def tokens_V(self) -> Sequence[np.ndarray]:
        """Token ids of the unique texts; made when first asked for, since who has their vectors needs none."""
        return token_ids(self.texts_V, self.tokenizer)

    def __len__(self) -> int:
        return len(self.ids_I)

    def texts_of(self, items_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The unique texts of the given items, and which of them belongs to each item."""
        return np.unique(self.text_index_I[items_M], return_inverse=True)

    def padded(self, texts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Token ids and mask of the given unique texts, shape (texts, T)."""
        return padded([self.tokens_V[text] for text in texts], padding_id(self.tokenizer))
