"""Frozen values: rows are compared with the row before of whom they are about."""

import numpy as np
import pandas as pd
import pytest
from signal_shop import NEWEST, SPANS, TASK, make_rows, moved, since, watched

from monitoring.signals.frozen import watch_frozen
from monitoring.signals.rows import Rows, cut

DAYS = SPANS[0].end - SPANS[0].start


def alternating(rows: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Rows about a household and one of two categories, whose count is nearly fixed for each of both.

    In the chosen rows a household comes with one category only: the number from row to row is the same then, though
    nothing stands still.
    """
    order = rows.groupby("household_id").cumcount()
    rows = rows.assign(category_id=np.where(chosen, 0, order % 2))
    usual = 10 * rows["category_id"] + rows["household_id"] % 5
    return rows.assign(visits=(usual + (order % 4 == 0)).astype(float))


def stuck(rows: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The same household and category, and the pipe stands still."""
    order = rows.groupby("household_id").cumcount()
    rows = rows.assign(category_id=order % 2)
    return rows.assign(visits=np.where(chosen, 10.0 * rows["category_id"], rows["visits"] + 10 * rows["category_id"]))


@pytest.mark.parametrize(("change", "named"), [(alternating, False), (stuck, True)])
def test_rows_are_compared_with_those_of_the_same_entities(change, named):
    assert ("unchanged values of visits" in moved(watched(change)[NEWEST])) == named


def test_entities_that_never_come_back_leave_the_cluster():
    """Each campaign reaches a household once; what the household brings along can still stand still."""
    rows = make_rows()
    rows = rows.assign(campaign_id=np.arange(len(rows)), visits=rows["visits"].where(~since(rows, 2), 3.0))
    reference, current = (rows[rows["split"].eq("test") == test] for test in (False, True))
    found = watch_frozen(TASK, Rows.of(reference, cut(current, SPANS), DAYS.days))
    assert any(signal.moved and signal.column == "visits" for number, signal in found if number == NEWEST)
