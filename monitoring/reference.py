"""What a task's windows are compared with: profiled once, kept with the release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring.columns import examples_source, predictions_source
from monitoring.left_out import tasks_with_time
from monitoring.observations import intraclass_correlation
from monitoring.profile import Column, Profile, Source, observations, profile_rows
from monitoring.profile.compare import OTHER, decile_ends, named_categories
from monitoring.profile.scan import TEXT_UNSEEN, TEXT_WORDS, batches, longest_silence_s, values_by_row
from monitoring.window import REFERENCE_SPLITS
from polymart.config import Suite, Task
from polymart.errors import MonitoringError
from polymart.files import atomic_folder, canonical_json, read_json

REFERENCE_VERSION = 1


@dataclass(frozen=True)
class Reference:
    """Profile of the rows that a task learned from, and of the scores on rows that it never saw.

    Attributes:
        profile: inputs of the train and val rows, scores of the val rows.
        correlations: intraclass correlation of each column's buckets by event time, 0 to 1.
        longest_silence_s: longest time between two event times.
    """

    profile: Profile
    correlations: Mapping[str, float]
    longest_silence_s: float

    def observations(self, name: str, column: Column) -> int:
        """Independent observations behind a column, of this reference or of a window."""
        return observations(column, self.correlations.get(name, 0.0))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": REFERENCE_VERSION,
            "profile": self.profile.to_json(),
            "correlations": dict(self.correlations),
            "longest_silence_s": self.longest_silence_s,
        }


def profile_reference(task: Task, examples: Path, predictions: Path, suite: Suite) -> Reference:
    """Profile the reference rows of a task.

    Args:
        task: the task.
        examples: folder of example tables.
        predictions: folder of prediction tables; without the task's there is no score.
        suite: at most its ``monitoring.max_rows`` rows are read for the correlations.

    Raises:
        MonitoringError: a table cannot be read, or breaks its contract.
    """
    table, scored = examples / f"{task.name}.parquet", predictions / f"{task.name}.parquet"
    source = examples_source(task, table, REFERENCE_SPLITS["examples"])
    profile = _profile_inputs(task, table)
    correlations = _correlations(source, profile, suite)
    if scored.is_file():
        score_source = predictions_source(scored, REFERENCE_SPLITS["predictions"])
        scores = profile_rows(score_source)
        if scores.rows:
            profile = replace(profile, columns={**profile.columns, **scores.columns})
            correlations |= _correlations(score_source, scores, suite)
    return Reference(profile, correlations, longest_silence_s(source) if source.time else 0.0)


def _profile_inputs(task: Task, table: Path) -> Profile:
    """No word of a training row can be unseen, so the share of unseen words is that of the validation rows."""
    train = profile_rows(examples_source(task, table, ("train",)))
    val = profile_rows(examples_source(task, table, ("val",)), words_of(train))
    columns = {name: Column.merged([column, val.columns[name]]) for name, column in train.columns.items()}
    columns |= {name: val.columns[name] for name in (TEXT_UNSEEN,) if name in val.columns}
    columns |= {name: train.columns[name] for name in (TEXT_WORDS,) if name in train.columns}
    return Profile(train.rows + val.rows, columns)


def words_of(profile: Profile) -> frozenset[str] | None:
    """Words that were profiled; None without a text column."""
    words = profile.columns[TEXT_WORDS].names if TEXT_WORDS in profile.columns else None
    return None if words is None else frozenset(words.names.tolist())


def _correlations(source: Source, profile: Profile, suite: Suite) -> dict[str, float]:
    """Intraclass correlation of every column, from a sample of the rows."""
    sample = source.sample("example_id", suite.monitoring.max_rows)
    found: dict[str, list[pd.DataFrame]] = {}
    for batch in batches(sample):
        for name, values in values_by_row(batch, sample, words_of(profile)).items():
            buckets = _bucketed(values, profile.columns[name])
            found.setdefault(name, []).append(pd.DataFrame({"bucket": buckets, "time": batch["time"].to_pandas()}))
    known = {name: pd.concat(parts).dropna() for name, parts in found.items()}
    # Rounded, since the last digits of a sum depend on the order of the rows.
    return {name: round(intraclass_correlation(rows["bucket"], rows["time"]), 6) for name, rows in known.items()}


def _bucketed(values: np.ndarray | pa.Array, column: Column) -> pd.Series:
    """The bucket of each value, as `distance` cuts the reference; missing stays missing."""
    if column.numbers is not None:
        numbers = column.numbers
        edges = numbers.highs[decile_ends(numbers.counts)] if numbers.total else []
        rows = pd.Series(values, dtype="float64")
        return pd.Series(np.searchsorted(edges, rows)).where(np.isfinite(rows))
    assert column.names is not None
    names = values.to_pandas()
    kept = column.names.names[named_categories(column.names)]
    return names.where(names.isin(kept) | names.isna(), OTHER)


def write_references(examples: Path, predictions: Path, suite: Suite, out: Path) -> None:
    """Profile the reference of every task that has event time, one ``<task>.json`` each; ``out`` is replaced whole.

    Raises:
        MonitoringError: no example tables, or one that breaks its contract.
        StorageError: ``out`` cannot be written.
    """
    timed, _ = tasks_with_time(examples, predictions, suite)
    with atomic_folder(out) as folder:
        for task in timed:
            written = profile_reference(task, examples, predictions, suite).to_json()
            (folder / f"{task.name}.json").write_text(canonical_json(written))


def read_reference(path: Path) -> Reference:
    """Read what `write_references` wrote.

    Raises:
        StorageError: the file is absent or not JSON.
        MonitoringError: it is no whole reference of this version.
    """
    written = read_json(path)
    try:
        if written["version"] != REFERENCE_VERSION:
            raise ValueError(f"version {written['version']!r}")
        profile = Profile.from_json(written["profile"])
        return Reference(profile, written["correlations"], written["longest_silence_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise MonitoringError(
            f"{path} must be a reference of version {REFERENCE_VERSION}, found {error!r}",
            remedy="profile the reference again with this version of polymart",
        ) from error
