"""Evidently's page, JSON and snapshot of one window, made of the numbers that the report holds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from monitoring.schema import WindowReport
from polymart.files import atomic_path

_RANDOM_NAME = re.compile(r"metric_[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def window_snapshot(window: WindowReport) -> Any:
    """Evidently's snapshot of a window: share of drifted columns, then PSI, KS and picture of each judged column.

    Evidently sees no row of the data, so its time and memory do not grow with them. Its workspace and UI take the
    snapshot as any other.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    import pandas as pd
    from evidently import Dataset, Report  # lazily: the import takes four seconds

    from monitoring.custom_metrics import metrics_of

    rows = Dataset.from_pandas(pd.DataFrame({"rows": [window.rows]}))
    return Report(metrics_of(window), include_tests=True).run(rows, timestamp=window.end)


def save_snapshot(snapshot: Any, html: Path, json_file: Path) -> None:
    """Write Evidently's page and JSON. The page's random names are numbered, so equal data give equal bytes."""
    numbers: dict[str, int] = {}
    page = _RANDOM_NAME.sub(
        lambda name: f"name_{numbers.setdefault(name[0], len(numbers))}", snapshot.get_html_str(as_iframe=False)
    )
    for path, text in ((html, page), (json_file, snapshot.json())):
        with atomic_path(path) as temporary:
            temporary.write_text(text)
