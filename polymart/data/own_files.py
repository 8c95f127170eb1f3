"""Read the files of a table of the user's own, as text: what a column means is decided in `own_tables`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from polymart.config import Settings, Table
from polymart.errors import TableError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
ROW, FILE_SPLIT = "__row__", "__file_split__"
"""Columns that `read_files` adds: the number of a row in its file, and the split its file stands for."""


def table_files(table: Table, settings: Settings) -> list[Path]:
    """Every file of a table; a relative name lies below ``POLYMART_EXTRA_DATA``, or in no place without it."""
    own = [table.file] if isinstance(table.file, str) else list(table.file.values())
    base = settings.extra_data or Path()
    return [base / name for name in [*own, *(join.file for join in table.join)]]


def missing_file(table: Table, settings: Settings) -> Path | None:
    """The first file of a table that does not exist."""
    # without POLYMART_EXTRA_DATA a relative name would mean another file in every working folder
    nowhere = settings.extra_data is None
    files = table_files(table, settings)
    return next((path for path in files if not path.is_file() or (nowhere and not path.is_absolute())), None)


def read_files(table: Table, settings: Settings) -> pd.DataFrame:
    """All rows of a table with the columns of its joined files, under the names of the suite.

    Raises:
        TableError: a file is empty, no csv, tsv or parquet, or holds a broken line; a join does not fit; a column that
            ``table.columns`` names is absent.
    """
    base = settings.extra_data or Path()
    files = {"": table.file} if isinstance(table.file, str) else table.file
    parts = [_read(base / name, table).assign(**{FILE_SPLIT: split}) for split, name in files.items()]
    frame = pd.concat([part.assign(**{ROW: range(len(part))}) for part in parts], ignore_index=True)
    for join in table.join:
        frame = _join(frame, _read(base / join.file, table.model_copy(update={"header": []})), join.file, join.by)
    require(frame, list(table.columns.values()), "table.columns")
    return frame.assign(**{ours: frame[theirs] for ours, theirs in table.columns.items()})


def require(frame: pd.DataFrame, columns: list[str], reader: str) -> None:
    """Stop unless the table has the columns.

    Raises:
        TableError: naming the absent columns and those that exist.
    """
    absent = [name for name in columns if name not in frame]
    if absent:
        known = ", ".join(str(name) for name in frame.columns if name not in (ROW, FILE_SPLIT))
        raise TableError(
            f"{reader} reads the columns {', '.join(absent)}, but the table has {known}",
            remedy="name columns of the file in the suite, or map them with table.columns",
        )


def _read(path: Path, table: Table) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path, table)
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise TableError(
            f"{path} cannot be read: {error}",
            remedy="correct the named line, or say table.delimiter, table.quotes or table.header in the suite",
        ) from error
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise TableError(
            f"{path} has several columns called {repeated[0]}", remedy="give every column of the file a name of its own"
        )
    if frame.empty:
        raise TableError(f"{path} holds no rows", remedy="give a file with at least one row in every split")
    return frame


def _read_text(path: Path, table: Table) -> pd.DataFrame:
    delimiter = table.delimiter or DELIMITERS.get(path.suffix)
    if delimiter is None:
        raise ValueError(f"its name must end in {', '.join(DELIMITERS)} or .parquet, or table.delimiter be said")
    read = pyarrow.csv.ReadOptions(column_names=table.header or None)
    parse = pyarrow.csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if table.quotes else False, newlines_in_values=table.quotes
    )
    with pyarrow.csv.open_csv(path, read_options=read, parse_options=parse) as reader:
        names = reader.schema.names
    # read as text: 007 is a code, not the number 7
    types = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True
    )
    return pyarrow.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=types).to_pandas()


def _join(frame: pd.DataFrame, other: pd.DataFrame, file: str, by: list[str]) -> pd.DataFrame:
    for part, name in ((frame, "table.file"), (other, file)):
        require(part, by, f"the join with {name}")
    try:
        return frame.merge(other, on=by, how="left", validate="many_to_one", suffixes=(None, None))
    except ValueError as error:
        raise TableError(
            f"{file} cannot be joined on {', '.join(by)}: {error}",
            remedy="every row of a joined file needs a key of its own, and its other columns names of their own",
        ) from error
