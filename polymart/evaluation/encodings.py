"""The vectors of a task's texts, encoded once by a trunk and read from disk by whatever asks again.

Shape suffixes: U distinct texts, B rows, D text width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from polymart.files import atomic_path, canonical_json, digest_text
from polymart.model.encoder import TextEncoder
from polymart.model.encoding import encode_tokens
from polymart.model.inputs import Collator
from polymart.model.predictor import Predictor
from polymart.model.texts import padding_id
from polymart.version import library_version

BATCH_SIZE = 64


@dataclass(frozen=True)
class Encodings:
    """Vectors of the distinct texts of B rows; `MultiTaskModel.forward` takes them as ``text_UD``."""

    vectors_UD: np.ndarray
    """float32; mapped from the file where a folder keeps it, and read only as far as it is asked for."""
    text_index_B: np.ndarray
    """Which of the U texts belongs to each row."""
    pair_index_B: np.ndarray | None
    """Which of the U texts is each row's second text; None where the task has one text."""


def encode_texts(
    predictor: Predictor,
    task: str,
    frame: pd.DataFrame,
    folder: Path | None = None,
    advance: Callable[[int], None] | None = None,
) -> Encodings | None:
    """Encode each distinct text of ``frame`` once; None where the task reads no text.

    Args:
        predictor: its trunk encodes.
        task: a task of the predictor.
        frame: rows with the task's text columns.
        folder: keeps the vectors as ``<digest>.npy``, for every trunk and every set of texts; None keeps nothing.
        advance: called with the number of texts done after each batch.
    """
    collate = predictor.collators[task]
    if not collate.inputs.text:
        return None
    index, unique = pd.factorize(collate.all_texts(frame))
    rows = index.reshape(-1, len(frame))
    kept = folder / f"{_key(predictor.model.encoder_of(task), collate, unique)}.npy" if folder else None
    if kept is not None and not kept.is_file():
        with atomic_path(kept) as path, open(path, "wb") as handle:  # np.save would add a suffix to a name
            np.save(handle, _encode(predictor, task, unique, advance))
    vectors_UD = np.load(kept, mmap_mode="c") if kept else _encode(predictor, task, unique, advance)
    return Encodings(vectors_UD, rows[0], rows[1] if len(rows) > 1 else None)


@torch.inference_mode()
def _encode(predictor: Predictor, task: str, unique: np.ndarray, advance: Callable[[int], None] | None) -> np.ndarray:
    encoder, collate = predictor.model.encoder_of(task), predictor.collators[task]
    tokens, pad = collate.tokenised(unique), padding_id(collate.tokenizer)
    return encode_tokens(encoder, tokens, pad, predictor.device, BATCH_SIZE, advance).cpu().numpy()


def _key(encoder: TextEncoder, collate: Collator, unique: np.ndarray) -> str:
    """All that the vectors depend on: weights, tokens, texts in their order, and the code."""
    weights = hashlib.sha256()
    for name, tensor in encoder.state_dict().items():
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    parts = [weights.hexdigest(), collate.tokenizer.to_str(), list(unique), library_version("model")]
    return digest_text(canonical_json(parts)).removeprefix("sha256:")
