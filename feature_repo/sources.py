"""The parquet files of ``tables/features`` as Feast sources.

Every file carries ``event_timestamp`` (when the values became true) and ``created_timestamp`` (when they were
written): retrieval honours both, so that a later correction does not leak into an earlier example.
"""

from __future__ import annotations

from pathlib import Path

from feast import FileSource
from feast.data_format import ParquetFormat

VIEW_NAMES = ("household_profile", "household_history", "campaign", "household_campaign", "series_demand")


def make_sources(tables: Path) -> dict[str, FileSource]:
    """One source per feature table below ``tables/features``.

    Raises:
        FileNotFoundError: a feature table is missing.
    """
    folder = Path(tables).resolve() / "features"
    missing = [name for name in VIEW_NAMES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks the feature tables {', '.join(missing)}; run prepare_tables on completejourney"
        )
    return {
        name: FileSource(
            name=name,
            path=str(folder / f"{name}.parquet"),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
        for name in VIEW_NAMES
    }
