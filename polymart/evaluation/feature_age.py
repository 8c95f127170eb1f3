"""How old the newest features are when the newest label is decided: features that stopped being updated show here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from polymart.config import Suite
from polymart.data.examples import read_examples, read_examples_index
from polymart.evaluation.records import FeatureAge


def feature_ages(examples: Path, suite: Suite) -> list[FeatureAge]:
    """One age for each feature table that a source of labels reads; none for tasks without a feature service.

    The newest row of the whole feature table counts, not that of each entity: a household that stays away has old
    features for good reason, a table without any new row was not updated.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``, which tells the newest rows.
        suite: its tasks; those without examples are left out.
    """
    index, ages = read_examples_index(examples), {}
    for task in suite.tasks:
        if task.name not in index.tasks:
            continue
        for table, newest in index.tasks[task.name].newest_features.items():
            decided = read_examples(examples, task.name, ["event_timestamp"])["event_timestamp"].max()
            label = pd.Timestamp(decided).tz_localize("UTC").to_pydatetime()
            ages[task.source, table] = FeatureAge(
                source=task.source,
                features=table,
                newest_label=label,
                newest_feature=newest,
                age_days=(label - newest).total_seconds() / 86_400,
            )
    return list(ages.values())
