"""One writer of `bench.release_drill`: promotes release after release and keeps a journal of what it was told.

``python -m bench._promoting REPOSITORY JOURNAL QUOTA``, where the journal's name is the writer's. A line says that a
promotion ``begins``, another one that it is ``done``, with its commit and the seconds that it took; what began and was
never done is not tried again.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from polymart.config import Settings, load_suite
from polymart.evaluation.records import GateResult, Verdict
from polymart.files import digest_text
from polymart.release.manifest import ReleaseManifest, build_manifest
from polymart.release.promotion import promote_release
from polymart.release.signing import sign, signing_key

ENVIRONMENT = "staging"
"""All writers change the same one: each commit conflicts with every other."""
QUICK = Path(__file__).parents[1] / "suites" / "quick.yaml"


def release(name: str) -> ReleaseManifest:
    """A signed release that differs from others by its checkpoint."""
    gate = GateResult(gate="floor", task="demand", outcome="pass", number=0.1, rule="lower bound - floor > 0")
    manifest = build_manifest(
        suite=load_suite(QUICK), data_version="drill", code_version="drill", checkpoint_digest=digest_text(name),
        bento_tag="polymart:drill", bento_digest=digest_text("bento"),
        verdict=Verdict(overall="pass", gates=[gate]), created_at=datetime.now(UTC),
    )  # fmt: skip
    return sign(manifest, signing_key(Settings()))


def main() -> None:
    """Go on where the journal ends, until as many promotions are done as were asked for."""
    repository, journal, quota = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with open(journal, "ab", buffering=0) as notes:  # each line is one write: a kill leaves it whole or absent
        while _done(lines := journal.read_text().splitlines()) < quota:
            number = sum(line.startswith("begins") for line in lines)
            manifest = release(f"{journal.name} {number}")
            notes.write(f"begins {manifest.release}\n".encode())
            begun = time.monotonic()
            done = promote_release(repository, manifest, ENVIRONMENT)
            notes.write(f"done {manifest.release} {done.commit} {time.monotonic() - begun:.3f}\n".encode())
    os._exit(0)  # nothing is left to do, and a kill during the exit would count as one during a promotion


def _done(lines: list[str]) -> int:
    return sum(line.startswith("done") for line in lines)


if __name__ == "__main__":
    main()
