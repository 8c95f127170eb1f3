"""The order suggestion: textbook numbers, and what must hold for any forecast and any stock."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from polymart.tasks.inventory import Demand, Stock, suggest_order

units = st.floats(0, 10_000)
stocks = st.builds(
    Stock,
    on_hand=units,
    on_order=units,
    lead_time_days=st.integers(0, 60),
    review_days=st.integers(1, 60),
)
demands = st.tuples(units, units).map(lambda pair: Demand(median=pair[0], upper=pair[0] + pair[1]))


def test_two_weeks_of_protection_by_hand():
    # one week's median 100, upper 130; L = R = 7 days: the interval is two weeks long
    found = suggest_order(Demand(median=100, upper=130), Stock(on_hand=90, on_order=20, lead_time_days=7))
    assert found.safety_stock == pytest.approx(30 * 2**0.5)
    assert found.order_up_to == pytest.approx(200 + 30 * 2**0.5)
    assert found.reorder_point == pytest.approx(130)
    assert found.quantity == 133  # 242.43 - 110, rounded up
    assert found.urgent


@given(demands, stocks)
def test_the_order_fills_up_to_the_level_and_is_never_negative(demand, stock):
    found = suggest_order(demand, stock)
    position = stock.on_hand + stock.on_order
    assert found.quantity >= 0
    assert 0 <= found.safety_stock <= found.order_up_to
    assert found.reorder_point <= found.order_up_to
    if position >= found.order_up_to:
        assert found.quantity == 0
    else:
        assert found.order_up_to <= position + found.quantity + 1e-6
        assert position + found.quantity < found.order_up_to + 1 + 1e-6


@given(demands, stocks, st.floats(0, 1000))
def test_more_caution_never_orders_less(demand, stock, more):
    higher = suggest_order(Demand(median=demand.median, upper=demand.upper + more), stock)
    found = suggest_order(demand, stock)
    assert higher.quantity >= found.quantity
    assert higher.reorder_point >= found.reorder_point
    assert higher.safety_stock >= found.safety_stock


@given(demands, stocks, st.floats(0, 1000))
def test_more_stock_never_orders_more(demand, stock, more):
    fuller = stock.model_copy(update={"on_order": stock.on_order + more})
    assert suggest_order(demand, fuller).quantity <= suggest_order(demand, stock).quantity


@given(stocks)
def test_nothing_is_ordered_where_nothing_is_wanted(stock):
    found = suggest_order(Demand(median=0, upper=0), stock)
    assert found.quantity == 0
    assert not found.urgent


@given(units, units)
def test_a_forecast_whose_quantiles_cross_is_refused(one, other):
    assume(one < other)
    with pytest.raises(ValidationError, match="must not lie below the median"):
        Demand(median=other, upper=one)


@pytest.mark.parametrize(
    "wrong", [{"on_hand": -1.0}, {"on_order": float("nan")}, {"lead_time_days": -1}, {"review_days": 0}]
)
def test_a_stock_outside_its_bounds_is_refused(wrong):
    with pytest.raises(ValidationError):
        Stock(**wrong)
