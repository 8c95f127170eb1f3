"""What the precision of the service's runtime changes, held apart from what a mistake in its code would change.

The golden answers are made twice by the trainer's code: on the float32 vectors of the checkpoint, and on the vectors
of the runtime that the bento will choose on this machine. The two may differ by `MAX_DIFFERENCE`; the server must
give the second ones to four digits, since OpenVINO gives one text one vector, whatever is encoded beside it. torch's
kernels for bfloat16 do not: there the server, too, may differ by `MAX_DIFFERENCE`.

Shape suffixes: U texts, T tokens, D hidden size, K neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from polymart.config import Task
from polymart.errors import ReleaseError
from polymart.model.predictor import Predictor
from polymart.model.texts import clean_text, longest_text, padded, padding_id, token_ids
from serving.encoding.packaged import branches, encoder_folder
from serving.encoding.runtimes import Runtime, TorchRuntime, choose_runtime
from serving.features import Features
from serving.golden import Golden, difference, golden_requests

MAX_DIFFERENCE = 0.02
"""Of a score, relative where it is above 1 (units)."""
MIN_OVERLAP, NEIGHBOURS = 0.98, 10
"""Mean share of a text's nearest texts that must stay the same: what is found by vectors must not depend on bits."""
TEXTS, BATCH = 300, 32
"""Texts compared, and how many of them a pass holds."""


class RuntimeEncoder(nn.Module):
    """Stands where a model's encoder stood and asks a runtime."""

    def __init__(self, runtime: Runtime, width: int) -> None:
        super().__init__()
        self.runtime, self.width = runtime, width

    def forward(self, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        """Vectors, shape (U, D)."""
        return torch.from_numpy(self.runtime.encode(tokens_UT.numpy(), mask_UT.numpy()))


def golden_of_runtime(
    predictor: Predictor, packaged: Path, features: Features, examples: Path, count: int
) -> tuple[list[Golden], dict[str, Any]]:
    """Golden requests with the answers that follow from the runtime's vectors, and what its precision changes.

    Args:
        predictor: of the checkpoint as it was trained; afterwards its encoder is the runtime's.
        packaged: the bento's checkpoint folder, beside which the packaged encoder lies.
        features: what the service reads, too.
        examples: folder with ``<task>.parquet``.
        count: golden requests.

    Returns:
        The requests; and ``runtime``, ``invariant`` (whether a text's vector is the same beside any other texts),
        ``difference`` (largest of a score), ``overlap`` (of neighbours) and ``texts``.

    Raises:
        ReleaseError: see `serving.golden.golden_requests`; also a precision that changes more than it may.
    """
    trained = golden_requests(predictor, features, examples, count)
    texts = sample_columns(examples, predictor.checkpoint.suite.tasks)
    batches = batches_of(texts, predictor.checkpoint.tokenizer)
    model, overlap = predictor.model, 1.0
    for task in (*branches(predictor.checkpoint.suite), None):  # a view is there as long as what it shows
        encoder = model.encoder_of(task)
        expected_UD = _encoded(TorchRuntime(encoder), batches)
        runtime = choose_runtime(predictor, encoder_folder(packaged), torch.get_num_threads(), task)
        overlap = min(overlap, neighbour_overlap(_encoded(runtime, batches), expected_UD))
        model.use_encoder(RuntimeEncoder(runtime, encoder.width), task)
    golden = golden_requests(predictor, features, examples, count)
    moved = max(
        difference(one.expected[task], scores)
        for one, other in zip(golden, trained, strict=True)
        for task, scores in other.expected.items()
    )
    if not (moved <= MAX_DIFFERENCE and overlap >= MIN_OVERLAP):
        raise ReleaseError(
            f"{runtime.name} may change a score by {MAX_DIFFERENCE} and must keep {MIN_OVERLAP:.0%} of a text's "
            f"neighbours, found {moved:.3g} and {overlap:.1%}",
            remedy="serve this release with POLYMART_RUNTIME=torch-float32, or train it in bfloat16",
        )
    invariant = runtime.name != "torch-bfloat16"
    found = {"runtime": runtime.name, "invariant": invariant, "difference": moved, "overlap": overlap}
    return golden, found | {"texts": len(texts)}


def neighbour_overlap(found_UD: np.ndarray, expected_UD: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Mean share of each vector's ``k`` nearest others, by cosine, that both sides agree on; 1 for a single vector."""
    k = min(k, len(found_UD) - 1)
    if k < 1:
        return 1.0
    found_UK, expected_UK = _nearest(found_UD, k), _nearest(expected_UD, k)
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(found_UK, expected_UK, strict=True)]))


def sample_columns(examples: Path, tasks: Sequence[Task], count: int = TEXTS) -> list[str]:
    """About ``count`` distinct texts of the tasks' example tables, in equal parts; of absent tables none."""
    columns = [
        (examples / f"{task.name}.parquet", column)
        for task in tasks
        for column in (task.inputs.text, task.inputs.text_pair)
        if column and (examples / f"{task.name}.parquet").is_file()
    ]
    texts: dict[str, None] = {}
    for table, column in columns:
        found = pd.read_parquet(table, columns=[column])[column]
        texts |= dict.fromkeys(found.dropna().drop_duplicates().head(-(-count // len(columns))))
    return list(texts)


Batches = list[tuple[np.ndarray, np.ndarray]]
"""Token ids and mask of each batch, shape (U, T)."""


def batches_of(texts: list[str], tokenizer: Tokenizer) -> Batches:
    """Batches of texts of similar length, shortest first, for a tokenizer as `fit_tokenizer` makes it."""
    ids = token_ids([clean_text(text, longest_text(tokenizer)) for text in texts], tokenizer)
    ids.sort(key=len)
    parts = (padded(ids[start : start + BATCH], padding_id(tokenizer)) for start in range(0, len(ids), BATCH))
    return [(tokens.numpy(), mask.numpy()) for tokens, mask in parts]


def _nearest(vectors_UD: np.ndarray, k: int) -> np.ndarray:
    unit_UD = vectors_UD / np.linalg.norm(vectors_UD, axis=1, keepdims=True)
    cosine_UU = unit_UD @ unit_UD.T
    np.fill_diagonal(cosine_UU, -np.inf)
    return np.argsort(-cosine_UU, axis=1, kind="stable")[:, :k]


def _encoded(runtime: Runtime, batches: Batches) -> np.ndarray:
    return np.concatenate([runtime.encode(*batch) for batch in batches])
