"""Vectors of the shared encoder and the shared image tower, as a checkpoint gives them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from polymart.model.predictor import Predictor

BATCH = 64


class EncoderVectors:
    """See `monitoring.signals.vectors.Vectors`.

    Args:
        checkpoint: folder of the checkpoint; read when the first vector is asked for, since torch takes seconds.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._folder = checkpoint

    @cached_property
    def _predictor(self) -> Predictor:
        from polymart.model.predictor import Predictor

        return Predictor.load(self._folder)

    def knows(self, task: str) -> bool:
        """Whether the checkpoint has such a task."""
        return task in self._predictor.collators

    def texts(self, task: str, texts: list[str]) -> np.ndarray:
        """Vectors of texts as ``task`` reads them, shape (texts, D)."""
        import torch

        from polymart.model.encoding import encode_tokens
        from polymart.model.texts import clean_texts, longest_text, padding_id, token_ids

        predictor = self._predictor
        tokenizer, encoder = predictor.collators[task].tokenizer, predictor.model.encoder_of(task)
        tokens = token_ids(clean_texts(pd.Series(texts), longest_text(tokenizer)), tokenizer)
        with torch.inference_mode():
            vectors = encode_tokens(encoder, tokens, padding_id(tokenizer), predictor.device, BATCH)
        return vectors.numpy()

    def images(self, pictures: list[bytes]) -> np.ndarray:
        """Vectors of encoded pictures, shape (pictures, D).

        Raises:
            TableError: a picture cannot be read.
        """
        import torch

        from polymart.model.image import decode_images

        tower, size = self._predictor.model.image, self._predictor.checkpoint.suite.encoder.image_size
        assert tower is not None, "a task with pictures has a tower"
        with torch.inference_mode():
            parts = [
                tower(torch.from_numpy(decode_images(pictures[start : start + BATCH], size))).numpy()
                for start in range(0, len(pictures), BATCH)
            ]
        return np.concatenate(parts)
