"""Feedback becomes labels: logged predictions with what was done, in the form in which monitoring reads predictions.

Nothing told is no label: a customer of whom nothing was heard is unknown, not a refusal. So rates over these rows
are rates among answers that somebody reacted to, and fit for watching a change rather than for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from polymart.config import Kind
from polymart.data.tables import write_frame
from serving.events.feedback import FEEDBACK, FOLDER
from serving.log.hourly import FILES
from serving.log.reading import read_log

Names = Mapping[str, Sequence[str] | None]
TAKEN = ("bought", "redeemed", "happened")
REFUSED = ("dismissed", "not_happened")
LOGGED = ["prediction_id", "event_timestamp", "task", "household", "campaign_id", "category_id", "prediction",
          "score", "shadow"]  # fmt: skip
COLUMNS = ["example_id", "split", "cluster", "event_timestamp", "label", "prediction", "score"]


def late_labels(log: Path, kinds: Mapping[str, Kind], names: Names) -> dict[str, pd.DataFrame]:
    """Per task, the rows of the prediction log whose label was told, as rows of a predictions table (split ``test``).

    The label of a kind: *binary* 1 (bought, redeemed, happened) or 0 (dismissed, not_happened), of the campaign or
    category ``item`` where the answer tells of several; *multiclass* the prediction where it was confirmed, else the
    ``item`` it was corrected to; *multilabel, tagging and retrieval* the list of all items taken, as positions in the
    label map where the task has one. Of contradicting outcomes the one done last counts. Other kinds have labels
    that no single customer knows: they come with the next batch.

    Args:
        log: folder of the prediction log, with its feedback.
        kinds: kind of each task.
        names: label map of each task that has one.

    Raises:
        ServingError: there is feedback, but no prediction log.
    """
    pairs = _pairs(log)
    labelled = {task: _labels(pairs[pairs["task"] == task], kinds[task], names.get(task)) for task in kinds}
    return {task: rows for task, rows in labelled.items() if len(rows)}


def write_labelled(log: Path, reference: Path, out: Path, kinds: Mapping[str, Kind], names: Names) -> dict[str, int]:
    """Write ``out/<task>.parquet`` of each task with labels: a folder for ``polymart monitor --predictions``.

    Args:
        log: folder of the prediction log, with its feedback.
        reference: prediction tables of the release's evaluation, whose validation rows monitoring compares with. Those
            of a retrieval task are left out: their labels are positions, what is told are ids.
        out: folder of the tables.
        kinds: kind of each task.
        names: label map of each task that has one.

    Returns:
        Labelled rows of each task.
    """
    labelled = late_labels(log, kinds, names)
    for task, rows in labelled.items():
        path = reference / f"{task}.parquet"
        if path.is_file() and kinds[task] != "retrieval":
            known = pd.read_parquet(path, columns=COLUMNS)
            rows = pd.concat([known[known["split"] == "val"], rows], ignore_index=True)
        write_frame(out / f"{task}.parquet", rows)
    return {task: len(rows) for task, rows in labelled.items()}


def _pairs(log: Path) -> pd.DataFrame:
    """Each told outcome beside each row of the prediction that it concerns, in the order in which they were done."""
    folder = log / FOLDER
    if not any(folder.glob(FILES)):
        return pd.DataFrame(columns=[*LOGGED, "key", "outcome", "item"])
    told = read_log(folder, schema=FEEDBACK)
    known = pc.field("prediction_id").isin(pa.array(told["prediction_id"].unique()))
    pairs = read_log(log, LOGGED, known).merge(told, on="prediction_id", suffixes=("", "_told"))
    campaign, category = (pairs[column].astype("Int64") for column in ("campaign_id", "category_id"))
    pairs["key"] = campaign.fillna(category).astype("string")
    same_task = pairs["task_told"].isna() | (pairs["task_told"] == pairs["task"])
    same_entry = pairs["key"].isna() | (pairs["item"] == pairs["key"]).fillna(value=False)
    answered = pairs["shadow"].isna() | (pairs["shadow"] == False)  # noqa: E712 - a column, and null is no shadow
    return pairs[same_task & same_entry & answered].sort_values(["done_timestamp", "event_timestamp_told"])


def _labels(pairs: pd.DataFrame, kind: Kind, names: Sequence[str] | None) -> pd.DataFrame:
    pairs = pairs.assign(example_id=pairs["prediction_id"] + ("-" + pairs["key"]).fillna(""))
    if kind == "binary":
        pairs = pairs[pairs["outcome"].isin([*TAKEN, *REFUSED])]
        labels = pairs["outcome"].isin(TAKEN).astype("int64").groupby(pairs["example_id"]).last()
    elif kind == "multiclass":
        right = pairs["item"].where(pairs["outcome"] == "corrected")
        right = right.where(pairs["outcome"] != "confirmed", pairs["prediction"])
        labels = right.groupby(pairs["example_id"]).last().dropna()
    elif kind in ("multilabel", "tagging", "retrieval"):
        taken = pairs[pairs["outcome"].isin(TAKEN)]
        if names is not None:
            position = {name: number for number, name in enumerate(names)}
            taken = taken.assign(item=taken["item"].map(position).astype("Int64"))
        taken = taken.dropna(subset="item").drop_duplicates(["example_id", "item"]).sort_values("item")
        labels = taken["item"].groupby(taken["example_id"]).agg(list)
    else:
        return pd.DataFrame(columns=COLUMNS)
    rows = pairs.drop_duplicates("example_id").set_index("example_id")
    rows = rows.loc[rows.index.isin(labels.index)]
    rows = rows.assign(split="test", cluster=rows["household"].fillna(rows["prediction_id"]), label=labels)
    return rows.reset_index().assign(prediction=rows["score" if kind == "binary" else "prediction"].to_numpy())[COLUMNS]
