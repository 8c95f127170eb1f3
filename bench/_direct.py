"""The service's scorer without its encoder thread: every request runs a pass of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polymart.model.predictor import Predictor
from polymart.model.texts import padded, padding_id
from serving.encoding import Vectors
from serving.encoding.batching import Read
from serving.encoding.packaged import encoder_folder, open_encoder
from serving.encoding.runtimes import TorchRuntime
from serving.features import NoFeatures
from serving.scoring import Scorer


class DirectVectors(Vectors):
    """Vectors by eager float32 passes in the caller's thread; nothing is kept, nobody waits for others."""

    def _coming(self, texts: Sequence[np.ndarray], read: Read) -> Callable[[], list[Any]]:
        places = {ids.tobytes(): ids for ids in texts}
        tokens, mask = padded(list(places.values()), padding_id(self.tokenizer_of(1)))
        results = dict(zip(places, read(self.runtime.encode(tokens.numpy(), mask.numpy())), strict=True))
        return lambda: [results[ids.tobytes()] for ids in texts]


def direct_scorer(checkpoint: Path) -> Scorer:
    """A scorer of the checkpoint in a bento, with the vectors of its documents as packaged."""
    predictor = Predictor.load(checkpoint)
    open_encoder(encoder_folder(checkpoint), predictor)
    vectors = DirectVectors(TorchRuntime(predictor.model.encoder), predictor.checkpoint.tokenizer)
    return Scorer(predictor, NoFeatures(), {None: vectors})
