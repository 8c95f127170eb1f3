"""Support questions, and what the readers of other texts share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, unit_hash, write_frame
from polymart.errors import TableError

VAL_SHARE = 0.1


def write_questions(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/intent``; see `read_questions`."""
    questions = read_questions(source, rules)
    write_frame(tables / "labels/intent.parquet", questions)
    return {"intent": {"labels": sorted(questions.label.unique())}}


def read_questions(folder: Path, rules: Rules) -> pd.DataFrame:
    """Support questions with their intent.

    Returns:
        example_id, text, label (intent name), split: the given test file; a tenth of the train file, by a stable
        hash of the text, is val. A train question that stands in the test file too is dropped.

    Raises:
        TableError: a file is missing or lacks the columns text and category.
    """
    test, train = (_read_csv(folder, name) for name in ("test", "train"))
    fresh = drop_known(train, test.text, "labels/intent", rules)
    frame = pd.concat([fresh, test], ignore_index=True)
    frame = drop_repeated(frame, "labels/intent", rules)
    held_out = frame.split.eq("train") & frame.text.map(lambda text: unit_hash("intent", text) < VAL_SHARE)
    frame.loc[held_out, "split"] = "val"
    return frame.sort_values("example_id", ignore_index=True)


def _read_csv(folder: Path, name: str) -> pd.DataFrame:
    path = source_file(folder, f"{name}.csv", "banking77")
    try:
        frame = pd.read_csv(path, usecols=["text", "category"], dtype=str, keep_default_na=False)
    except ValueError as error:
        raise TableError(
            f"source banking77: {path} lacks the columns text, category: {error}",
            remedy="give the two files of BANKING77 as published",
        ) from error
    frame = frame.rename(columns={"category": "label"})
    frame["text"] = one_line(frame.text)
    frame.insert(0, "example_id", [f"{name}-{number:05d}" for number in range(len(frame))])
    return frame.assign(split=name)


def one_line(texts: pd.Series) -> pd.Series:
    """Texts with one space for each run of white space."""
    return texts.str.split().str.join(" ")


def drop_repeated(frame: pd.DataFrame, table: str, rules: Rules) -> pd.DataFrame:
    """Rows whose ``text`` is not empty and stands in no earlier row."""
    kept = frame[frame.text.ne("") & ~frame.text.duplicated()].copy()
    rules.add(table, "texts are not empty and none is repeated: the first stays", len(frame), len(kept))
    return kept


def drop_known(train: pd.DataFrame, held_out: pd.Series, table: str, rules: Rules) -> pd.DataFrame:
    """Training rows whose ``text`` is none of the ``held_out`` texts."""
    kept = train[~train.text.isin(held_out)]
    rules.add(table, "a training text does not stand in the files held out", len(train), len(kept))
    return kept
