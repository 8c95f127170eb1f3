"""The products of a release: what `/recommend` and `/search` find them with.

- `build`: at packaging, the vectors of all products and an index of their neighbours, bound to one checkpoint.
- `mapped`: those files, mapped into memory.
- `products`: which products share a text, their popularity, departments and categories.
- `ranking`: a household's products; `total` and `diversity` are its parts.
- `searching`: the products that a query asks for.
- `opening`: all of it for one release; what the service calls.
"""

from __future__ import annotations

from serving.catalogue.build import NEXT_PRODUCT, SEARCH, build_catalogue, recommends_products, searches_products
from serving.catalogue.opening import Catalogue, catalogue_folder, open_catalogue
from serving.catalogue.ranking import ProductRanking, Rules

__all__ = [
    "NEXT_PRODUCT",
    "SEARCH",
    "Catalogue",
    "ProductRanking",
    "Rules",
    "build_catalogue",
    "catalogue_folder",
    "open_catalogue",
    "recommends_products",
    "searches_products",
]
