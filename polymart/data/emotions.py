"""GoEmotions: comments with all the emotions that their readers saw in them."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, write_frame
from polymart.data.texts import drop_known, one_line
from polymart.errors import TableError

TABLE = "labels/emotion"
SPLITS = {"train": "train", "dev": "val", "test": "test"}
"""Published file -> split."""


def write_comments(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/emotion``; see `read_comments`."""
    names = Path(source_file(source, "labels.txt", "goemotions")).read_text().split()
    write_frame(tables / f"{TABLE}.parquet", read_comments(source, len(names), rules))
    return {"emotion": {"labels": names}}


def read_comments(folder: Path, num_labels: int, rules: Rules) -> pd.DataFrame:
    """Comments with the positions of their emotions in ``labels.txt``.

    Returns:
        example_id, text, label (distinct positions, ascending), split: as published, but a comment of the training
        file that stands word for word in another file is dropped.

    Raises:
        TableError: a file is missing, or a line has not the three fields text, positions and id.
    """
    train, val, test = (_read(folder, name, num_labels) for name in SPLITS)
    train = drop_known(train, pd.concat([val.text, test.text]), TABLE, rules)
    frame = pd.concat([train, val, test], ignore_index=True)
    return frame.sort_values("example_id", ignore_index=True)


def _read(folder: Path, name: str, num_labels: int) -> pd.DataFrame:
    path = source_file(folder, f"{name}.tsv", "goemotions")
    try:
        columns = ["text", "label", "example_id"]
        frame = pd.read_csv(
            path, sep="\t", header=None, names=columns, dtype=str, quoting=csv.QUOTE_NONE, keep_default_na=False
        )
        frame["label"] = [sorted({int(position) for position in positions.split(",")}) for positions in frame.label]
    except ValueError as error:
        raise TableError(
            f"source goemotions: {path} breaks the form 'text<TAB>positions<TAB>id': {error}",
            remedy="give the files of GoEmotions as published",
        ) from error
    _check_positions(frame, path, num_labels)
    frame["text"] = one_line(frame.text)
    return frame.assign(split=SPLITS[name])[["example_id", "text", "label", "split"]]


def _check_positions(frame: pd.DataFrame, path: str, num_labels: int) -> None:
    foreign = frame[frame.label.map(lambda positions: positions[0] < 0 or positions[-1] >= num_labels)]
    if len(foreign):
        raise TableError(
            f"source goemotions: {path} names the emotions {foreign.label.iloc[0]} in line {foreign.index[0] + 1}, "
            f"but labels.txt has the positions 0 to {num_labels - 1}",
            remedy="give labels.txt of the same release, one name a line",
        )
