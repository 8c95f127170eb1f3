"""What a worker does once, before it says that it is ready."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch

from polymart.model.predictor import Predictor
from serving.features import Features, NoFeatures, OnlineFeatures
from serving.scoring import Scorer

_log = logging.getLogger(__name__)


def load_scorer(checkpoint: Path, feature_store: str, max_threads: int) -> Scorer:
    """Verify and load the checkpoint, open the features and answer once, so that no customer pays for warming up.

    Args:
        checkpoint: folder written by `polymart.training.checkpoint.save_checkpoint`.
        feature_store: folder of the feature store; empty means that only text-only tasks are served.
        max_threads: most torch threads; fewer where the process may use fewer cores.

    Raises:
        CheckpointError: the checkpoint is torn or does not match its manifest.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(max_threads, len(os.sched_getaffinity(0)))))
    scorer = Scorer(Predictor.load(checkpoint), open_features(feature_store))
    if scorer.text_tasks:
        scorer.understand("warm up", 1)
    return scorer


def open_features(feature_store: str) -> Features:
    """The online features of a store folder, or a stand-in that refuses when none is named."""
    if not feature_store:
        _log.warning("POLYMART_FEATURE_STORE is not set: endpoints that need features answer 503")
        return NoFeatures()
    # A worker may be ready before its store is: the text-only tasks answer, the others say 503 until it comes.
    import feature_repo.online  # noqa: F401  (feast takes seconds to import; pay now, not in a request)

    return OnlineFeatures(Path(feature_store))
