"""Arguments are checked against the compiled pipeline before anything is sent."""

import pytest
import yaml

from pipelines.arguments import fill_arguments, read_parameters
from polymart.errors import SettingError


@pytest.fixture
def typed(tmp_path):
    kinds = {"suite": "STRING", "rows": "NUMBER_INTEGER", "rate": "NUMBER_DOUBLE", "deep": "BOOLEAN", "ids": "LIST"}
    parameters = {name: {"parameterType": kind} for name, kind in kinds.items()}
    parameters["rate"]["defaultValue"] = 0.5
    path = tmp_path / "typed.yaml"
    path.write_text(yaml.safe_dump({"root": {"inputDefinitions": {"parameters": parameters}}}))
    return path


def test_a_compiled_pipeline_is_read(package):
    assert read_parameters(package)["rows"]["defaultValue"] == 1
    assert fill_arguments(package, {"rows": "3"}, {"suite": "unused"}) == {"rows": 3}


def test_known_values_are_filled_in_and_given_ones_win(typed):
    given = {"rows": "7", "deep": "true", "ids": "[1]"}
    assert fill_arguments(typed, given, {"suite": "{}"}) == {"suite": "{}", "rows": 7, "deep": True, "ids": [1]}
    assert fill_arguments(typed, given | {"suite": "mine"}, {"suite": "{}"})["suite"] == "mine"


@pytest.mark.parametrize("change", [{"rows": "many"}, {"rows": "true"}, {"deep": "1"}, {"ids": "{}"}, {"rows": "1.5"}])
def test_a_wrong_type_is_named(typed, change):
    with pytest.raises(SettingError, match=f"argument {next(iter(change))} must be a"):
        fill_arguments(typed, {"suite": "", "rows": "7", "deep": "true", "ids": "[1]"} | change, {})


def test_missing_and_unknown_arguments_are_named(typed):
    with pytest.raises(SettingError, match="needs a value for deep, ids, rows"):
        fill_arguments(typed, {}, {"suite": "{}"})
    with pytest.raises(SettingError, match="no parameter colour"):
        fill_arguments(typed, {"colour": "red"}, {})
