"""The release that a rollback would bring back, asked about windows in which the present one misses its gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.performance import score_rows
from monitoring.schema import WindowReport
from monitoring.task_tables import label_names, load_predictions
from monitoring.window import sample_rows
from polymart.config import Suite, Task
from polymart.data.example_index import read_examples
from polymart.errors import PolymartError

if TYPE_CHECKING:
    import pandas as pd

    from polymart.model.predictor import Predictor


@dataclass(frozen=True)
class PreviousRelease:
    """Scores rows of windows with the previous release's model.

    Attributes:
        fetch: fetches its checkpoint, a verified folder; called when first needed.
        examples: folder of example tables, whose inputs it is given.
        predictions: folder of prediction tables, whose labels it is measured by.
        suite: most rows scored, and the seed of their sample.
    """

    fetch: Callable[[], Path]
    examples: Path
    predictions: Path
    suite: Suite

    @cached_property
    def _predictor(self) -> Predictor:
        from polymart.model.predictor import Predictor  # torch takes seconds to import

        return Predictor.load(self.fetch())

    def performance(self, task: Task, window: WindowReport) -> float | str:
        """Its performance on the window's labelled rows, or why it is unknown: an old release never stops a pass."""
        try:
            return self._performance(task, window)
        except PolymartError as error:
            return f"the previous release's is unknown: {error.message}"

    def _performance(self, task: Task, window: WindowReport) -> float | str:
        theirs = next((one for one in self._predictor.checkpoint.suite.tasks if one.name == task.name), None)
        if theirs is None or (theirs.kind, theirs.label) != (task.kind, task.label):
            return "the previous release has no such task"
        labelled = self._labelled(task, window)
        inputs = read_examples(self.examples, task.name).drop_duplicates("example_id").set_index("example_id")
        known = labelled[labelled["example_id"].isin(inputs.index)].reset_index(drop=True)
        if len(known) < len(labelled):
            return f"the previous release's is unknown: {len(labelled) - len(known)} rows have no example"
        scored = self._scored(theirs, inputs.loc[known["example_id"]].reset_index(), known)
        value = score_rows(task.kind, scored)
        return "the previous release's is undefined on these rows" if value is None else value

    def _labelled(self, task: Task, window: WindowReport) -> pd.DataFrame:
        rows = load_predictions(task, self.predictions, label_names(self.examples, task.name)).current
        times = rows["event_timestamp"]
        inside = rows[(times >= window.start) & (times < window.end) & rows["label"].notna()]
        return sample_rows(inside, self.suite.monitoring.max_rows, self.suite.seed)

    def _scored(self, task: Task, inputs: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
        from polymart.evaluation.scoring import predictions_of

        found = predictions_of(self._predictor, task, inputs)
        return labelled.assign(prediction=found.prediction, score=found.score)
