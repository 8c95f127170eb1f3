"""Fixtures around the synthetic shop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from synthetic_shop import SUITE, make_examples, make_predictions

from polymart.config import Suite


@pytest.fixture
def suite() -> Suite:
    return Suite.from_json(json.dumps(SUITE))


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write the tables, changed by ``change`` first; returns the folders of examples and predictions."""

    def write(change: Callable[[pd.DataFrame], object] | None = None, num_rows: int = 3000) -> tuple[Path, Path]:
        examples = make_examples(num_rows)
        predictions = make_predictions(examples)
        if change is not None:
            changed = change(examples)
            examples = changed if isinstance(changed, pd.DataFrame) else examples
        for folder, table in (("examples", examples), ("predictions", predictions)):
            (tmp_path / folder).mkdir(exist_ok=True)
            table.to_parquet(tmp_path / folder / "units.parquet", coerce_timestamps="us")
        text = examples.head(50)[["example_id", "title", "split"]]
        text.assign(label="a").to_parquet(tmp_path / "examples" / "intent.parquet")
        return tmp_path / "examples", tmp_path / "predictions"

    return write
