"""Watched columns: text turned into numbers, numbers into buckets of the reference.

Evidently's PSI cuts numbers into equal widths over both sides together, so that a single far outlier puts all
other rows into one bucket and hides any shift. Here numbers are cut at the reference's deciles first, and
Evidently computes PSI over the named buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from monitoring.schema import ColumnKind
from polymart.config import Task

MAX_CATEGORIES = 20
"""Categories of the reference kept by name; the rest share one bucket, so that rare ones add no noise."""
TEXT_COLUMNS = ("text_length", "text_unseen_share")
# Evidently puts values unescaped into a script of its page, so a value could end that script.
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "&": "+", "\\": "/"})


def add_text_columns(task: Task, reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add ``text_length`` (words) and ``text_unseen_share`` (0 to 1) where the task reads a text.

    The vocabulary comes from the training rows; the reference of the unseen share is the validation rows alone,
    since no word of a training row can be unseen.
    """
    column = task.inputs.text
    if column is None or column not in reference or column not in current:
        return reference, current
    vocabulary = {
        word
        for text in reference.loc[reference["split"] == "train", column].dropna().unique()
        for word in str(text).lower().split()
    }
    reference, current = (_with_text(rows, column, vocabulary) for rows in (reference, current))
    reference.loc[reference["split"] == "train", "text_unseen_share"] = np.nan
    return reference, current


def _with_text(rows: pd.DataFrame, column: str, vocabulary: set[str]) -> pd.DataFrame:
    def measure(text: object) -> tuple[float, float]:
        words = str(text).lower().split()
        return len(words), sum(word not in vocabulary for word in words) / max(1, len(words))

    # Each unique text is measured once: a catalogue's texts repeat over and over.
    measured = {text: measure(text) for text in rows[column].dropna().unique()}
    nothing = (np.nan, np.nan)
    values = [measured.get(text, nothing) if isinstance(text, str) else nothing for text in rows[column]]
    return rows.assign(**{name: [value[i] for value in values] for i, name in enumerate(TEXT_COLUMNS)})


def watched_kinds(task: Task) -> dict[str, ColumnKind]:
    """Input columns of a task that are watched, with their kind; the prediction score comes last."""
    kinds: dict[str, ColumnKind] = dict.fromkeys(task.inputs.numeric, "numeric")
    kinds |= dict.fromkeys(task.inputs.categorical, "categorical")
    if task.inputs.text is not None:
        kinds |= dict.fromkeys(TEXT_COLUMNS, "text")
    return kinds | {"score": "score"}


def clean(values: pd.Series, kind: ColumnKind) -> pd.Series:
    """Numbers as float with everything else missing, or categories as harmless text."""
    if kind == "categorical":
        return values.where(values.isna(), values.astype(str).str.translate(_HARMLESS))
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


@dataclass(frozen=True)
class Buckets:
    """Named buckets of one column, learned from the reference.

    Attributes:
        edges: ascending upper bounds, inclusive, for numbers; the last bucket is open.
        names: kept categories, for categorical columns.
    """

    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def fit(cls, reference: pd.Series, kind: ColumnKind) -> Buckets:
        """Learn deciles or the most frequent categories from cleaned reference values."""
        values = reference.dropna()
        if kind == "categorical":
            return cls(names=tuple(values.value_counts().index[:MAX_CATEGORIES]))
        return cls(edges=tuple(sorted(set(np.quantile(values, np.arange(1, 10) / 10).tolist()))))

    @property
    def num_buckets(self) -> int:
        return len(self.names) + 1 if self.names else len(self.edges) + 1

    def assign(self, values: pd.Series) -> pd.Series:
        """The bucket name of each cleaned value; missing stays missing."""
        if self.names:
            return values.where(values.isin(self.names) | values.isna(), "(other)")
        labels = [f"{i:02d}: up to {edge:.4g}" for i, edge in enumerate(self.edges)]
        labels.append(f"{len(self.edges):02d}: above {self.edges[-1]:.4g}")
        return pd.cut(values, [-np.inf, *self.edges, np.inf], labels=labels).astype(object)
