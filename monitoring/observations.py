"""How alike rows of one event time are, which tells how many independent observations stand behind a column.

Rows are not independent. Rows of one cluster (a household, a series) repeat each other, and rows of one event time
share what happened then: a campaign's start, a week of the year. Counting rows would make every window "drift"
that merely holds another campaign. So clusters are counted, and rows are divided by the design effect
1 + (m - 1) rho (Kish 1965): m rows per event time, rho the intraclass correlation of the column's buckets. The count is
`monitoring.profile.observations`; rho comes from here.
"""

from __future__ import annotations

import pandas as pd


def intraclass_correlation(buckets: pd.Series, groups: pd.Series) -> float:
    """Share of the buckets' variance that lies between groups, 0 to 1 (one-way analysis of variance).

    Args:
        buckets: bucket names without missing values.
        groups: the group (event time) of each value.

    Returns:
        1 for a single group of several rows: what lies between groups is then unknown.
    """
    sizes = groups.value_counts()
    num_rows, num_groups = len(groups), len(sizes)
    if num_groups < 2 or num_groups == num_rows:
        return float(num_rows > num_groups)
    shares = pd.get_dummies(buckets).astype("float64")
    means = shares.groupby(groups).transform("mean")
    within = float(((shares - means) ** 2).to_numpy().sum()) / (num_rows - num_groups)
    between = float(((means - shares.mean()) ** 2).to_numpy().sum()) / (num_groups - 1)
    typical_size = (num_rows - float((sizes**2).sum()) / num_rows) / (num_groups - 1)
    total = between + (typical_size - 1) * within
    return min(1.0, max(0.0, (between - within) / total)) if total > 0 else 0.0
