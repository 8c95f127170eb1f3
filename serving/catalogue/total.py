"""The denominator of the softmax over the catalogue, without scoring the catalogue.

A product's score is its share of exp(logit) over all products. The neighbours that the index found are summed
exactly; the rest is estimated from a fixed sample of texts, drawn by popularity (Mussmann & Ermon, "Learning and
inference via maximum inner product search", ICML 2016)::

    Z = sum_{t in found} w_t exp(s cos_t) + (W - sum_{t in found} w_t) * mean_{t in sample, not found} exp(s cos_t)

w_t: sum of exp(bias) over the products of text t; W: sum of all w_t; s: the head's scale; cos_t: the cosine of query
and text. The sample is systematic (every W/S-th unit of popularity), so one household always gets the same answer.

Shape suffixes: V unique texts, D width, K texts found, S sample.
"""

from __future__ import annotations

import numpy as np

SAMPLE = 1024


class Total:
    """Estimates Z of the module's formula; exact where the index finds every text."""

    def __init__(self, mass_V: np.ndarray, vectors_VD: np.ndarray, scale: float) -> None:
        self.mass_V, self.scale, self.mass = mass_V, scale, float(mass_V.sum())
        middles_S = (np.arange(SAMPLE) + 0.5) / SAMPLE * self.mass
        self.sample_S = np.searchsorted(np.cumsum(mass_V), middles_S).clip(max=len(mass_V) - 1)
        self.sampled_SD = vectors_VD[self.sample_S]

    def __call__(self, query_D: np.ndarray, texts_K: np.ndarray, cosine_K: np.ndarray) -> float:
        """Z for a query whose cosines with the distinct texts found are known."""
        found = float(self.mass_V[texts_K] @ np.exp(self.scale * cosine_K.astype(np.float64)))
        unfound_S = ~np.isin(self.sample_S, texts_K)
        if not unfound_S.any():
            return found
        rest = self.mass - float(self.mass_V[texts_K].sum())
        cosine_S = (self.sampled_SD @ query_D)[unfound_S]  # choosing vectors first would copy them
        return found + rest * float(np.exp(self.scale * cosine_S.astype(np.float64)).mean())
