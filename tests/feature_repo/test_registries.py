"""What several rooms list of the same tables agrees: the feature repository may not import the library."""

from feast.types import Array, Float64, Int64, String

from feature_repo.services import EVENT_SERVICES, SERVICES
from feature_repo.views import COLUMNS, PUSHED
from polymart.data.catalogue import catalogue
from polymart.data.extra import EXTRAS
from polymart.data.household_state import CARRIED
from polymart.data.prepare import NOTES, TABLES_OF, WRITERS
from polymart.data.shop_tables import FEATURES, LABELS
from polymart.schemas import SCHEMAS

DTYPES = {Float64: "float64", Int64: "int64", String: "str"}


def test_a_view_offers_the_columns_of_its_table_in_their_types():
    assert set(COLUMNS) == set(FEATURES)
    for name, (entities, _, columns) in COLUMNS.items():
        schema = SCHEMAS[f"features/{name}"].columns
        keys = [entity.join_key for entity in entities]
        assert set(schema) == {*keys, "event_timestamp", "created_timestamp", *columns}, name
        for column, kind in columns.items():
            dtype = "object" if isinstance(kind, Array) else DTYPES[kind]
            assert str(schema[column].dtype) == dtype, f"{name}.{column}"
        assert all(str(schema[key].dtype) == "int64" for key in keys)


def test_a_service_reads_the_tables_that_its_label_source_makes():
    assert {name: list(label.features) for name, label in LABELS.items() if label.features} == SERVICES


def test_the_views_that_a_basket_changes_are_those_that_follow_from_the_state():
    assert set(PUSHED) == {*CARRIED, "household_state"}
    assert set().union(*EVENT_SERVICES.values()) <= set(PUSHED)


def test_each_label_table_has_one_source_that_fetches_writes_and_explains_it():
    labels = {key: {n.removeprefix("labels/") for n in names if "labels/" in n} for key, names in TABLES_OF.items()}
    archives = {key: set(archive.sources) for key, archive in catalogue().items() if archive.sources}
    extras = {key: set(extra.sources) for key, extra in EXTRAS.items()}
    assert labels == archives | extras
    assert set(WRITERS) == set(TABLES_OF)
    assert set(NOTES) == set().union(*labels.values())
