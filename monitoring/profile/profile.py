"""A table's columns over some rows, in a form that merges across shards and hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.profile.moments import Moments
from monitoring.profile.numbers import Numbers
from monitoring.profile.tally import Tally
from polymart.errors import MonitoringError
from polymart.files import atomic_path, canonical_json, read_json

PROFILE_VERSION = 1


@dataclass(frozen=True, eq=False)
class Column:
    """One column over the rows of a profile.

    Attributes:
        rows: rows looked at.
        missing: rows without a usable value.
        numbers: the values of a numeric column.
        names: the values of a categorical column, or the words of a text column (a word each time it comes).
        vectors: moments of a column of vectors; None where no vector is known.
        times: event times of the rows whose value is known.
        clusters: clusters (customers, series) of the rows whose value is known; None without a cluster column.
    """

    rows: int
    missing: int
    times: Tally
    clusters: Tally | None = None
    numbers: Numbers | None = None
    names: Tally | None = None
    vectors: Moments | None = None

    @property
    def known(self) -> int:
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Share of rows without a usable value, 0 to 1; 1 without rows."""
        return self.missing / self.rows if self.rows else 1.0

    @classmethod
    def merged(cls, parts: Iterable[Column]) -> Column:
        """The column over the rows of all parts."""
        parts = list(parts)
        clusters = [part.clusters for part in parts if part.clusters is not None]
        numbers = [part.numbers for part in parts if part.numbers is not None]
        names = [part.names for part in parts if part.names is not None]
        vectors = [part.vectors for part in parts if part.vectors is not None]
        return cls(
            rows=sum(part.rows for part in parts),
            missing=sum(part.missing for part in parts),
            times=Tally.merged(part.times for part in parts),
            clusters=Tally.merged(clusters) if clusters else None,
            numbers=Numbers.merged(numbers) if numbers else None,
            names=Tally.merged(names) if names else None,
            vectors=Moments.merged(vectors) if vectors else None,
        )

    def to_json(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in _PARTS}
        written = {name: part.to_json() for name, part in parts.items() if part is not None}
        return {"rows": self.rows, "missing": self.missing, **written}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Column:
        parts = {name: read(written[name]) for name, read in _PARTS.items() if name in written}
        return cls(rows=written["rows"], missing=written["missing"], **parts)


_PARTS: dict[str, Any] = {
    "times": Tally.from_json,
    "clusters": Tally.from_json,
    "numbers": Numbers.from_json,
    "names": Tally.from_json,
    "vectors": Moments.from_json,
}


@dataclass(frozen=True, eq=False)
class Profile:
    """What is remembered of some rows of a table.

    Attributes:
        rows: rows, those without any known value included.
        columns: the watched columns by name.
    """

    rows: int
    columns: Mapping[str, Column]

    def merge(self, *others: Profile) -> Profile:
        """The profile of all rows together. Order and grouping do not matter (to vectors: up to rounding).

        Raises:
            MonitoringError: the parts profile different columns.
        """
        parts = (self, *others)
        for other in others:
            if set(other.columns) != set(self.columns):
                differing = ", ".join(sorted(set(other.columns) ^ set(self.columns)))
                raise MonitoringError(
                    f"profiles must have the same columns to be merged; only one has {differing}",
                    remedy="profile every shard with the same columns",
                )
        return Profile(
            rows=sum(part.rows for part in parts),
            columns={name: Column.merged(part.columns[name] for part in parts) for name in self.columns},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": PROFILE_VERSION,
            "rows": self.rows,
            "columns": {name: column.to_json() for name, column in self.columns.items()},
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Profile:
        return cls(
            rows=written["rows"],
            columns={name: Column.from_json(column) for name, column in written["columns"].items()},
        )


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile as JSON, atomically.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(canonical_json(profile.to_json()))


def read_profile(path: Path) -> Profile:
    """Read what `write_profile` wrote.

    Raises:
        StorageError: the file is absent or not JSON.
        MonitoringError: it is no profile of this version.
    """
    written = read_json(path)
    version = written.get("version") if isinstance(written, dict) else None
    if version != PROFILE_VERSION:
        raise MonitoringError(
            f"{path} must be a profile of version {PROFILE_VERSION}, found {version!r}",
            remedy="profile the reference again with this version of polymart",
        )
    try:
        return Profile.from_json(written)
    except (KeyError, TypeError, ValueError) as error:
        raise MonitoringError(f"{path} is no whole profile: {error!r}", remedy="profile the reference again") from error
