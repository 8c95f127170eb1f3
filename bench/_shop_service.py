"""The bento of a checkpoint of suites/shop.yaml, with an online store of the shop's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench._examples import examples_of
from bench.quality import SHOP
from feature_repo.retrieval import apply, materialize
from polymart.config import Settings, Suite, load_suite
from polymart.files import atomic_folder, digest_text
from polymart.training.checkpoint import verify_checkpoint
from polymart.training.loop import train_suite
from polymart.version import code_version
from serving.packaging import build_bento


@dataclass(frozen=True)
class ShopService:
    """What a server of the shop needs, and what it was made from."""

    bento: Path
    store: Path
    suite: Suite
    examples: Path


def shop_service(checkpoint: Path) -> ShopService:
    """The bento and the materialised online store, kept under ``<work>/bench`` for this checkpoint and this code."""
    suite = Suite.from_json((checkpoint / "suite.json").read_text())
    examples, _ = examples_of(suite)
    key = digest_text(f"{verify_checkpoint(checkpoint)} {examples} {code_version()}").removeprefix("sha256:")[:12]
    folder = Settings().work_dir / "bench" / f"served-{key}"
    if not folder.is_dir():
        with atomic_folder(folder) as temporary:
            build_bento(checkpoint, temporary / "bento")
    # a store's registry holds where its tables lie: it cannot be moved into place
    if not (folder / "store" / "done").is_file():
        apply(examples.parent / "tables", folder / "store")
        materialize(folder / "store")
        (folder / "store" / "done").touch()
    return ShopService(folder / "bento", folder / "store", suite, examples)


def one_step(out: Path, tasks: tuple[str, ...]) -> Path:
    """A checkpoint of some of the shop's tasks that knows next to nothing, which costs the service the same."""
    shop = load_suite(SHOP)
    training = shop.training.model_copy(update={"max_steps": 1, "evaluate_every": 1})
    suite = shop.model_copy(update={"tasks": [task for task in shop.tasks if task.name in tasks], "training": training})
    examples, encoder = examples_of(suite)
    train_suite(examples, encoder, suite, out)
    return out
