"""Thresholds of drift: how far two samples of one distribution lie apart by chance, and from where it matters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, kstwobign

PSI_THRESHOLD = 0.2
"""The customary bound of a major shift (0.1 is a minor one)."""
KS_THRESHOLD = 0.2
"""Distance of two distribution functions from which a shift is major."""
CHANCE = 0.001
"""Share of windows in which a column that did not move may pass its threshold by chance."""
_LEAST_SHARE = 1e-4


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Population stability index of two counts over the same buckets, 0 or more; an empty bucket counts as 0.01 %."""
    p, q = (np.asarray(side, dtype=np.float64) for side in (reference, current))
    p, q = (np.maximum(side / side.sum(), _LEAST_SHARE) for side in (p, q))
    return float(((p - q) * np.log(p / q)).sum())


def psi_threshold(num_buckets: int, num_reference: int, num_current: int) -> float:
    """The PSI from which a column counts as drifted.

    Of two samples from one distribution, PSI over B buckets is about chi-square(B - 1) x (1/n + 1/m): a small
    window exceeds any fixed bound by chance. So the bound is the larger of 0.2 and that law's 99.9 % quantile.

    Args:
        num_buckets: buckets, at least 1.
        num_reference: independent observations in the reference, at least 1.
        num_current: independent observations in the window, at least 1.
    """
    noise = float(chi2.ppf(1 - CHANCE, max(1, num_buckets - 1))) * (1 / num_reference + 1 / num_current)
    return max(PSI_THRESHOLD, noise)


def ks_threshold(num_reference: int, num_current: int) -> float:
    """The distance of two distribution functions from which a column counts as drifted.

    The larger of 0.2 and the 99.9 % quantile of Kolmogorov's law; arguments as in `psi_threshold`.
    """
    noise = float(kstwobign.ppf(1 - CHANCE)) * (1 / num_reference + 1 / num_current) ** 0.5
    return max(KS_THRESHOLD, noise)
