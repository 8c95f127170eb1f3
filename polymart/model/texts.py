"""From texts of any origin to token ids and padded tensors; queries, products and items go the same way.

Shape suffixes: T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer

CHARACTERS_PER_TOKEN = 16
"""A text is cut to this many characters for each token that is read, before the tokenizer sees it."""


def fit_tokenizer(tokenizer: Tokenizer, max_tokens: int) -> Tokenizer:
    """A tokenizer of its own for this length, so that every room encodes a text alike."""
    own = Tokenizer.from_str(tokenizer.to_str())
    own.enable_truncation(max_length=max_tokens)
    own.enable_padding(pad_id=own.token_to_id("[PAD]") or 0)
    return own


def longest_text(tokenizer: Tokenizer) -> int:
    """Characters of a text that a tokenizer of `fit_tokenizer` can need."""
    assert tokenizer.truncation is not None, "see fit_tokenizer"
    return CHARACTERS_PER_TOKEN * tokenizer.truncation["max_length"]


def padding_id(tokenizer: Tokenizer) -> int:
    """The token that fills a text up to the longest of its batch."""
    assert tokenizer.padding is not None, "see fit_tokenizer"
    return int(tokenizer.padding["pad_id"])


def clean_texts(column: pd.Series, max_characters: int) -> np.ndarray:
    """Texts that any tokenizer takes: a missing one is empty, only the first ``max_characters`` are kept.

    The cut bounds the time that a text of a million characters costs. Half of a surrogate pair, which JSON can carry
    but UTF-8 cannot, becomes a question mark.
    """
    texts = ("" if missing else str(text) for text, missing in zip(column, column.isna(), strict=True))
    return np.array([clean_text(text, max_characters) for text in texts], object)


def clean_text(text: str, max_characters: int) -> str:
    """One text of `clean_texts`."""
    return text[:max_characters].encode(errors="replace").decode()


def token_ids(texts: Iterable[str], tokenizer: Tokenizer) -> list[np.ndarray]:
    """The token ids of each text, without padding."""
    encodings = tokenizer.encode_batch_fast(list(texts))
    return [np.array(e.ids, np.int64)[: sum(e.attention_mask)] for e in encodings]


def padded(ids: Sequence[np.ndarray], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask of several texts, shape (texts, T)."""
    lengths = np.array([len(text) for text in ids])
    mask = np.arange(max(lengths)) < lengths[:, None]
    tokens = np.full(mask.shape, pad, np.int64)
    tokens[mask] = np.concatenate(ids)
    return torch.from_numpy(tokens), torch.from_numpy(mask.astype(np.int64))
