"""Extra datasets are found only when whole, and say how to get them."""

from __future__ import annotations

import pytest

from polymart.config import Settings
from polymart.data.extra import EXTRAS, find_extra, how_to_get
from polymart.errors import DataError


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_a_dataset_counts_only_when_every_file_exists(tmp_path, name):
    settings = Settings(extra_data=tmp_path)
    assert find_extra(name, settings) is None
    (tmp_path / name).mkdir()
    for file in EXTRAS[name].files:
        assert find_extra(name, settings) is None
        (tmp_path / name / file).touch()
    assert find_extra(name, settings) == tmp_path / name


def test_without_the_setting_nothing_is_found():
    assert find_extra("banking77", Settings(extra_data=None)) is None


def test_the_way_to_get_one_is_one_line():
    assert "POLYMART_EXTRA_DATA" in how_to_get("goemotions")
    assert "\n" not in how_to_get("goemotions")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match="use one of: banking77, goemotions"):
        find_extra("imagenet", Settings())
