"""The examples of docs/serving.md keep the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from serving import contract

TEXT = Path(__file__).parents[2].joinpath("docs", "serving.md").read_text()
EXAMPLES = re.findall(r"^curl -s localhost:3000/(\w+) --json '([^']+)'", TEXT, flags=re.MULTILINE)


def test_most_endpoints_have_an_example() -> None:
    shown = {name for name, _ in EXAMPLES}
    assert {"recommend", "search", "ads", "household", "understand", "demand", "fraud"} <= shown


@pytest.mark.parametrize(("endpoint", "body"), EXAMPLES)
def test_an_example_is_a_valid_request(endpoint: str, body: str) -> None:
    request = getattr(contract, f"{endpoint.capitalize()}Request")
    assert request.model_validate(json.loads(body)).model_dump(exclude_unset=True).keys() == json.loads(body).keys()
