"""Releases made from small, made-up parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from polymart.config import load_suite
from polymart.evaluation.records import GateResult, Outcome, Verdict
from polymart.files import digest_text
from polymart.gates import parse_override
from polymart.release.manifest import ReleaseManifest, build_manifest

ROOT = Path(__file__).parents[2]
SUITE = load_suite(ROOT / "suites/quick.yaml")
RULE = "lower bound of roc_auc - floor > -0"


def verdict(overall: Outcome = "pass", number: float = 0.123) -> Verdict:
    """The content of ``verdict.json`` with one gate."""
    gate = GateResult(gate="floor", task="coupon_response", outcome=overall, number=number, rule=RULE)
    return Verdict(overall=overall, gates=[gate])


def parts(**changes: Any) -> dict[str, Any]:
    """Arguments of `build_manifest`, changed as asked; ``override`` is the verdict's."""
    override = parse_override(changes.pop("override", ""))
    made = {
        "suite": SUITE, "data_version": "tables-1", "code_version": "abc123",
        "checkpoint_digest": digest_text("checkpoint"), "bento_tag": "shop:1", "bento_digest": digest_text("bento"),
        "verdict": verdict(), "created_at": datetime(2026, 11, 22, tzinfo=UTC),
    } | changes  # fmt: skip
    return made | {"verdict": made["verdict"].model_copy(update={"override": override})}


@pytest.fixture(scope="session")
def make_parts() -> Callable[..., dict[str, Any]]:
    return parts


@pytest.fixture(scope="session")
def make_verdict() -> Callable[..., Verdict]:
    return verdict


@pytest.fixture(scope="session")
def release() -> Callable[[str], ReleaseManifest]:
    """Make a release that differs from others by its checkpoint."""
    return lambda name: build_manifest(**parts(checkpoint_digest=digest_text(name)))


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """Where a deployment repository is going to be; a space and an accent must not matter."""
    return str(tmp_path / "dépôt de test" / "deployment.git")
