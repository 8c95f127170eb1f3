"""The products of the item table, by the texts that they share.

Products that read the same have the same vector, the same category and the same department; they differ in how much
they are bought. So what is searched is texts, about a quarter of the products.

Shape suffixes: I products, V unique texts, K chosen texts, M chosen products.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from serving.refusals import UnknownGroupError

PER_TEXT = 256
"""Most products of one text that are looked at: as many as could ever be asked for."""


class Products:
    """What is known of the products without asking the model.

    Args:
        table: the item table; a product's department is the last part of its text.
        text_index_I: which unique text belongs to each product.
        bias_I: what popularity adds to the score of each product, log of its share of purchases.
    """

    def __init__(self, table: pd.DataFrame, text_index_I: np.ndarray, bias_I: np.ndarray) -> None:
        self.ids_I, self.text_index_I = table["item_id"].to_numpy(), text_index_I
        self.bias_I = bias_I.astype(np.float64)
        self.texts_I = table["text"].to_numpy(object)
        self.departments_I = table["text"].str.rpartition(", ")[2].to_numpy(object)
        self.categories_I = table["category"].to_numpy(object) if "category" in table else self.departments_I
        # The products of a text stand side by side, the most popular first.
        self._order_I = np.lexsort((-self.bias_I, text_index_I))
        every_V = np.arange(text_index_I.max() + 1)
        self._start_V = np.searchsorted(text_index_I[self._order_I], np.append(every_V, len(every_V)))
        self.mass_V = np.bincount(text_index_I, np.exp(self.bias_I))
        """Sum of exp(bias) over the products of each text."""
        first_V = self.first_of(every_V)
        self.best_bias_V = self.bias_I[first_V]
        self._groups_V = {
            "department": _folded(self.departments_I[first_V]),
            "category": _folded(self.categories_I[first_V]),
        }

    def __len__(self) -> int:
        return len(self.ids_I)

    def first_of(self, texts_K: np.ndarray) -> np.ndarray:
        """The most popular product of each text."""
        return self._order_I[self._start_V[texts_K]]

    def of_texts(self, texts_K: np.ndarray) -> np.ndarray:
        """The products of the given texts, of each text at most `PER_TEXT`."""
        starts, stops = self._start_V[texts_K], self._start_V[texts_K + 1]
        return np.concatenate([self._order_I[a : min(b, a + PER_TEXT)] for a, b in zip(starts, stops, strict=True)])

    def allowed(self, only: Iterable[str], without: Iterable[str]) -> np.ndarray:
        """Which texts may be shown, bool of shape (V,).

        Args:
            only: departments or categories that are shown; empty shows all.
            without: departments or categories that are not.

        Raises:
            UnknownGroupError: no department or category is called so.
        """
        allowed_V = np.ones(len(self.mass_V), bool)
        if only := list(only):
            allowed_V = np.logical_or.reduce([self._of_group(name) for name in only])
        for name in without:
            allowed_V &= ~self._of_group(name)
        return allowed_V

    def _of_group(self, name: str) -> np.ndarray:
        member_V = np.logical_or.reduce([names_V == name.casefold() for names_V in self._groups_V.values()])
        if not member_V.any():
            departments = ", ".join(sorted(set(self._groups_V["department"])))
            raise UnknownGroupError(
                f"no department or category is called {name!r}", remedy=f"use a category, or one of: {departments}"
            )
        return member_V

    def shown(self, item: int, score: float) -> dict[str, Any]:
        """A product as answers show it."""
        id_ = self.ids_I[item]
        return {
            "item_id": id_.item() if isinstance(id_, np.generic) else id_,
            "text": self.texts_I[item],
            "category": self.categories_I[item],
            "department": self.departments_I[item],
            "score": score,
        }


def _folded(names: np.ndarray) -> np.ndarray:
    return np.array([name.casefold() for name in names], object)
