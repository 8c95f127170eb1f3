"""Several tests at once without finding something by their number alone."""

from __future__ import annotations

import numpy as np


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p values of Holm's step-down procedure, in the order given.

    Rejecting where the adjusted value lies below alpha keeps the chance of even one false rejection below alpha,
    whatever the dependence between the tests. The smallest of m values is multiplied by m, the next by m - 1 and so
    on; a value is never adjusted below a smaller one, nor above 1. NaN stays NaN and counts as a test.

    S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    p_M = np.asarray(p_values, float)
    order_M = np.argsort(p_M)  # NaN comes last
    steps_M = np.maximum.accumulate(p_M[order_M] * np.arange(len(p_M), 0, -1))
    adjusted_M = np.empty_like(p_M)
    adjusted_M[order_M] = np.minimum(steps_M, 1.0)
    return [float(p) for p in adjusted_M]
