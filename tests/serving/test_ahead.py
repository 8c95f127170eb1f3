"""Histories are encoded before they are asked for: with a real store, checkpoint and encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from checkpoints import HOUSEHOLDS
from served import service_client
from shelf import save_shelf_checkpoint, shelf_features, shelf_suite

from feature_repo import retrieval
from polymart.errors import SettingError
from serving.ahead import FILE, HistoriesAhead, open_ahead
from serving.catalogue import NEXT_PRODUCT
from serving.encoding import batching
from serving.scoring import Scorer
from serving.startup import load_scorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """checkpoint and a materialised store."""
    folder = tmp_path_factory.mktemp("ahead")
    (folder / "tables/features").mkdir(parents=True)
    for name, table in shelf_features().items():
        table.to_parquet(folder / f"tables/features/{name}.parquet", coerce_timestamps="us")
    retrieval.apply(folder / "tables", folder / "store")
    retrieval.materialize(folder / "store")
    save_shelf_checkpoint(folder / "checkpoint", shelf_suite())
    return folder


@pytest.fixture
def scorer(folder: Path) -> Iterator[Scorer]:
    scorer = load_scorer(folder / "checkpoint", str(folder / "store"), 1)
    yield scorer
    scorer.vectors[None].close()


@pytest.fixture
def named(tmp_path: Path) -> Callable[..., Path]:
    """Folder of a store that names some households as those that were seen last."""

    def write(*households: int) -> Path:
        pd.DataFrame({"household_id": households}).to_parquet(tmp_path / FILE)
        return tmp_path

    return write


def encoded() -> float:
    """Texts that went through the encoder so far."""
    return float(batching.TEXTS._value.get())


def read(scorer: Scorer, *households: int) -> list[int]:
    """Those of ``households`` whose recommendation needs no pass any more."""
    ready = []
    for household in households:
        before = encoded()
        rows = scorer.rows(NEXT_PRODUCT, [{"household_id": household}])
        scorer.vectors[None].of_batch(scorer.predictor.collators[NEXT_PRODUCT](rows))
        if encoded() == before:
            ready.append(household)
    return ready


def settled() -> None:
    """Wait until nothing was encoded for a while."""
    last, since = encoded(), time.monotonic()
    while time.monotonic() < since + 0.4:
        time.sleep(0.02)
        if encoded() != last:
            last, since = encoded(), time.monotonic()


def test_a_store_names_those_who_were_seen_last_newest_first(folder: Path) -> None:
    history = shelf_features()["household_history"]
    newest = history.groupby("household_id")["event_timestamp"].max().reset_index()
    expected = newest.sort_values(["event_timestamp", "household_id"], ascending=[False, True])["household_id"].tolist()
    assert pd.read_parquet(folder / "store" / FILE)["household_id"].tolist() == expected
    assert set(expected) == set(HOUSEHOLDS)


def test_a_store_without_histories_names_nobody(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tables/features").mkdir(parents=True)
    shelf_features()["series_demand"].to_parquet(
        tmp_path / "tables/features/series_demand.parquet", coerce_timestamps="us"
    )
    retrieval.apply(tmp_path / "tables", tmp_path / "store")
    (tmp_path / "store" / FILE).write_text("of an earlier store")
    retrieval.materialize(tmp_path / "store")
    assert not (tmp_path / "store" / FILE).exists()


def test_who_was_seen_last_is_read_and_nobody_else(scorer: Scorer, named: Callable[..., Path]) -> None:
    ahead = HistoriesAhead(scorer, named(2, 3, 5), most=2)
    settled()
    ahead.close()
    assert read(scorer, 2, 3, 5) == [2, 3]


def test_a_household_that_the_store_forgot_keeps_no_other_out(scorer: Scorer, named: Callable[..., Path]) -> None:
    ahead = HistoriesAhead(scorer, named(2, 999, 5))
    settled()
    ahead.close()
    assert read(scorer, 2, 5) == [2, 5]


def test_an_error_of_ours_ends_nothing(
    scorer: Scorer, named: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = scorer.rows
    monkeypatch.setattr(scorer, "rows", lambda task, keys: rows(task, keys) if len(keys) == 1 else 1 / 0)
    ahead = HistoriesAhead(scorer, named(2, 3))
    settled()
    ahead.tell(4)
    settled()
    ahead.close()
    assert read(scorer, 2, 3, 4) == [4]


def test_whoever_is_told_of_is_read_without_a_file(scorer: Scorer, tmp_path: Path) -> None:
    ahead = HistoriesAhead(scorer, tmp_path)
    ahead.tell(4)
    settled()
    ahead.close()
    assert read(scorer, 4, 5) == [4]


def test_a_store_that_is_filled_anew_is_read_anew(
    scorer: Scorer, named: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.ahead.LOOK_S", 0.05)
    ahead = HistoriesAhead(scorer, named(2))
    settled()
    named(2, 6)
    settled()
    ahead.close()
    assert read(scorer, 2, 6, 7) == [2, 6]


def test_a_file_that_is_none_stops_nothing(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("torn")
    ahead = HistoriesAhead(scorer, tmp_path)
    ahead.tell(4)
    settled()
    ahead.close()
    assert read(scorer, 4) == [4]


def test_it_ends_while_it_has_work(scorer: Scorer, named: Callable[..., Path]) -> None:
    ahead = HistoriesAhead(scorer, named(*[999] * 5000))
    ahead.close()
    assert not ahead._thread.is_alive()


def test_the_setting_bounds_it(scorer: Scorer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_ahead(scorer, None) is None, "no store, no histories"
    monkeypatch.setenv("POLYMART_HISTORIES_AHEAD", "0")
    assert open_ahead(scorer, str(folder / "store")) is None
    for wrong in ("many", "-1", "10001"):
        monkeypatch.setenv("POLYMART_HISTORIES_AHEAD", wrong)
        with pytest.raises(SettingError, match=f"POLYMART_HISTORIES_AHEAD is '{wrong}'"):
            open_ahead(scorer, str(folder / "store"))


def test_a_served_household_is_answered_from_what_was_read(folder: Path) -> None:
    with service_client(folder / "checkpoint", folder / "store") as client:
        settled()
        before = encoded()
        for household in HOUSEHOLDS:
            answer = client.post("/recommend", json={"household_id": household, "top": 3})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["products"]) == 3
        assert encoded() == before
