"""Reads the prediction log, whatever version of the service wrote it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from polymart.errors import ServingError, SettingError
from serving.log.hourly import FILES
from serving.log.prediction import DIRECTORY, SCHEMA

MIN_ID = 6
"""Characters of an id that must be given."""
SHOWN = 5


@dataclass(frozen=True)
class LoggedPrediction:
    """One answer of the service; a request that ranks campaigns or asks several tasks leaves several rows."""

    prediction_id: str
    at: datetime
    checkpoint: str
    variant: str | None
    """Who answered, where several releases served side by side; None in files from before variants had names."""
    rows: dict[str, int]
    """Task -> rows."""


def log_folder() -> Path:
    """The folder that POLYMART_PREDICTION_LOG names.

    Raises:
        SettingError: it is unset.
    """
    if folder := os.environ.get(DIRECTORY):
        return Path(folder)
    raise SettingError(f"{DIRECTORY} is not set, so there is no log to search", remedy="name the folder with --log")


def read_log(
    folder: Path,
    columns: Sequence[str] | None = None,
    rows: pc.Expression | None = None,
    *,
    schema: pa.Schema = SCHEMA,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pd.DataFrame:
    """Rows of a log; a column that a file of an older version lacks reads as missing.

    Args:
        folder: root of the log.
        columns: which columns; all where None.
        rows: keeps the rows for which it is true; all where None.
        schema: columns of the log that is read.
        since: first hour, naive UTC; from the beginning where None.
        until: first hour that is left out, naive UTC; to the end where None.

    Raises:
        ServingError: there is no log.
    """
    files = sorted(Path(folder).glob(FILES))
    if not files:
        raise ServingError(
            f"there is no prediction log in {folder}", remedy=f"name the folder that the service's {DIRECTORY} names"
        )
    hours = [path for path in files if (not since or _hour(path) >= since) and (not until or _hour(path) < until)]
    names = schema.names if columns is None else list(columns)
    return ds.dataset(hours, schema=schema, format="parquet").to_table(names, filter=rows).to_pandas()


def find_prediction(folder: Path, wanted: str) -> LoggedPrediction:
    """The prediction whose id is, or starts with, ``wanted``.

    Args:
        folder: root of the log.
        wanted: the ``prediction_id`` that the service answered with, or its first characters.

    Raises:
        ServingError: there is no log, no such prediction, or more than one.
    """
    if len(wanted) < MIN_ID:
        raise ServingError(
            f"a prediction's id needs at least {MIN_ID} characters, found {wanted!r}",
            remedy="give more of the prediction_id that the service answered with",
        )
    asked = pc.starts_with(pc.field("prediction_id"), pattern=wanted)
    found = read_log(folder, ["prediction_id", "event_timestamp", "task", "checkpoint", "variant"], asked)
    ids = sorted(found.prediction_id.unique())
    if not ids:
        raise ServingError(
            f"no prediction in {folder} has an id that starts with {wanted!r}",
            remedy="the service writes its log once a minute and drops rows when the disk refuses: try again, or look "
            "at polymart_prediction_log_dropped in its metrics",
        )
    if len(ids) > 1:
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        raise ServingError(
            f"{len(ids)} predictions have an id that starts with {wanted!r}: {', '.join(ids[:SHOWN])}{more}",
            remedy="give more of the id",
        )
    return LoggedPrediction(
        prediction_id=ids[0],
        at=found.event_timestamp.min().to_pydatetime().replace(tzinfo=UTC),
        checkpoint=found.checkpoint.iloc[0],
        variant=found.variant.iloc[0],
        rows={str(task): int(count) for task, count in found.task.value_counts().sort_index().items()},
    )


def _hour(path: Path) -> datetime:
    return datetime.strptime("/".join(path.parts[-3:-1]), "date=%Y-%m-%d/hour=%H")
