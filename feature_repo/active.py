"""Who was seen last: a small file in the store folder, from which a service learns whose histories to read ahead.

An online store answers for keys that it is asked for; none of them can say which keys it holds.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
from feast import FeatureStore

from feature_repo.wide import batch_file

ACTIVE = "active_households.parquet"
VIEW = "household_history"
MOST = 10_000
"""Households of the file."""

NEWEST = """
COPY (
    SELECT household_id, max(event_timestamp) AS last_seen FROM read_parquet('{source}')
    WHERE event_timestamp <= TIMESTAMP '{until}' GROUP BY household_id
    ORDER BY last_seen DESC, household_id LIMIT {most}
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def write_active(feature_store: FeatureStore, until: datetime, store: Path) -> None:
    """Write household_id and last_seen of the `MOST` households that were seen last, newest first.

    Args:
        feature_store: of ``store``; without the view `VIEW` there is no such file.
        until: what was materialised, naive UTC.
        store: folder of the store.
    """
    target = Path(store) / ACTIVE
    target.unlink(missing_ok=True)
    partial = target.with_suffix(".partial")  # a service may look at any time
    views = [view for view in feature_store.list_feature_views() if view.name == VIEW]
    for source in map(batch_file, views):
        quoted = {name: str(path).replace("'", "''") for name, path in {"source": source, "target": partial}.items()}
        with duckdb.connect() as con:
            con.execute(NEWEST.format(**quoted, until=until.isoformat(sep=" "), most=MOST))
        partial.replace(target)
