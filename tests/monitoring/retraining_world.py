"""A store with a due retraining, and an orchestrator that keeps its runs in a folder, so that processes share it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring.entries import Decided
from monitoring.ledger import Ledger
from monitoring.records import Decision, Run
from monitoring.retraining import Done, Found, Retraining
from polymart.config import Monitoring

NOW = datetime(2024, 6, 1)
DUE = Decision(
    action="retrain", reasons=("units: 5 of 10",), task="units", decided_at=NOW, data_digest="sha256:" + "a" * 64
)


@dataclass(frozen=True)
class Folder:
    """Runs as files: ``<name>.<number>``, whose content is their state; starting one twice makes two."""

    runs: Path
    slow_s: float = 0.0

    def find(self, run: Run) -> Found | None:
        found = sorted(self.runs.glob(f"{run.name}.*"))
        return self._found(found[0]) if found else None

    def start(self, run: Run) -> Found:
        time.sleep(self.slow_s)
        self.runs.mkdir(parents=True, exist_ok=True)
        file = self.runs / f"{run.name}.{os.getpid()}-{time.monotonic_ns()}"
        file.write_text("running")
        return self._found(file)

    @staticmethod
    def _found(file: Path) -> Found:
        return Found(file.name, file.read_text(), url=f"http://kfp/{file.name}")


def retraining(folder: Path, *, slow_s: float = 0.0, **policy: object) -> Retraining:
    """Of the store and the runs in ``folder``."""
    orchestrator = Folder(folder / "runs", slow_s)
    return Retraining(
        Ledger(folder / "store"), orchestrator, Monitoring(**policy), lambda digest: "tiny-1", lambda: NOW
    )


def race(folder: str, slow_s: float) -> Done:
    """One of many controllers; top-level, so that a fresh process can import it."""
    return retraining(Path(folder), slow_s=slow_s).pursue(DUE)


def decide(ledger: Ledger, decision: Decision = DUE) -> None:
    ledger.append(Decided(inputs_digest="sha256:i", decision=decision))
