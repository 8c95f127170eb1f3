"""A bank's support documents and customers' questions with the documents that an agent needs to answer them."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, unit_hash, write_frame
from polymart.errors import TableError

KEY = "retail_kb"
OPENING = re.compile(r'(?:opening|start)[^"“]{0,120}["“]([^"”]{40,})["”]', re.IGNORECASE)
"""The words with which a scenario lets its customer begin; anything shorter is a name, not a question."""
TRAIN_UNTIL, VAL_UNTIL = 0.4, 0.6


def write_support(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``items/support_documents`` and ``labels/answer``."""
    documents = read_documents(source)
    write_frame(tables / "items/support_documents.parquet", documents)
    write_frame(tables / "labels/answer.parquet", read_needs(source, documents, rules))
    return {"answer": {"labels": None, "items": "support_documents"}}


def read_documents(folder: Path) -> pd.DataFrame:
    """The knowledge base.

    Returns:
        item_id (ascending) and text: title and content of a document.

    Raises:
        TableError: the file is missing or is no list of documents with id, title and content.
    """
    rows = [(d["id"], _words(f"{d['title']}. {d['content']}")) for d in _read_json(folder, "documents.json.gz")]
    return pd.DataFrame(sorted(rows), columns=["item_id", "text"])


def read_needs(folder: Path, documents: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """What customers ask, and which documents it takes to help them.

    The query is what the customer says first, as the scenario quotes it. The rest of a scenario directs the talk: it
    names products that only the documents give away, and is not read. A task whose scenario quotes no beginning is
    left out.

    Returns:
        example_id, text, label (positions in ``documents``, ascending), split (shares of the distinct texts, since some
        customers begin with the same words, in the order of a stable hash).

    Raises:
        TableError: the file is missing or breaks its form, or a task needs a document that does not exist.
    """
    tasks = _read_json(folder, "tasks.json")
    position = {item: number for number, item in enumerate(documents.item_id)}
    try:
        rows = [
            (task["id"], _query(task["user_scenario"]["instructions"]), _positions(task, position)) for task in tasks
        ]
    except KeyError as error:
        raise TableError(
            f"source {KEY}: a task of tasks.json lacks the key or needs the document {error}", remedy=_REMEDY
        ) from error
    frame = pd.DataFrame(rows, columns=["example_id", "text", "label"])
    kept = frame[frame.text.notna() & frame.label.map(bool)].copy()
    rules.add("labels/answer", "a scenario quotes how its customer begins, and needs a document", len(frame), len(kept))
    kept["split"] = kept.text.map(_splits(kept.text))
    return kept.sort_values("example_id", ignore_index=True)


_REMEDY = f"delete that folder and run: polymart data fetch {KEY}"


def _query(scenario: str) -> str | None:
    opening = OPENING.search(scenario)
    return _words(opening.group(1)) if opening else None


def _positions(task: dict[str, Any], position: dict[str, int]) -> list[int]:
    return sorted({position[item] for item in task["required_documents"]})


def _splits(texts: pd.Series) -> dict[str, str]:
    order = sorted(texts.unique(), key=lambda text: unit_hash("answer", text))
    places = ((text, number / len(order)) for number, text in enumerate(order))
    return {text: "train" if place < TRAIN_UNTIL else "val" if place < VAL_UNTIL else "test" for text, place in places}


def _words(text: str) -> str:
    return " ".join(text.split())


def _read_json(folder: Path, name: str) -> list[dict[str, Any]]:
    path = Path(source_file(folder, name, KEY))
    try:
        content = path.read_bytes()
        return list(json.loads(gzip.decompress(content) if path.suffix == ".gz" else content))
    except (OSError, ValueError, EOFError) as error:
        raise TableError(f"source {KEY}: {path} cannot be read as a JSON list: {error}", remedy=_REMEDY) from error
