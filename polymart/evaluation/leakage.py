"""Is a label given away? Three probes that train nothing but trees of one column and linear heads.

- ``feature_alone``: a column that predicts the label almost perfectly by itself (`polymart.evaluation.single_feature`);
- ``shuffled_labels``: heads trained on shuffled labels must fall to the floor;
- ``shifted_labels``: features must know the past better than the future (both
  `polymart.evaluation.negative_controls`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from polymart.config import Suite, Task
from polymart.data.examples import read_examples
from polymart.evaluation.negative_controls import SHIFT_METRICS, labels_before, shifted_labels, shuffled_labels
from polymart.evaluation.records import LeakageFinding
from polymart.evaluation.single_feature import feature_alone
from polymart.model.predictor import Predictor

ROWS = 4000
"""Rows that are drawn of each split, with the suite's seed."""
TEXTS = 200
"""The same where nearly every row has a text of its own: each costs a pass through the trunk."""


def find_leaks(examples: Path, task: Task, predictor: Predictor, suite: Suite) -> list[LeakageFinding]:
    """All that the probes found on one task; a probe that does not apply leaves no finding.

    Retrieval tasks have no linear head, hence neither control. Labels are shifted only where the same entity is
    decided again and again: a task with a feature service, whose rows have a label window, of a kind in
    `SHIFT_METRICS`, with twice ``gates.min_examples`` such training rows.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        task: the task as the suite defines it.
        predictor: the candidate; its trunk encodes the texts.
        suite: seed, number of resamples and smallest number of examples.
    """
    frame = read_examples(examples, task.name)
    train, test = (frame[frame["split"] == split] for split in ("train", "test"))
    findings = feature_alone(
        task, _drawn(train, ROWS, suite), _drawn(test, ROWS, suite), predictor.checkpoint.tasks[task.name].labels
    )
    if task.kind != "retrieval":
        size = _affordable(task, frame)
        findings.append(
            shuffled_labels(task, predictor, _drawn(train, size, suite), _drawn(test, size, suite), suite.seed)
        )
    if task.feature_service and task.kind in SHIFT_METRICS and "label_end" in frame:
        findings += _shifted(task, predictor, frame, suite)
    return findings


def _shifted(task: Task, predictor: Predictor, frame: pd.DataFrame, suite: Suite) -> list[LeakageFinding]:
    """Training rows alone, halved by cluster: a join reads late in every period, and features that were not updated in
    the last one look as if they did not know the past."""
    frame = frame.assign(label_before=labels_before(task, frame))
    frame = frame[frame["split"].eq("train") & frame["label_before"].notna()]
    half = pd.factorize(frame[task.cluster])[0] % 2
    learnt, scored = (_drawn(frame[half == number], _affordable(task, frame), suite) for number in (0, 1))
    parts = [rows[column] for rows in (learnt, scored) for column in (task.label, "label_before")]
    if min(len(learnt), len(scored)) < suite.gates.min_examples or min(part.nunique() for part in parts) < 2:
        return []
    return [shifted_labels(task, predictor, learnt, scored, suite)]


def _affordable(task: Task, frame: pd.DataFrame) -> int:
    texts = [column for column in (task.inputs.text, task.inputs.text_pair) if column]
    return TEXTS if any(frame[column].nunique() > 2 * TEXTS for column in texts) else ROWS


def _drawn(rows: pd.DataFrame, size: int, suite: Suite) -> pd.DataFrame:
    return rows.sample(min(size, len(rows)), random_state=suite.seed)
