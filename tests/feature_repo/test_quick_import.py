"""Feast is imported without typeguard's copies of its classes; others' classes are checked as ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import feature_repo.online, feast, typeguard
for made in (feast.FeatureView, feast.Field, feast.FeatureService, feast.Entity, feast.FileSource):
    assert not any(name.startswith("check_") for name in made.__init__.__code__.co_names), made

@typeguard.typechecked
class Shelf:
    def take(self, number: int) -> int:
        return number

@typeguard.typechecked(collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
def several(numbers: list[int]) -> None: ...

assert Shelf().take(3) == 3
for wrong in (lambda: Shelf().take("3"), lambda: several([1, 2, "3"])):
    try:
        wrong()
    except typeguard.TypeCheckError:
        continue
    raise AssertionError("not checked")
"""


def test_only_feast_is_spared(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # typeguard reads the source of what it checks
    script.write_text(CODE)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
