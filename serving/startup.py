"""What a worker does once, before it says that it is ready."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from polymart.model.predictor import Predictor
from serving.encoding import Vectors
from serving.encoding.packaged import branches, encoder_folder, open_encoder
from serving.encoding.runtimes import TorchRuntime, choose_runtime, runtime_name
from serving.features import Features, NoFeatures, OnlineFeatures
from serving.scoring import Scorer
from serving.signed import require_signed_release
from serving.texts import all_text_heads

_log = logging.getLogger(__name__)


def load_scorer(checkpoint: Path, feature_store: str, max_threads: int) -> Scorer:
    """Verify and load the release, open the features and answer once, so that no customer pays for warming up.

    Args:
        checkpoint: folder written by `polymart.training.checkpoint.save_checkpoint`; the packaged encoder beside it
            is used where there is one.
        feature_store: folder of the feature store; empty means that only tasks without features are served.
        max_threads: most threads of one encoder pass; fewer where the process may use fewer cores. OMP_NUM_THREADS
            goes before both.

    Raises:
        CheckpointError: the checkpoint is torn or does not match its manifest.
        ReleaseError: the packaged encoder belongs to another checkpoint, or is torn; or a signed release is asked
            for, and this is none.
        SettingError: POLYMART_RUNTIME names no runtime of this release.
    """
    threads = int(os.environ.get("OMP_NUM_THREADS") or min(max_threads, len(os.sched_getaffinity(0))))
    packaged = encoder_folder(checkpoint)
    # OpenVINO holds the weights itself: a second copy, and the library for it, would be a quarter of a gigabyte.
    predictor = Predictor.load(checkpoint, encoder=runtime_name(packaged).startswith("torch"))
    require_signed_release(predictor.checkpoint.digest)
    open_encoder(packaged, predictor)
    suite, texts = predictor.checkpoint.suite, all_text_heads(predictor)
    runtimes = {task: choose_runtime(predictor, packaged, threads, task) for task in (None, *branches(suite))}
    # Heads are small and run in many threads at once: more threads for each would only get in their way.
    torch.set_num_threads(threads if isinstance(runtimes[None], TorchRuntime) else 1)
    _log.info("the encoder runs on %s", runtimes[None].name)
    with ThreadPoolExecutor(1) as pool:  # the one computes, the other mostly imports: side by side they save a second
        longest = max(suite.max_tokens(task) for task in suite.tasks)
        warm = [pool.submit(runtime.warm_up, longest) for runtime in runtimes.values()]
        warm += [pool.submit(heads.warm_up) for heads in texts]
        features = open_features(feature_store)
        for done in warm:
            done.result()
    vectors = {task: Vectors(runtime, predictor.checkpoint.tokenizer) for task, runtime in runtimes.items()}
    scorer = Scorer(predictor, features, vectors, texts)
    if scorer.texts:
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
