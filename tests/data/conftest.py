"""The synthetic shop, prepared once for the tests of this folder."""

import pytest
from fixtures.shop import make_shop

from polymart.data.prepare import prepare_tables


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def tables(sources, tmp_path_factory):
    """A prepared ``tables/`` folder; read it, do not write into it."""
    folder = tmp_path_factory.mktemp("shop") / "tables"
    prepare_tables(sources, folder)
    return folder
