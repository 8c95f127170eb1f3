"""Names and how often each came; beyond a limit, a sample of the names that any shard draws alike.

Of more names than the limit those with the smallest digests are kept (Cohen and Kaplan's bottom-k sample), and the rest
is pooled. A name among the smallest of the union is among the smallest of every part that holds it: so merged parts
equal the tally of the union.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

_ALL = float(2**64)


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts by name.

    Attributes:
        limit: names kept at most.
        digests: 64-bit digest of each kept name, ascending.
        counts: how often each kept name came.
        names: the kept names in the same order; empty where only digests are kept (customers, event times).
        other: how often all other names came together.
    """

    limit: int
    digests: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]
    names: npt.NDArray[np.object_]
    other: int = 0

    @classmethod
    def of(cls, names: Any, counts: Any, limit: int, *, named: bool = True) -> Tally:
        """Tally distinct names.

        Args:
            names: distinct names, as an array of texts or of integers.
            counts: how often each came.
            limit: names to keep.
            named: keep the names, not the digests alone.
        """
        return cls.of_digests(digests(names), counts, limit, names if named else None)

    @classmethod
    def of_digests(cls, keys: Any, counts: Any, limit: int, names: Any = None) -> Tally:
        """Tally digests of distinct names; see `of`."""
        keys, counts = np.asarray(keys, dtype=np.uint64), np.asarray(counts, dtype=np.int64)
        smallest = np.argpartition(keys, limit)[:limit] if len(keys) > limit else np.arange(len(keys))
        kept = smallest[np.argsort(keys[smallest], kind="stable")]
        texts = np.empty(0, dtype=object) if names is None else np.asarray(names, dtype=object)[kept]
        return cls(limit, keys[kept], counts[kept], texts, int(counts.sum() - counts[kept].sum()))

    @classmethod
    def merged(cls, parts: Iterable[Tally]) -> Tally:
        """The counts of all parts together; the parts share a limit."""
        parts = list(parts)
        keys, first, where = np.unique(
            np.concatenate([part.digests for part in parts]), return_index=True, return_inverse=True
        )
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, where, np.concatenate([part.counts for part in parts]))
        names = np.concatenate([part.names for part in parts])
        whole = cls.of_digests(keys, counts, parts[0].limit, names[first] if len(names) else None)
        other = whole.other + sum(part.other for part in parts)
        return cls(whole.limit, whole.digests, whole.counts, whole.names, other)

    @property
    def exact(self) -> bool:
        """Whether every name is kept."""
        return self.other == 0

    @property
    def total(self) -> int:
        return int(self.counts.sum()) + self.other

    @property
    def distinct(self) -> int:
        """Distinct names; an estimate (error about 1 / sqrt(limit)) where not all are kept."""
        if self.exact:
            return len(self.digests)
        return round((len(self.digests) - 1) * _ALL / float(self.digests[-1]))

    @property
    def typical_count(self) -> float:
        """Size of the group in which a row finds itself on average: the sum of squared counts over their sum."""
        kept = int(self.counts.sum())
        return float((self.counts.astype(np.float64) ** 2).sum()) / kept if kept else 1.0

    def unseen(self, known: Tally) -> npt.NDArray[np.bool_]:
        """Which kept names ``known`` never had; names that its sample cannot tell count as had."""
        told = np.ones(len(self.digests), bool) if known.exact else self.digests <= known.digests[-1]
        return told & ~np.isin(self.digests, known.digests)

    def to_json(self) -> dict[str, Any]:
        kept = {"names": self.names.tolist()} if len(self.names) else {"digests": self.digests.tolist()}
        return {"limit": self.limit, "counts": self.counts.tolist(), "other": self.other, **kept}

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> Tally:
        names = np.array(written.get("names", []), dtype=object)
        keys = np.array(written["digests"], dtype=np.uint64) if "digests" in written else digests(names)
        return cls(int(written["limit"]), keys, np.array(written["counts"], dtype=np.int64), names, written["other"])


def digests(names: Any) -> npt.NDArray[np.uint64]:
    """64-bit digests of texts or integers, the same on every machine."""
    names = np.asarray(names)
    if names.dtype.kind not in "iu":
        names = names.astype(object)
    return pd.util.hash_array(names, categorize=False).astype(np.uint64)
