"""What a task's windows are compared with: profiled once, kept with the release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring.columns import SCORE, examples_source, predictions_source
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
REFERENCES = "profiles"
"""Folder of the references, inside the predictions of the run that made them: they travel with the release."""


@dataclass(frozen=True)
class Reference:
    """Profile of the rows that a task learned from, and of the scores on rows that it never saw.

    Attributes:
        profile: inputs of the train and val rows, scores of the val rows.
        correlations: intraclass correlation of each column's buckets by event time, 0 to 1.
        dependence: share of the scores' variance that goes with each input's bucket, 0 to 1; empty without scores.
        longest_silence_s: longest time between two event times.
    """

    profile: Profile
    correlations: Mapping[str, float]
    dependence: Mapping[str, float]
    longest_silence_s: float

    def observations(self, name: str, column: Column) -> int:
        """Independent observations behind a column, of this reference or of a window."""
        return observations(column, self.correlations.get(name, 0.0))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": REFERENCE_VERSION,
            "profile": self.profile.to_json(),
            "correlations": dict(self.correlations),
            "dependence": dict(self.dependence),
            "longest_silence_s": self.longest_silence_s,
        }


def profile_reference(task: Task, examples: Path, predictions: Path, suite: Suite) -> Reference:
    """Profile the reference rows of a task.

    Args:
        task: the task.
        examples: folder of example tables.
        predictions: folder of prediction tables; without the task's there is no score.
        suite: at most its ``monitoring.max_rows`` rows are read for correlations and dependence.

    Raises:
        MonitoringError: a table cannot be read, or breaks its contract.
    """
    table, scored = examples / f"{task.name}.parquet", predictions / f"{task.name}.parquet"
    source = examples_source(task, table, REFERENCE_SPLITS["examples"])
    profile = _profile_inputs(task, table)
    rows = _sample(source, profile, suite)
    correlations, dependence = _correlations(rows), {}
    score_source = predictions_source(scored, REFERENCE_SPLITS["predictions"]) if scored.is_file() else None
    scores = profile_rows(score_source) if score_source else None
    if score_source and scores and scores.rows:
        profile = replace(profile, columns={**profile.columns, **scores.columns})
        correlations |= _correlations(_sample(score_source, scores, suite))
        dependence = _dependence(rows, _scores(score_source))
    return Reference(profile, correlations, dependence, longest_silence_s(source) if source.time else 0.0)


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


class _Sample(NamedTuple):
    """Some rows: their names, event times, and the bucket of every column."""

    ids: pd.Series
    times: pd.Series
    buckets: pd.DataFrame


def _sample(source: Source, profile: Profile, suite: Suite) -> _Sample:
    sample = source.sample(suite.monitoring.max_rows)
    parts = []
    for batch in batches(sample):
        values = values_by_row(batch, sample, words_of(profile))
        buckets = pd.DataFrame({name: _bucketed(column, profile.columns[name]) for name, column in values.items()})
        parts.append(_Sample(batch["id"].to_pandas(), batch["time"].to_pandas(), buckets))
    if not parts:
        return _Sample(pd.Series(dtype=object), pd.Series(dtype=float), pd.DataFrame())
    return _Sample(*(pd.concat(some, ignore_index=True) for some in zip(*parts, strict=True)))


def _correlations(rows: _Sample) -> dict[str, float]:
    """Intraclass correlation of every column's buckets; rounded, since the order of rows moves a sum's last digits."""
    found = {}
    for name, buckets in rows.buckets.items():
        known = buckets.notna() & rows.times.notna()
        found[str(name)] = round(intraclass_correlation(buckets[known], rows.times[known]), 6)
    return found


def _dependence(rows: _Sample, scores: pd.Series) -> dict[str, float]:
    """Of every column the share of the scores' variance that lies between its buckets, corrected for chance.

    This is the correlation ratio epsilon squared (Kelley 1935). It tells what goes with a column, not what the column
    does: of two columns that say the same both depend.
    """
    of_row = rows.ids.map(scores)
    scored = of_row.notna()
    return {
        str(name): _variance_between(buckets[scored], of_row[scored].astype(float))
        for name, buckets in rows.buckets.items()
    }


def _variance_between(buckets: pd.Series, scores: pd.Series) -> float:
    grouped = scores.groupby(buckets.fillna("(missing)").astype(str))
    within, total = (
        float(((scores - grouped.transform("mean")) ** 2).sum()),
        float(((scores - scores.mean()) ** 2).sum()),
    )
    freedom = len(scores) - grouped.ngroups
    if total <= 0 or freedom <= 0:
        return 0.0
    return round(max(0.0, 1 - within / freedom * (len(scores) - 1) / total), 6)


def _scores(source: Source) -> pd.Series:
    """Score by row name."""
    parts = [
        pd.Series(batch["n:" + SCORE].to_numpy(zero_copy_only=False), batch["id"].to_pandas())
        for batch in batches(source)
    ]
    return pd.concat(parts).groupby(level=0).first()


def _bucketed(values: np.ndarray | pa.Array, column: Column) -> pd.Series:
    """The bucket of each value, as `distance` cuts the reference; missing stays missing."""
    if column.numbers is not None:
        numbers = column.numbers
        edges = numbers.highs[decile_ends(numbers.counts)] if numbers.total else np.array([])
        rows = pd.Series(values, dtype="float64")
        return pd.Series(np.searchsorted(edges, rows)).where(np.isfinite(rows))
    assert column.names is not None
    assert isinstance(values, pa.Array)
    names = values.to_pandas()
    kept = column.names.names[named_categories(column.names)]
    return names.where(names.isin(kept) | names.isna(), OTHER)


def write_references(examples: Path, predictions: Path, suite: Suite) -> None:
    """Profile the reference of every task that has event time into ``profiles/<task>.json`` beside the predictions.

    Args:
        examples: folder of example tables.
        predictions: folder of prediction tables; its ``profiles`` are replaced whole.
        suite: tasks and monitoring policy.

    Raises:
        MonitoringError: no example tables, or one that breaks its contract.
        StorageError: ``profiles`` cannot be written.
    """
    timed, _ = tasks_with_time(examples, predictions, suite)
    with atomic_folder(predictions / REFERENCES) as folder:
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
        return Reference(profile, written["correlations"], written["dependence"], written["longest_silence_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise MonitoringError(
            f"{path} must be a reference of version {REFERENCE_VERSION}, found {error!r}",
            remedy="profile the reference again with this version of polymart",
        ) from error
