"""A table of your own, named in a suite."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polymart.config.base import Frozen, Origin


class Join(Frozen):
    """A further file whose columns are added to each row of a table."""

    file: str
    by: list[str] = Field(min_length=1)
    """Columns of both files that identify a row of this one."""


class Table(Frozen):
    """A table of your own, which becomes the task's label table; docs/your-own-data.md has whole examples.

    Files are csv, tsv or parquet, absolute or below ``POLYMART_EXTRA_DATA``. Columns are read as the task's inputs,
    label, group and cluster name them; ``example_id`` (else rows are numbered), ``event_timestamp``, ``label_end`` and
    ``split`` are read where they exist.
    """

    file: str | dict[Literal["train", "val", "test"], str]
    """The file, or one file of each split."""
    join: list[Join] = []
    """Files whose columns are added, e.g. the texts of queries and products that the rows name by id."""
    columns: dict[str, str] = {}
    """Name in the suite -> name in the file, where they differ."""
    header: list[str] = []
    """Names of the columns of a csv or tsv without a header line."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """What stands between the fields; none takes the comma for .csv and the tabulator for .tsv."""
    quotes: bool = True
    """Whether a double quote opens a field that may hold the delimiter; false reads it as a letter."""
    labels: dict[str, int | float | str] = {}
    """Label in the file -> label of the task, e.g. ``{Exact: 3, Irrelevant: 0}``; empty takes labels as they are."""
    tag_delimiter: str = Field(",", min_length=1)
    """What stands between the labels of one row (tagging, multilabel)."""
    data_origin: Origin
    """Where the numbers come from; shown next to every figure."""
    licence: str = Field(min_length=1)
    note: str = ""
