"""How people type a product type: plainly, with size or brand, in another order, misspelt or abbreviated."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import NamedTuple


class Product(NamedTuple):
    """A product of the catalogue, in words."""

    kind: tuple[int, str]
    """Category id and product type."""
    text: str
    size: str
    brand: str


class Query(NamedTuple):
    """A query and what it asks for."""

    kind: tuple[int, str]
    text: str
    size: str = ""
    """Size that it names; empty for any."""
    brand: str = ""
    """Brand that it names; empty for any."""

    def matches(self, product: Product) -> bool:
        """Whether a product of the query's type has the size and the brand that the query names."""
        return self.size in ("", product.size) and self.brand in ("", product.brand)


def plain(product: Product, random: Random) -> Query:
    return Query(product.kind, _name(product))


def sized(product: Product, random: Random) -> Query | None:
    return Query(product.kind, f"{_name(product)} {product.size}", size=product.size) if product.size else None


def branded(product: Product, random: Random) -> Query:
    return Query(product.kind, f"{product.brand} {_name(product)}", brand=product.brand)


def reordered(product: Product, random: Random) -> Query | None:
    words = _name(product).split()
    return Query(product.kind, " ".join(words[1:] + words[:1])) if len(words) > 1 else None


def misspelt(product: Product, random: Random) -> Query | None:
    """Two neighbouring letters of the longest word are swapped, or one of them is left out."""
    words = _name(product).split()
    longest = max(words, key=len)
    if len(longest) < 5:
        return None
    at = random.randrange(1, len(longest) - 1)
    swapped = longest[:at] + longest[at + 1] + longest[at] + longest[at + 2 :]
    wrong = random.choice([swapped, longest[:at] + longest[at + 1 :]])
    return Query(product.kind, " ".join(wrong if word == longest else word for word in words))


def abbreviated(product: Product, random: Random) -> Query | None:
    """Words of five letters and more lose their vowels after the first letter, or all after the fourth letter."""
    cut = random.choice([lambda word: word[0] + re.sub("[aeiou]", "", word[1:]), lambda word: word[:4]])
    name = _name(product)
    short = " ".join(cut(word) if len(word) > 4 else word for word in name.split())
    return Query(product.kind, short) if short != name else None


FORMS: dict[str, Callable[[Product, Random], Query | None]] = {
    form.__name__: form for form in (plain, sized, branded, reordered, misspelt, abbreviated)
}
"""Every form by its name: from a product of the type to a query, or None where the form does not apply."""


@cache
def words_of(name: str) -> frozenset[str]:
    """The distinct words of a type's name."""
    return frozenset(_plain_words(name))


def _name(product: Product) -> str:
    return " ".join(_plain_words(product.kind[1]))


def _plain_words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower()) or [name.lower()]
