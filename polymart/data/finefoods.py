"""Amazon Fine Foods reviews, read from the lazy-load database of an R package (no R needed).

An R package keeps its data sets in ``Rdata.rdb``, one compressed block each; ``Rdata.rdx`` (gzip) tells where each
begins. Both are plain data: reading them runs no code (docs/adr/0005-food-reviews-from-an-r-package.md).
"""

from __future__ import annotations

import gzip
import lzma
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, unit_hash, write_frame
from polymart.data.texts import VAL_SHARE, drop_known, drop_repeated, one_line
from polymart.errors import TableError

TABLE = "labels/review_quality"
SCORES = ["great", "other"]
DATASETS = {"training_data": "train", "testing_data": "test"}
"""Data set of the package -> split."""
BLOCK_HEADER = 5
"""Bytes before a block: its size when unpacked, and ``Z`` for xz."""
XZ = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
"""The filter with which R writes a block of the kind ``Z``; it leaves out xz's own header."""


def write_food_reviews(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/review_quality``; see `read_food_reviews`."""
    write_frame(tables / f"{TABLE}.parquet", read_food_reviews(source, rules))
    return {"review_quality": {"labels": SCORES}}


def read_food_reviews(folder: Path, rules: Rules) -> pd.DataFrame:
    """Reviews of food with the buyer's verdict.

    Returns:
        example_id, product, text, label (great: five stars; other: fewer), split: the package's test set; a tenth of
        the products in its training set, by a stable hash, is val. A training review that stands word for word in
        the test set is dropped.

    Raises:
        TableError: a file is missing or is no lazy-load database with the two data sets.
    """
    test, train = (_reviews(folder, name) for name in ("testing_data", "training_data"))
    frame = pd.concat([drop_known(train, test.text, TABLE, rules), test], ignore_index=True)
    frame = drop_repeated(frame, TABLE, rules)
    held_out = frame.split.eq("train") & frame["product"].map(lambda name: unit_hash("finefoods", name) < VAL_SHARE)
    frame.loc[held_out, "split"] = "val"
    return frame.sort_values("example_id", ignore_index=True)


def _reviews(folder: Path, name: str) -> pd.DataFrame:
    raw = _read_dataset(folder, name)
    return pd.DataFrame(
        {
            "example_id": [f"{DATASETS[name]}-{number:04d}" for number in range(len(raw))],
            "product": raw["product"].astype(str),
            "text": one_line(raw["review"].astype(str).str.replace("<br />", " ")),
            "label": raw["score"].astype(str),
            "split": DATASETS[name],
        }
    )


def _read_dataset(folder: Path, name: str) -> pd.DataFrame:
    """One data set of the database in ``folder``."""
    index, blocks = (Path(source_file(folder, file, "finefoods")).read_bytes() for file in ("Rdata.rdx", "Rdata.rdb"))
    try:
        first, length = (int(number) for number in _from_r(gzip.decompress(index))["variables"][name])
        block = blocks[first + BLOCK_HEADER : first + length]
        return _from_r(lzma.decompress(block, format=lzma.FORMAT_RAW, filters=XZ))[["product", "review", "score"]]
    except (gzip.BadGzipFile, EOFError, lzma.LZMAError, KeyError, ValueError, NotImplementedError) as error:
        raise TableError(
            f"source finefoods: {folder} holds no readable data set {name!r}: {error}",
            remedy="delete that folder and run: polymart data fetch finefoods",
        ) from error


def _from_r(content: bytes) -> Any:
    """A value in R's serialisation; read here alone, so that nobody else pays for the import."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tibbles are read as the data frames that they are
        return rdata.conversion.convert(rdata.parser.parse_data(content))
