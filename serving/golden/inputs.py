"""Golden requests of the endpoints that are given their inputs: texts of the example tables."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from serving.contract import MAX_TEXT, MAX_TOP
from serving.golden.records import Golden, Reference, named_scores
from serving.scoring import is_text_only


def understand(reference: Reference, task: str, frame: pd.DataFrame) -> Iterator[Golden]:
    """Texts of the table, with the scores of every text-only task: none may spoil another's."""
    predictor, names = reference.predictor, [other.name for other in reference.tasks if is_text_only(other)]
    for text in frame[predictor.columns(task)[0]].dropna().map(str.strip).unique():
        if 0 < len(text) <= MAX_TEXT:
            frames = {name: pd.DataFrame({predictor.columns(name)[0]: [text]}) for name in names}
            expected = {name: named_scores(predictor.answer(name, one, MAX_TOP)[0]) for name, one in frames.items()}
            yield Golden("understand", {"text": text, "top": MAX_TOP}, expected)
