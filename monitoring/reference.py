"""What a task's windows are compared with: profiled once, kept with the release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitoring.columns import examples_source, predictions_source
from monitoring.left_out import tasks_with_time
from monitoring.profile import Column, Profile, observations, profile_rows
from monitoring.profile.scan import TEXT_UNSEEN, TEXT_WORDS
from monitoring.profile.source import longest_silence_s
from monitoring.samples import correlations_of, dependence_of, draw, scores_of, words_of
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
    most = suite.monitoring.max_rows
    rows = draw(source, profile, most)
    correlations, dependence = correlations_of(rows), {}
    if TEXT_UNSEEN in profile.columns:  # the training rows know all their words, so they say nothing of how these vary
        unseen = correlations_of(draw(examples_source(task, table, ("val",)), profile, most))
        correlations[TEXT_UNSEEN] = unseen.get(TEXT_UNSEEN, 0.0)
    score_source = predictions_source(scored, REFERENCE_SPLITS["predictions"]) if scored.is_file() else None
    scores = profile_rows(score_source) if score_source else None
    if score_source and scores and scores.rows:
        profile = replace(profile, columns={**profile.columns, **scores.columns})
        correlations |= correlations_of(draw(score_source, scores, most))
        dependence = dependence_of(rows, scores_of(score_source))
    return Reference(profile, correlations, dependence, longest_silence_s(source) if source.time else 0.0)


def _profile_inputs(task: Task, table: Path) -> Profile:
    """No word of a training row can be unseen, so the share of unseen words is that of the validation rows."""
    train = profile_rows(examples_source(task, table, ("train",)))
    val = profile_rows(examples_source(task, table, ("val",)), words_of(train))
    columns = {name: Column.merged([column, val.columns[name]]) for name, column in train.columns.items()}
    columns |= {name: val.columns[name] for name in (TEXT_UNSEEN,) if name in val.columns}
    columns |= {name: train.columns[name] for name in (TEXT_WORDS,) if name in train.columns}
    return Profile(train.rows + val.rows, columns)


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
