"""A small shop whose newest windows drifted, in a store that missed two windows: what a crashing pass works on."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from monitoring.drift import detect_drift
from monitoring.ledger import Ledger, newest_decision
from monitoring.records import Run
from monitoring.retraining import Found, Retraining
from monitoring.run import run_monitoring
from monitoring.schema import DriftReport
from polymart.config import Suite
from polymart.files import read_json, write_json

BEGIN, NUM_DAYS, NUM_ROWS = pd.Timestamp("2024-01-01"), 175, 3000
VAL_FROM, TEST_FROM, DRIFT_FROM, FIRST_PASS = "2024-04-01", "2024-04-29", "2024-05-27", "2024-05-10"
COMPARISON = "comparison.json"
TASK = {
    "name": "units",
    "kind": "count",
    "source": "units",
    "metric": "wape",
    "floor": "last_value",
    "cluster": "series_id",
    "split": {"val_from": VAL_FROM, "test_from": TEST_FROM},
    "inputs": {"numeric": ["price", "lag"], "categorical": ["aisle"]},
}
SUITE = Suite.from_json(json.dumps({"name": "crash", "tasks": [TASK]}))


@dataclass(frozen=True)
class FolderRuns:
    """An orchestrator that keeps runs as files, so that every process sees them; two starts make two files."""

    folder: Path

    def find(self, run: Run) -> Found | None:
        known = sorted(self.folder.glob(f"{run.name}.*"))
        return Found(known[0].name, "running") if known else None

    def start(self, run: Run) -> Found:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{run.name}.{os.getpid()}-{time.monotonic_ns()}"
        file.touch()
        return Found(file.name, "running")


def make_world(folder: Path) -> None:
    """Tables as of an early day, one pass over them, then the tables of today and what a comparison finds in them."""
    examples = _examples()
    _write(folder, examples[examples["event_timestamp"] < FIRST_PASS])
    one_pass(folder)
    _write(folder, examples)
    keep_comparison(folder)


def one_pass(folder: Path) -> None:
    """What ``polymart monitor --retrain`` does."""
    ledger = Ledger(folder / "store")
    retraining = Retraining(ledger, FolderRuns(folder / "runs"), SUITE.monitoring, lambda digest: "")
    retraining.pursue()
    run_monitoring(folder / "examples", folder / "predictions", SUITE, folder / "report", {}, ledger=ledger)
    retraining.pursue(newest_decision(ledger.entries()))


def short_pass(folder: Path) -> None:
    """The same, with the comparison of the tables read from where `keep_comparison` left it."""
    found = DriftReport.model_validate(read_json(folder / COMPARISON))
    with patch("monitoring.run.detect_drift", return_value=found):
        one_pass(folder)


def keep_comparison(folder: Path) -> None:
    """Compare the tables and write down what was found."""
    found = detect_drift(folder / "examples", folder / "predictions", SUITE, folder / "compared")
    write_json(folder / COMPARISON, found.model_dump(mode="json"))


def _examples() -> pd.DataFrame:
    random = np.random.default_rng(0)
    seconds = np.sort(random.integers(0, NUM_DAYS * 86_400, NUM_ROWS))
    times = BEGIN + pd.to_timedelta(seconds, unit="s")
    early, middle = times < pd.Timestamp(VAL_FROM), times < pd.Timestamp(TEST_FROM)
    moved = times >= pd.Timestamp(DRIFT_FROM)
    return pd.DataFrame(
        {
            "example_id": [f"e{i}" for i in range(NUM_ROWS)],
            "series_id": [f"s{i}" for i in range(NUM_ROWS)],
            "event_timestamp": times.astype("datetime64[us]"),
            "split": np.where(early, "train", np.where(middle, "val", "test")),
            "price": random.lognormal(1, 0.7, NUM_ROWS) * np.where(moved, 2.5, 1),
            "lag": random.poisson(4, NUM_ROWS),
            "aisle": np.where(moved, "wine", random.choice(["dairy", "bread", "wine"], NUM_ROWS)),
            "label": random.poisson(4, NUM_ROWS),
        }
    )


def _write(folder: Path, examples: pd.DataFrame) -> None:
    rows = examples[examples["split"] != "train"]
    score = rows["label"] + 0.5
    predictions = rows[["example_id", "event_timestamp", "split"]].assign(
        cluster=rows["series_id"], label=rows["label"].astype(float), prediction=score, score=score
    )
    for name, table in (("examples", examples), ("predictions", predictions)):
        (folder / name).mkdir(exist_ok=True)
        table.to_parquet(folder / name / "units.parquet", coerce_timestamps="us")
