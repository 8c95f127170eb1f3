"""Category names as a reader (and a text encoder) would write them."""

from __future__ import annotations

import re

WORDS = {
    "frzn": "frozen",
    "refrgratd": "refrigerated",
    "jce": "juice",
    "conc": "concentrate",
    "drnks": "drinks",
    "drnk": "drink",
    "veg": "vegetable",
    "pkld": "pickled",
    "pwdr": "powder",
    "mx": "mix",
    "mxs": "mixes",
    "pnt": "peanut",
    "btr": "butter",
    "sald": "salad",
    "drsng": "dressing",
    "sndwch": "sandwich",
    "sprd": "spread",
    "wtr": "water",
    "brkfst": "breakfast",
    "whlsm": "wholesome",
    "bn": "bean",
    "cleang": "cleaning",
    "sply": "supplies",
    "fd": "food",
    "trsh": "trash",
    "bg": "bags",
    "bkd": "baked",
    "snks": "snacks",
    "ckys": "cookies",
    "dsh": "dishes",
    "pckgd": "packaged",
    "crystl": "crystal",
    "mixs": "mixes",
    "crkr": "crackers",
    "cndy": "candy",
    "ndairy": "non dairy",
    "sod": "soda",
    "flvrd": "flavoured",
    "pkg": "packaged",
    "pkgd": "packaged",
    "tiss": "tissue",
    "dnr": "dinner",
    "hbc": "health and beauty",
    "misc": "miscellaneous",
    "coco": "cocoa",
    "gm": "general merchandise",
    "rw": "random weight",
}
"""Shorthand of the catalogue, spelt out: the encoder has never seen ``frzn``."""


def readable(name: str) -> str:
    """A category or department in lower case with shorthand spelt out: ``FRZN PIZZA`` -> ``frozen pizza``."""
    text = name.lower().replace(",", " ").replace(".", " ").replace(" - ", " ")
    text = re.sub(r"[a-z]+", lambda match: WORDS.get(match[0], match[0]), text)
    return " ".join(text.split())
