"""Text drift: number of words, share of words never seen in training, language."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from monitoring.schema import Signal
from monitoring.signals.language import language_of
from monitoring.signals.means import compare_means
from monitoring.signals.rows import Found, Rows
from monitoring.signals.shares import compare_shares
from polymart.config import Task

WORDS_FLOOR = 0.2
"""Change of the mean number of words that matters, relative to the reference."""
UNSEEN_FLOOR = 0.05
"""Rise of the share of unseen words that matters."""
_WORD = re.compile(r"\w+")


def watch_text(task: Task, rows: Rows) -> Iterator[Found]:
    """Signals of the task's texts.

    Args:
        task: with one or two text inputs.
        rows: example rows; ``split`` tells the training rows, which make the vocabulary.
    """
    for column in (task.inputs.text, task.inputs.text_pair):
        if column is not None and rows.has(column):
            yield from _watch_column(task.name, column, rows)


def _watch_column(task: str, column: str, rows: Rows) -> Iterator[Found]:
    train = rows.reference["split"] == "train"
    vocabulary = {
        word for text in rows.reference.loc[train, column].dropna().unique() for word in _WORD.findall(text.lower())
    }
    measured = rows.map(lambda part: _measured(part, column, vocabulary))
    words = measured.reference["words"].mean()
    tests = (
        ("words", compare_means(measured, "words", WORDS_FLOOR * words)),
        ("unseen words", compare_means(measured.held_out, "unseen", UNSEEN_FLOOR)),
        ("language", compare_shares(measured, "language")),
    )
    for name, changes in tests:
        for number, change in changes:
            yield number, Signal(name=name, kind="text", task=task, column=column, **change._asdict())


def _measured(rows: pd.DataFrame, column: str, vocabulary: set[str]) -> pd.DataFrame:
    """``rows`` with words, unseen and language; each distinct text is measured once."""
    texts = rows[column].dropna().astype(str)
    measured = {text: _measure(text, vocabulary) for text in texts.unique()}
    found = pd.DataFrame([measured[text] for text in texts], index=texts.index, columns=["words", "unseen", "language"])
    return rows.drop(columns=column).join(found)


def _measure(text: str, vocabulary: set[str]) -> tuple[float, float, str]:
    words = _WORD.findall(text.lower())
    unseen = sum(word not in vocabulary for word in words) / len(words) if words else float("nan")
    return float(len(words)), unseen, language_of(text)
