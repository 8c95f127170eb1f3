"""The run page compares the suite with the champion's where that can be had, and does without where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.registered import make_release, mood_suite

from polymart.cli.run_page import _champion_suite
from polymart.release.promotion import promote_release


@pytest.fixture
def champion(tmp_path: Path) -> tuple[str, str, Path]:
    """A repository, a release in it, and the folder of its checkpoint."""
    checkpoint, repository = tmp_path / "checkpoint", str(tmp_path / "deployment.git")
    checkpoint.mkdir()
    (checkpoint / "suite.json").write_text(mood_suite().to_json())
    made = make_release(mood_suite(), checkpoint="a").model_copy(update={"locations": {"checkpoint": str(checkpoint)}})
    return repository, promote_release(repository, made, "local").release, checkpoint


def test_the_suite_lies_where_the_release_says(champion) -> None:
    repository, release, _ = champion
    assert _champion_suite(repository, release) == mood_suite()


def test_what_cannot_be_had_is_none(champion, tmp_path: Path) -> None:
    repository, release, checkpoint = champion
    assert _champion_suite(repository, "") is None
    assert _champion_suite(repository, "tiny-000000000000") is None
    assert _champion_suite(str(tmp_path / "absent.git"), release) is None
    (checkpoint / "suite.json").write_text('{"name": "tiny", "key_of_another_version": 1}')
    assert _champion_suite(repository, release) is None
    (checkpoint / "suite.json").unlink()
    assert _champion_suite(repository, release) is None
