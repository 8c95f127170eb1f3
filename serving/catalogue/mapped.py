"""Vectors on disk and an index of their neighbours (usearch's HNSW graph), both mapped into memory and not read.

Pages that no request touches cost no memory, and workers of one machine share those that are touched.

Shape suffixes: V vectors, D their width, E width of what is indexed, K neighbours.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from usearch.index import Index

VECTORS, INDEX = "vectors.npy", "index.usearch"
CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 32, 256, 384
"""Edges of a node, and nodes looked at when one is added and when neighbours are sought: recall for time."""


def write_vectors(folder: Path, vectors_VD: np.ndarray, indexed_VE: np.ndarray) -> None:
    """Write the exact ``vectors_VD``, and an index of the cosine over ``indexed_VE`` in half precision."""
    folder.mkdir(parents=True)
    np.save(folder / VECTORS, np.ascontiguousarray(vectors_VD, np.float32))
    index = Index(
        ndim=indexed_VE.shape[1],
        metric="cos",
        dtype="f16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
    )
    # One thread: equal vectors give an equal file, hence an equal digest of the bento.
    index.add(np.arange(len(indexed_VE)), np.ascontiguousarray(indexed_VE, np.float32), threads=1)
    index.save(str(folder / INDEX))


class MappedVectors:
    """What `write_vectors` wrote; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        # as a plain array: every row chosen from a `numpy.memmap` would be made one again
        self.vectors_VD: np.ndarray = np.asarray(np.load(folder / VECTORS, mmap_mode="r"))
        index = Index.restore(str(folder / INDEX), view=True)
        assert index is not None, "its digest was verified"
        index.expansion_search = EXPANSION_SEARCH  # type: ignore[misc]  # its setter is not annotated as one
        self._index = index
        # usearch keeps the state of a search per thread of its own pool, not per caller.
        self._lock = threading.Lock()

    def nearest(self, query_E: np.ndarray, count: int) -> np.ndarray:
        """Positions of about the ``count`` nearest of what is indexed, nearest first, shape (K,)."""
        with self._lock:
            found = self._index.search(query_E.astype(np.float32), min(count, len(self.vectors_VD)), threads=1)
        return np.asarray(found.keys, np.int64)
