"""Component `prepare_tables`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_tables(tables: dsl.Output[dsl.Dataset], suite: str, data_version: str, code_version: str) -> None:
    """Fetch the suite's datasets and turn them into clean tables, features and labels.

    Args:
        tables: folder with clean parquet tables, ``features/``, ``labels/`` and ``tables.json``
            (schemas: ``polymart/schemas/``; every cleaning rule with its row counts).
        suite: the suite as JSON.
        data_version: digest of the pinned archives and the extra datasets; a cache key, so that fresh data is seen.
        code_version: digest of the library's source; a cache key.

    Raises:
        ArchiveError: an archive cannot be fetched or its checksum differs.
        TableError: a raw table lacks a column.
    """
    from pathlib import Path

    from polymart.config import Settings, Suite
    from polymart.data.sources import prepare_suite_tables
    from polymart.errors import shown_to_user
    from polymart.files import digest_file

    with shown_to_user():
        report = prepare_suite_tables(Suite.from_json(suite), Settings(), Path(tables.path))
    tables.metadata["digest"] = digest_file(Path(tables.path) / "tables.json")
    tables.metadata["data_version"] = data_version
    tables.metadata["rows"] = str({name: table["rows"] for name, table in report["tables"].items()})
