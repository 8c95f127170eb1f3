"""What `bench.monitoring` compares, each run in a process of its own: ``python -m bench._monitoring_arms ARM FOLDER``.

``FOLDER`` holds ``reference.parquet`` and ``current.parquet`` of `bench._monitoring_tables`. An arm imports what it
needs first, works, and prints one JSON line: ``seconds`` of work, ``seconds_with_imports``, ``peak_mb`` of the whole
process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

BORN = time.monotonic()
PROFILE = "reference.json"
Work = Callable[[Path], object]


def profile() -> Work:
    """The current table's profile alone: what grows with the data."""
    from bench._monitoring_tables import source
    from monitoring.profile import profile_rows

    return lambda folder: profile_rows(source(folder / "current.parquet"))


def remember() -> Work:
    """Profile the reference and keep it, as a release does once."""
    from bench._monitoring_tables import source
    from monitoring.profile import profile_rows, write_profile

    return lambda folder: write_profile(folder / PROFILE, profile_rows(source(folder / "reference.parquet")))


def ours() -> Work:
    """Profile the current table, compare it with the kept reference, test, write Evidently's page and JSON."""
    import evidently  # noqa: F401 - its import is no work of ours

    from bench._monitoring_tables import kinds, report_of, source
    from monitoring.profile import profile_rows, read_profile
    from monitoring.snapshot import save_snapshot, window_snapshot

    def work(folder: Path) -> None:
        current = profile_rows(source(folder / "current.parquet"))
        window = report_of(read_profile(folder / PROFILE), current, kinds(folder / "current.parquet"))
        save_snapshot(window_snapshot(window), folder / "ours.html", folder / "ours.json")

    return work


def by_hand() -> Work:
    """PSI over deciles and the exact KS distance of every column, by DuckDB and NumPy; no report."""
    import duckdb
    import numpy as np

    from bench._monitoring_tables import kinds
    from monitoring.psi import psi

    def work(folder: Path) -> dict[str, tuple[float, float]]:
        found = {}
        for name, kind in kinds(folder / "current.parquet").items():
            sides = [folder / f"{side}.parquet" for side in ("reference", "current")]
            if kind == "categorical":
                asked = f'SELECT "{name}", count(*) FROM read_parquet(?) GROUP BY 1'
                counts = [dict(duckdb.execute(asked, [str(path)]).fetchall()) for path in sides]
                names = sorted(set(counts[0]) | set(counts[1]))
                found[name] = psi(*([side.get(value, 0) for value in names] for side in counts)), 0.0
                continue
            asked = f'SELECT "{name}" FROM read_parquet(?)'
            reference, current = (np.sort(duckdb.execute(asked, [str(path)]).fetchnumpy()[name]) for path in sides)
            edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
            counted = [
                np.diff(np.searchsorted(side, edges, side="right"), prepend=0, append=len(side))
                for side in (reference, current)
            ]
            both = np.concatenate([reference, current])
            below = [np.searchsorted(side, both, side="right") / len(side) for side in (reference, current)]
            found[name] = psi(*counted), float(np.abs(below[0] - below[1]).max())
        return found

    return work


def preset() -> Work:
    """Evidently's drift preset with its defaults on the raw tables, and its page."""
    import pandas as pd
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    from bench._monitoring_tables import kinds

    def work(folder: Path) -> None:
        columns = list(kinds(folder / "current.parquet"))
        sides = [pd.read_parquet(folder / f"{side}.parquet", columns=columns) for side in ("current", "reference")]
        report = Report([DataDriftPreset()], include_tests=True)
        report.run(*(Dataset.from_pandas(side) for side in sides)).save_html(str(folder / "preset.html"))

    return work


ARMS: dict[str, Callable[[], Work]] = {arm.__name__: arm for arm in (profile, remember, ours, by_hand, preset)}


def main() -> None:
    """Run one arm."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    work = ARMS[sys.argv[1]]()
    started = time.monotonic()
    work(Path(sys.argv[2]))
    ended = time.monotonic()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": ended - started, "seconds_with_imports": ended - BORN, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
