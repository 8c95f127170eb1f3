"""Check a table against its schema; tell the rules of a schema in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors

from polymart.errors import TableError

Frame = pd.DataFrame
MAX_ROWS_SHOWN = 3


def validate_table(frame_or_path: Frame | Path | str, schema: pa.DataFrameSchema) -> int:
    """Check every rule of a schema; the number of rows that were checked.

    Raises:
        TableError: naming the table, every broken rule with its count, and three rows that break the first.
    """
    frame = frame_or_path if isinstance(frame_or_path, pd.DataFrame) else _read(Path(frame_or_path))
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise TableError(
            _message(str(schema.name), frame, list(errors.schema_errors)),
            remedy="correct the rows in the source, or state a cleaning rule for them in polymart/data",
        ) from errors
    return len(frame)


def rules_of(schema: pa.DataFrameSchema) -> list[str]:
    """The rules of a schema in words."""
    rules = [f"{name}: {check.error}" for name, column in schema.columns.items() for check in column.checks]
    # pandera prints every timestamp as nanoseconds, whatever its unit
    rules += [
        f"{name}: is {str(column.dtype).replace('[ns]', '')}" for name, column in schema.columns.items() if column.dtype
    ]
    rules += [f"{name}: is never missing" for name, column in schema.columns.items() if not column.nullable]
    rules += [str(check.error) for check in schema.checks]
    return rules + ([f"{', '.join(schema.unique)}: is unique"] if schema.unique else [])


def _read(path: Path) -> Frame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TableError(
            f"table {path} cannot be read as parquet: {error}", remedy="run prepare_tables again"
        ) from error


def _message(name: str, frame: Frame, errors: list[SchemaError]) -> str:
    broken = [(_rule(error), _rows(error)) for error in errors]
    lines = [f"table {name} breaks {len(broken)} rule(s):"]
    lines += [f"  {rule}: {len(rows)} of {len(frame)} rows" if rows else f"  {rule}" for rule, rows in broken]
    rows = next((rows for _, rows in broken if rows), [])
    if rows:
        shown = frame.loc[rows[:MAX_ROWS_SHOWN]].astype(str).to_dict("records")
        lines += ["  rows that break it:", *(f"    {row}" for row in shown)]
    return "\n".join(lines)


def _rule(error: SchemaError) -> str:
    column = getattr(error.schema, "name", "")
    where = f"{column}: " if isinstance(error.schema, pa.Column) else ""
    words = {"SERIES_CONTAINS_NULLS": "is never missing", "SERIES_CONTAINS_DUPLICATES": "is unique"}
    reason = error.reason_code.name if error.reason_code else ""
    if reason == "DATAFRAME_CHECK":
        return where + str(getattr(error.check, "error", None) or error.check)
    return where + words.get(reason, str(error).split("\n")[0])


def _rows(error: SchemaError) -> list[object]:
    cases = error.failure_cases
    if not isinstance(cases, pd.DataFrame) or "index" not in cases:
        return []
    return list(dict.fromkeys(cases["index"].dropna()))
