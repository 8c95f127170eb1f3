"""The split is sticky, as large as its weights say, and moves no more households than a new weight asks for."""

from __future__ import annotations

import json
import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.experiments.split import assign, in_share, unit_of

NAMES = st.text("abcdefgh_", min_size=2, max_size=8)
WEIGHTS = st.dictionaries(NAMES, st.floats(0.01, 100), min_size=1, max_size=5)
UNITS = [f"household:{number}" for number in range(4000)]


def _shares(salt: str, weights: dict[str, float]) -> Counter[str]:
    return Counter(assign(unit, salt, weights) for unit in UNITS)


@given(st.integers(), NAMES, WEIGHTS, st.randoms())
def test_a_unit_stays_whatever_the_order_and_scale_of_the_weights(number, salt, weights, random):
    first = assign(f"household:{number}", salt, weights)
    names = list(weights)
    random.shuffle(names)
    assert assign(f"household:{number}", salt, {name: weights[name] for name in names}) == first
    assert assign(f"household:{number}", salt, {name: weight * 4 for name, weight in weights.items()}) == first
    assert assign(f"household:{number}", salt, weights | {"nobody": 0.0}) == first


@settings(max_examples=20)
@given(NAMES, WEIGHTS)
def test_shares_follow_the_weights(salt, weights):
    shares, total = _shares(salt, weights), sum(weights.values())
    for name, weight in weights.items():
        p = weight / total
        # Five standard deviations of a binomial count: all examples together fail by chance once in 10^4 runs.
        assert abs(shares[name] - len(UNITS) * p) <= 5 * math.sqrt(len(UNITS) * p * (1 - p)) + 5


@settings(max_examples=20)
@given(NAMES, WEIGHTS, st.data())
def test_a_changed_weight_moves_units_only_to_or_from_its_variant(salt, weights, data):
    changed = data.draw(st.sampled_from(sorted(weights)))
    after = weights | {changed: data.draw(st.floats(0.01, 200))}
    grown = after[changed] > weights[changed]
    for unit in UNITS[:500]:
        old, new = assign(unit, salt, weights), assign(unit, salt, after)
        if old != new:
            assert (new if grown else old) == changed


def test_no_more_move_than_must():
    before, after = {"main": 95.0, "next": 5.0}, {"main": 80.0, "next": 20.0}
    moved = sum(assign(unit, "ramp", before) != assign(unit, "ramp", after) for unit in UNITS)
    assert moved == _shares("ramp", after)["next"] - _shares("ramp", before)["next"]


def test_a_new_variant_takes_from_all_and_moves_nobody_else():
    before, after = {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}
    pairs = Counter((assign(unit, "s", before), assign(unit, "s", after)) for unit in UNITS)
    assert pairs["a", "b"] == pairs["b", "a"] == 0
    assert min(pairs["a", "c"], pairs["b", "c"]) > 500


def test_experiments_are_independent_of_each_other():
    weights = {"a": 1.0, "b": 1.0}
    both = Counter((assign(unit, "one", weights), assign(unit, "two", weights)) for unit in UNITS)
    assert all(850 < count < 1150 for count in both.values())
    assert len(both) == 4


def test_a_growing_share_keeps_whom_it_has_and_knows_nothing_of_the_split():
    tenth, half = ({unit for unit in UNITS if in_share(unit, "s", share)} for share in (0.1, 0.5))
    assert tenth < half
    assert 300 < len(tenth) < 500
    assert all(in_share(unit, "s", 1.0) for unit in UNITS)
    in_a = sum(assign(unit, "s", {"a": 1.0, "b": 1.0}) == "a" for unit in half)
    assert abs(in_a / len(half) - 0.5) < 0.06


@given(st.integers(0, 2**63 - 1), st.dictionaries(NAMES, st.integers()))
def test_a_household_is_known_in_every_request(household, rest):
    body = json.dumps({**rest, "household_id": household}).encode()
    assert unit_of(body) == f"household:{household}"


@given(st.binary(max_size=200))
def test_any_body_sticks_to_something(body):
    assert unit_of(body) == unit_of(bytes(bytearray(body)))


def test_hostile_and_long_bodies_stick_too():
    for body in (b"[" * 60_000, b'{"household_id": ' + b"9" * 10_000 + b"}", b'{"household_id": "7"}', b"\xff" * 10):
        assert unit_of(body).startswith("body:")
    long = b'{"image": "' + b"A" * 70_000 + b'", "household_id": 1}'
    assert unit_of(long).startswith("body:")
