"""The load generator of bench.serving: what it counts, and where a tail comes from."""

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench._load import NO_ANSWER, Load, at_rate, endless, saturate


@pytest.fixture
def url():
    """A service that answers every third request with 503."""
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(503 if next(numbers) % 3 == 0 else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("even", [True, False])
def test_a_rate_asks_as_often_as_it_says_and_counts_refusals_apart(url, even):
    load = at_rate(url, endless(["a"]), rate=100, seconds=0.6, even=even)
    assert load.statuses == {200: 40, 503: 20}
    assert len(load.latency_ms) == 40
    assert min(load.latency_ms) > 0


def test_waiting_callers_ask_until_the_time_is_over(url):
    load = saturate(url, endless(["a"]), clients=2, seconds=0.3)
    assert load.seconds >= 0.3
    assert load.statuses.total() > 2, "who was answered asks again"
    assert load.rate == pytest.approx(load.statuses[200] / load.seconds)


def test_nobody_there_is_no_answer():
    assert at_rate("http://127.0.0.1:1", endless(["a"]), 100, 0.05).statuses == {NO_ANSWER: 5}


def test_a_tail_of_one_stretch_shows_in_its_tenth_alone():
    load = Load(latency_ms=[10.0] * 90 + [500.0] * 10)
    assert load.percentile(99) == 500
    assert load.percentile_in_tenths(99) == [10.0] * 9 + [500.0]
    assert len(Load(latency_ms=[1.0, 2.0]).percentile_in_tenths(99)) == 2


def test_no_text_comes_twice():
    bodies = endless(["a", "b"], top=3)
    assert [next(bodies) for _ in range(3)] == [{"text": text, "top": 3} for text in ("0 a", "1 b", "2 a")]
