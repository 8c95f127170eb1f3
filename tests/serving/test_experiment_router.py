"""Requests reach their variant, customers always get an answer, and a shadow is felt by nobody."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY
from small_servers import listening
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.experiments import Experiments
from serving.experiments.compare import SCHEMA, compare
from serving.experiments.config import FILE, ROUTED, VARIANT
from serving.experiments.split import assign
from serving.log.notes import SHADOW
from serving.log.prediction import DIRECTORY
from serving.log.reading import read_log

ODD = b'{"household_id": "seven"}'


@dataclass
class Release:
    """A small server that answers as one release would, and keeps what it was asked."""

    name: str
    items: list[dict[str, Any]] = field(default_factory=lambda: [{"label": "MILK", "score": 0.5}])
    status: int = 200
    pause_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Experiments:
        routes = [Route(path, self.answer, methods=["POST"]) for path in ("/recommend", "/understand", "/events")]
        return Experiments(Starlette(routes=routes))

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append({"path": request.url.path, "body": body, "headers": request.headers, "shadow": SHADOW.get()})
        await asyncio.sleep(self.pause_s)
        stamp = {"prediction_id": f"{self.name}-{len(self.asked)}", "checkpoint": f"sha256:{self.name}"}
        if body == ODD:
            return JSONResponse({"error": "household_id must be an integer", "remedy": ""}, status_code=400)
        return JSONResponse({**stamp, "variant": self.name, "items": self.items}, status_code=self.status)


@dataclass
class Shop:
    """Clients of the entry server, and its file."""

    client: httpx.Client
    write: Callable[..., None]
    log: Path

    def recommend(self, household: int, **headers: str) -> httpx.Response:
        return self.client.post("/recommend", json={"household_id": household}, headers=headers)


@contextmanager
def _shop(folder: Path, weights: dict[str, float], *releases: Release, urls: dict[str, str] | None = None,
          **more: Any) -> Iterator[Shop]:  # fmt: skip
    """The first release is the entry; the others have servers of their own."""
    with ExitStack() as stack:
        reached = urls or {}
        reached |= {release.name: stack.enter_context(listening(release.app())) for release in releases[1:]}

        def write(weights: dict[str, float], **more: Any) -> None:
            variants = [{"name": n, "weight": w, "url": reached.get(n, "")} for n, w in weights.items()]
            temporary = folder / "experiment.new"
            temporary.write_text(yaml.safe_dump({"name": "autumn", "variants": variants, "timeout_s": 20} | more))
            os.replace(temporary, folder / "experiment.yaml")

        write(weights, **more)
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setenv(FILE, str(folder / "experiment.yaml"))
        monkeypatch.setenv(VARIANT, releases[0].name)
        monkeypatch.setenv(DIRECTORY, str(folder / "log"))
        url = stack.enter_context(listening(releases[0].app()))
        yield Shop(stack.enter_context(httpx.Client(base_url=url, timeout=60)), write, folder / "log")


def _metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_households_are_split_and_stick(tmp_path: Path) -> None:
    weights = {"main": 3.0, "next": 1.0}
    main, new = Release("main"), Release("next")
    counted = {name: _metric("polymart_variant_requests_total", variant=name, endpoint="recommend", status="200")
               for name in weights}  # fmt: skip
    with _shop(tmp_path, weights, main, new) as shop:
        first, second = ([shop.recommend(h).json()["variant"] for h in range(60)] for _ in range(2))
        assert first == second == [assign(f"household:{h}", "autumn", weights) for h in range(60)]
        understood = {shop.client.post("/understand", json={"text": "hello"}).json()["variant"] for _ in range(5)}
        assert len(understood) == 1
    assert {asked["headers"][ROUTED] for asked in new.asked} == {"split"}
    for name, share in Counter(first).items():
        after = _metric("polymart_variant_requests_total", variant=name, endpoint="recommend", status="200")
        assert after - counted[name] == 2 * share > 0
        assert _metric("polymart_variant_latency_seconds_count", variant=name, endpoint="recommend") >= 2 * share


def test_a_changed_weight_takes_hold_without_a_restart(tmp_path: Path) -> None:
    with _shop(tmp_path, {"main": 1.0, "next": 0.0}, Release("main"), Release("next")) as shop:
        assert {shop.recommend(h).json()["variant"] for h in range(10)} == {"main"}
        shop.write({"main": 0.0, "next": 1.0})
        assert {shop.recommend(h).json()["variant"] for h in range(10)} == {"next"}
        shop.write({"main": 0.0, "next": 0.0})  # wrong: what was in force stays
        assert {shop.recommend(h).json()["variant"] for h in range(10)} == {"next"}


def test_the_other_server_gets_the_same_question_and_the_callers_key(tmp_path: Path) -> None:
    new = Release("next")
    with _shop(tmp_path, {"main": 0.0, "next": 1.0}, Release("main"), new) as shop:
        shop.recommend(7, authorization="Bearer secret", cookie="private=1")
        shop.recommend(7, **{"x-api-key": "secret"})
    assert [json.loads(asked["body"]) for asked in new.asked] == [{"household_id": 7}] * 2
    assert [asked["headers"].get("authorization") for asked in new.asked] == ["Bearer secret", None]
    assert new.asked[1]["headers"]["x-api-key"] == "secret"
    assert not any("cookie" in asked["headers"] for asked in new.asked)


def test_events_stay_and_a_request_goes_on_once(tmp_path: Path) -> None:
    main, new = Release("main"), Release("next")
    with _shop(tmp_path, {"main": 0.0, "next": 1.0}, main, new) as shop:
        assert shop.client.post("/events", json={"household_id": 1}).json()["variant"] == "main"
        assert shop.recommend(1, **{ROUTED: "split"}).json()["variant"] == "main"
    assert new.asked == []


@pytest.mark.parametrize(
    ("broken", "status"),
    [(Release("next", status=500), "500"), (Release("next", status=404), "404"), (Release("next", pause_s=1), "none")],
)
def test_where_a_variant_fails_this_server_answers(tmp_path: Path, broken: Release, status: str) -> None:
    before = _metric("polymart_variant_requests_total", variant="next", endpoint="recommend", status=status)
    timeout_s = 0.3 if broken.pause_s else 20
    with _shop(tmp_path, {"main": 0.0, "next": 1.0}, Release("main"), broken, timeout_s=timeout_s) as shop:
        answers = [shop.recommend(household) for household in range(2)]
    assert [(answer.status_code, answer.json()["variant"]) for answer in answers] == [(200, "main")] * 2
    after = _metric("polymart_variant_requests_total", variant="next", endpoint="recommend", status=status)
    assert after - before == 2


def test_where_a_variant_is_gone_this_server_answers(tmp_path: Path) -> None:
    with _shop(tmp_path, {"main": 0.0, "next": 1.0}, Release("main"), urls={"next": "http://127.0.0.1:9"}) as shop:
        assert shop.recommend(1).json()["variant"] == "main"


def test_a_bad_request_is_refused_as_without_experiment(tmp_path: Path) -> None:
    main, new = Release("main"), Release("next")
    with _shop(tmp_path, {"main": 0.0, "next": 1.0}, main, new) as shop:
        answer = shop.client.post("/recommend", content=ODD, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "household_id must be an integer")


def test_a_wrong_experiment_keeps_the_server_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiment.yaml").write_text("name: autumn\nvariants: [{name: other, weight: 1}]\n")
    monkeypatch.setenv(FILE, str(tmp_path / "experiment.yaml"))
    with pytest.raises(AssertionError, match="did not start"), listening(Release("main").app()):
        pass


def test_a_shadow_is_compared_and_never_returned(tmp_path: Path) -> None:
    served = [{"label": "MILK", "score": 0.5}, {"label": "TEA", "score": 0.25}]
    shadowed = [{"label": "TEA", "score": 0.75}, {"label": "SOUP", "score": 0.125}]
    shadow = Release("bold", shadowed)
    with _shop(tmp_path, {"main": 1.0, "bold": 0.0}, Release("main", served), shadow,
               shadow={"variant": "bold"}) as shop:  # fmt: skip
        answers = []
        for household in range(3):  # copies may overtake each other, so one at a time
            answers.append(shop.recommend(household).json())
            _until(lambda: len(shadow.asked) == len(answers))
    assert [answer["variant"] for answer in answers] == ["main"] * 3
    assert all(asked["shadow"] for asked in shadow.asked)
    rows = read_log(shop.log / "comparisons", schema=SCHEMA).sort_values("prediction_id")
    assert rows["prediction_id"].tolist() == [answer["prediction_id"] for answer in answers]
    assert rows["shadow_prediction_id"].tolist() == ["bold-1", "bold-2", "bold-3"]
    row = rows.iloc[0]
    assert (row.endpoint, row.variant, row.shadow_variant, row.shadow_checkpoint, row.shadow_status) == (
        "recommend", "main", "bold", "sha256:bold", 200,
    )  # fmt: skip
    assert (row.same_best, row.overlap, row.largest_difference) == (False, 0.5, 0.5)
    assert row.latency_ms > 0
    assert row.shadow_latency_ms > 0


def test_a_shadow_that_fails_is_told_and_felt_by_nobody(tmp_path: Path) -> None:
    before = _metric("polymart_shadow_requests_total", variant="bold", outcome="failed")
    with _shop(tmp_path, {"main": 1.0, "bold": 0.0}, Release("main"), Release("bold", status=500),
               shadow={"variant": "bold"}) as shop:  # fmt: skip
        assert shop.recommend(1).status_code == 200
        _until(lambda: _metric("polymart_shadow_requests_total", variant="bold", outcome="failed") > before)
    (row,) = read_log(shop.log / "comparisons", schema=SCHEMA).itertuples()
    assert (row.prediction_id, row.shadow_status, row.shadow_prediction_id, row.overlap) == (
        "main-1", 500, None, pytest.approx(float("nan"), nan_ok=True),
    )  # fmt: skip


def test_a_slow_shadow_slows_nobody_and_is_bounded(tmp_path: Path) -> None:
    slow = Release("bold", pause_s=1.5)
    before = _metric("polymart_shadow_requests_total", variant="bold", outcome="skipped")
    with _shop(tmp_path, {"main": 1.0, "bold": 0.0}, Release("main"), slow,
               shadow={"variant": "bold", "max_in_flight": 2}) as shop:  # fmt: skip
        started = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(shop.recommend, range(40)))
        spent_s = time.perf_counter() - started
    assert [answer.status_code for answer in answers] == [200] * 40
    skipped = _metric("polymart_shadow_requests_total", variant="bold", outcome="skipped") - before
    rows = read_log(shop.log / "comparisons", schema=SCHEMA)
    # Copies that were on their way when the server stopped arrived first, and their comparisons are written.
    assert len(rows) == len(slow.asked) == 40 - skipped
    assert 2 <= len(slow.asked) <= 2 + 2 * spent_s / slow.pause_s
    assert spent_s < 40 / 2 * slow.pause_s  # what they would take in line behind the shadow


def test_a_share_of_the_households_is_copied(tmp_path: Path) -> None:
    shadow = Release("bold")
    with _shop(tmp_path, {"main": 1.0, "bold": 0.0}, Release("main"), shadow,
               shadow={"variant": "bold", "share": 0.3, "max_in_flight": 100}) as shop:  # fmt: skip
        for household in (*range(40), *range(40)):
            shop.recommend(household)
    copies = Counter(json.loads(asked["body"])["household_id"] for asked in shadow.asked)
    assert 4 <= len(copies) <= 20
    assert set(copies.values()) == {2}


def test_answers_are_compared_ranking_by_ranking() -> None:
    mood = {"label": "good", "score": 0.9, "scores": {"good": 0.9, "bad": 0.1}}
    text = {"tasks": {"mood": mood, "intent": {"scores": {"refund": 0.6, "top_up": 0.4}}}}
    other = {"tasks": {"mood": mood, "intent": {"scores": {"refund": 0.3, "verify": 0.7}}}}
    assert compare(text, text) == {"same_best": True, "overlap": 1.0, "largest_difference": 0.0}
    assert compare(text, other) == {"same_best": False, "overlap": 0.5, "largest_difference": pytest.approx(0.3)}
    ads = {"items": [{"campaign_id": 8, "score": 0.5}, {"campaign_id": 9, "score": 0.25}]}
    assert compare(ads, {"items": ads["items"][:1]}) == {"same_best": True, "overlap": 0.5, "largest_difference": 0.0}
    assert compare(ads, {"items": []})["overlap"] == 0
    assert set(compare({"variant": "a"}, {}).values()) == {None}


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert done()
