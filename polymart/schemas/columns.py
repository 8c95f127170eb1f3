"""What the schemas are made of: columns with their rules, and tables with theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa

SPLITS = ["train", "val", "test"]


def key() -> pa.Column:
    """An id: a whole number from 0 on."""
    return pa.Column("int64", pa.Check.ge(0, error="is an id >= 0"))


def number(
    low: float | None = 0.0, high: float | None = None, *, nullable: bool = False, kind: str = "float64"
) -> pa.Column:
    """A finite number within the bounds; none for no bound."""
    checks = [pa.Check(lambda s: np.isfinite(s), error="is finite")]
    if low is not None:
        checks.append(pa.Check.ge(low, error=f"is >= {low:g}"))
    if high is not None:
        checks.append(pa.Check.le(high, error=f"is <= {high:g}"))
    return pa.Column(kind, checks, nullable=nullable)


def count(low: int = 0, high: int | None = None) -> pa.Column:
    """A finite whole number."""
    return number(low, high, kind="int64")


def text(values: list[str] | None = None, *, nullable: bool = False) -> pa.Column:
    """A text that is not empty, or one of ``values``."""
    checks = [pa.Check(lambda s: s.str.len() > 0, error="is not empty")]
    if values:
        checks.append(pa.Check.isin(values, error=f"is one of {', '.join(values)}"))
    return pa.Column(str, checks, nullable=nullable)


def time() -> pa.Column:
    """Naive UTC in microseconds."""
    return pa.Column("datetime64[us]")


def anything() -> pa.Column:
    """A column of any type."""
    return pa.Column(None)


def lists(*, ids: bool = False) -> pa.Column:
    """Lists of finite numbers, or of distinct ids in ascending order; never empty."""
    checks = [pa.Check(lambda s: s.map(len) > 0, error="is a list that is not empty")]
    if ids:
        checks.append(pa.Check(lambda s: s.map(_ascends), error="holds distinct ids >= 0 in ascending order"))
    else:
        checks.append(pa.Check(lambda s: s.map(lambda v: bool(np.isfinite(v).all())), error="holds finite numbers"))
    return pa.Column(object, checks)


def times() -> pa.Column:
    """Lists of seconds since 1970 in ascending order; one may be empty."""
    ascending = pa.Check(lambda s: s.map(lambda v: bool((np.diff(v) >= 0).all())), error="holds times in order")
    return pa.Column(object, ascending)


def names() -> pa.Column:
    """Lists of texts, none of them empty."""
    return pa.Column(object, pa.Check(lambda s: s.map(lambda v: all(map(len, v))), error="holds no empty text"))


def picture() -> pa.Column:
    """The bytes of a PNG."""
    png = pa.Check(lambda s: s.map(lambda v: v.startswith(b"\x89PNG\r\n\x1a\n")), error="starts as a PNG does")
    return pa.Column(object, png)


def _ascends(ids: np.ndarray) -> bool:
    return bool(len(ids)) and bool(ids[0] >= 0) and bool((np.diff(ids) > 0).all())


def history(prefix: str) -> tuple[dict[str, pa.Column], pa.Check]:
    """The four list columns of a history and the check that they are aligned."""
    names = [f"{prefix}_{part}" for part in ("count", "decayed", "gap")]

    def aligned(frame: pd.DataFrame) -> pd.Series:
        lengths = frame[f"{prefix}_ids"].map(len)
        same = [frame[name].map(len) == lengths for name in names]
        return same[0] & same[1] & same[2]

    columns = {f"{prefix}_ids": lists(ids=True), **{name: lists() for name in names}}
    return columns, pa.Check(aligned, error=f"the four {prefix} lists have the same length")


def table(name: str, columns: dict[str, pa.Column], unique: list[str], *checks: pa.Check) -> pa.DataFrameSchema:
    """A table with these columns and no others; the columns ``unique`` are together a key (none where empty)."""
    return pa.DataFrameSchema(columns, checks=list(checks), unique=unique, strict=True, name=name)


def feature_table(name: str, keys: list[str], columns: dict[str, pa.Column], *checks: pa.Check) -> pa.DataFrameSchema:
    """What was known of the entities ``keys`` since when, and when it was written."""
    stamps = {"event_timestamp": time(), "created_timestamp": time()}
    known = pa.Check(
        lambda f: f.created_timestamp >= f.event_timestamp, error="created_timestamp is not before event_timestamp"
    )
    unique = [*keys, "event_timestamp", "created_timestamp"]  # a correction is a second row, created later
    return table(name, {**{name: key() for name in keys}, **stamps, **columns}, unique, known, *checks)


def decision(name: str, columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    """Label rows of a decision: when it is taken and when its label is known."""
    window = pa.Check(
        lambda f: f.label_end >= f.event_timestamp + pd.Timedelta(seconds=1),
        error="the label window ends after the decision",
    )
    stamps = {"example_id": text(), "event_timestamp": time(), "label_end": time()}
    return table(name, {**stamps, **columns}, ["example_id"], window)
