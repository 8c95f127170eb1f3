"""What a run is going to cost: told from earlier runs; what is not known is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.client import Server, estimate, submit, wait_run
from pipelines.client.costs import Needs, estimated
from polymart.config import Cluster
from polymart.config.cluster import Prices

PRICES = Prices(currency="EUR", core_hour=0.05, gib_hour=0.01, gpu_hour=2.0)
NEEDS = {"prepare": Needs(2, 8, 0), "train": Needs(4, 16, 1)}


def test_the_cost_is_what_the_steps_ask_for_times_how_long_they_took():
    told = estimated(NEEDS, [{"prepare": 1800.0, "train": 3600.0}], PRICES)
    assert told.cost == pytest.approx(0.5 * (2 * 0.05 + 8 * 0.01) + 1.0 * (4 * 0.05 + 16 * 0.01 + 2.0))
    assert told.pod_seconds == 5400
    assert str(told) == "about 2.45 EUR for 1.50 h of pods (median of 1 earlier runs)"


def test_what_is_not_known_is_said():
    assert str(estimated(NEEDS, [], PRICES)).startswith("cost unknown; no earlier run")
    unpriced = str(estimated(NEEDS, [{"prepare": 1800.0}], Prices(core_hour=0.05)))
    assert unpriced.startswith("cost unknown for 0.50 h of pods")
    assert "not known: train" in unpriced
    assert "prices.gib_hour, prices.gpu_hour not set" in unpriced


@given(
    runs=st.lists(
        st.dictionaries(st.sampled_from(sorted(NEEDS)), st.floats(0, 1e5), min_size=1), min_size=1, max_size=6
    )
)
def test_no_estimate_leaves_the_range_of_the_earlier_runs(runs):
    told = estimated(NEEDS, runs, PRICES)
    seen = {step: [run[step] for run in runs if step in run] for step in NEEDS}
    assert told.pod_seconds is not None
    lowest, highest = (sum(of(found) for found in seen.values() if found) for of in (min, max))
    assert lowest - 1e-6 <= told.pod_seconds <= highest + 1e-6
    assert ("not known" in str(told)) == any(not found for found in seen.values())


def test_a_server_tells_of_the_last_runs_of_the_same_pipeline_and_suite(server, order):
    server.seconds = {"double": 7200.0}
    client = Server(Cluster(prices=PRICES), host=server.host)
    assert "no earlier run" in str(estimate(client, order()))
    for rows in range(3):
        wait_run(client, submit(client, order(rows=rows))[0].run_id, poll_s=0.001)
    told = estimate(client, order(rows=9))
    assert (told.num_runs, told.pod_seconds, told.unknown) == (3, 7200.0, ())
    assert told.cost == pytest.approx(2 * (2 * 0.05 + 4e9 / 2**30 * 0.01), rel=0.1)
