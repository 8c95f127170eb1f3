"""The parquet files of ``tables/features`` as Feast sources.

Every file carries ``event_timestamp`` (when the values became true) and ``created_timestamp`` (when they were
written): retrieval honours both, so that a later correction does not leak into an earlier example.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from feast import FileSource
from feast.data_format import ParquetFormat


def make_sources(tables: Path, names: Iterable[str]) -> dict[str, FileSource]:
    """One source per feature table that is present below ``tables/features``: a suite makes those that it needs.

    Args:
        tables: the ``tables/`` artifact.
        names: the known feature tables.

    Raises:
        FileNotFoundError: no known feature table is present.
    """
    folder = Path(tables).resolve() / "features"
    names = list(names)
    present = [name for name in names if (folder / f"{name}.parquet").is_file()]
    if not present:
        raise FileNotFoundError(
            f"{folder} holds none of the feature tables {', '.join(names)}; run prepare_tables on completejourney"
        )
    return {
        name: FileSource(
            name=name,
            path=str(folder / f"{name}.parquet"),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
        for name in present
    }
