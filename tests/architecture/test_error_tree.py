"""The tree drawn in `polymart/errors.py` is the tree of its classes."""

from __future__ import annotations

import inspect
import re

from polymart import errors


def drawn(text: str) -> dict[str, str]:
    """Parent of each class of a drawn tree; the root has ``Exception``."""
    parents, path = {}, ["Exception"]
    for bars, name in re.findall(r"^    ([│├└─ ]*)([A-Z]\w+Error)\b", text, flags=re.MULTILINE):
        depth = len(bars) // 4 + 1
        path = [*path[:depth], name]
        parents[name] = path[depth - 1]
    return parents


def test_the_drawn_tree_matches_the_classes():
    classes = {
        name: cls.__bases__[0].__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__
    }
    assert drawn(errors.__doc__) == classes


def test_a_wrong_drawing_would_be_seen():
    wrong = errors.__doc__.replace("│   ├── TableError", "├── TableError")
    assert drawn(wrong)["TableError"] == "PolymartError"
    assert drawn(errors.__doc__)["TableError"] == "DataError"


def test_every_class_says_what_it_means():
    assert all(cls.__doc__ for name, cls in inspect.getmembers(errors, inspect.isclass) if name.endswith("Error"))
