"""The two parts of the drill: weeks without an injected change, and weeks with one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench._replay_changes import CHANGES, Setting
from bench._replay_pass import watch
from bench._replay_world import NUM_WEEKS, SEED, START, WEEK, World, predict, retold, week_end
from polymart.files import read_json, write_json
from polymart.model.predictor import Predictor

STARTS = (4, 11, 18)
"""Weeks in which a change begins; every kind is injected at each."""
PATIENCE = 10
"""Weeks after which a change that nobody saw counts as missed."""
VAL_WEEKS = 5
"""Newest weeks of a reference that count as never learned from."""


@dataclass(frozen=True)
class Shop:
    """What the drill runs on."""

    world: World
    predictor: Predictor
    foreign: tuple[str, ...]
    work: Path


class Clock:
    """Seconds spent on the drill, kept in a file from run to run; a killed run loses those since its last `tick`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: float = read_json(path)["seconds"] if path.is_file() else 0.0
        self._since = time.monotonic()

    def tick(self) -> None:
        """Keep what was spent until now."""
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        write_json(self.path, {"seconds": self.seconds})


def quiet_weeks(world: World, num_weeks: int, folder: Path, tick: Callable[[], None]) -> dict[str, Any]:
    """Passes over weeks in which nothing was injected.

    After a decision to retrain the reference moves up to that week, as it does with a retraining; the model stays.

    Args:
        world: the tables.
        num_weeks: from the first week on.
        folder: of what was done; the same call goes on with the rest.
        tick: called after each week.
    """
    retrained, actions, weeks_named = [], [], 0
    passes, first = iter(watch(world, range(num_weeks), folder / "from-00")), 0
    for week in range(num_weeks):
        found = next(passes)
        actions.append(found.action)
        weeks_named += any(found.named.values())
        tick()
        if found.action == "retrain":
            retrained.append({"week": f"{START + week * WEEK:%Y-%m-%d}", "reasons": found.reasons})
            world, first = rebased(world, week_end(week)), week + 1
            passes = iter(watch(world, range(first, num_weeks), folder / f"from-{first:02}"))
    return {"weeks": num_weeks, "actions": actions, "weeks_with_a_name": weeks_named, "retrained": retrained}


def rebased(world: World, day: pd.Timestamp) -> World:
    """The world after a retraining at ``day``: all rows before it are reference, the newest of them never learned."""
    val_from = day - VAL_WEEKS * WEEK

    def split(rows: pd.DataFrame) -> pd.DataFrame:
        times = rows["event_timestamp"]
        names = np.select([times >= day, times >= val_from], ["test", "val"], "train")
        return rows.assign(split=names)

    tasks = []
    for task in world.suite.tasks:
        if task.split is not None:
            bounds = task.split.model_copy(update={"val_from": val_from.date(), "test_from": day.date()})
            task = task.model_copy(update={"split": bounds})
        tasks.append(task)
    return replace(
        world,
        suite=world.suite.model_copy(update={"tasks": tasks}),
        examples={name: split(rows) for name, rows in world.examples.items()},
        predictions={name: split(rows) for name, rows in world.predictions.items()},
    )


def resampled(world: World) -> World:
    """Weeks that are like the reference by construction: each is a bootstrap of the reference's clusters (households).

    A week draws as many rows as it had; features, labels and predictions of a row stay together. The reference of
    predictions holds training rows, too, because the weeks do. Texts are drawn from validation rows alone where dates
    are the drill's own: the vocabulary is that of the training rows, in which no word is unseen.
    """
    examples, predictions = {}, {}
    for number, task in enumerate(world.suite.tasks):
        rng = np.random.default_rng([SEED, number])
        rows, said = world.examples[task.name], world.predictions[task.name]
        known = rows[rows["split"] != "test"]
        pool = known if task.split else known[known["split"] == "val"]
        weeks = [_bootstrap(pool, task.cluster, rows, week, rng) for week in range(NUM_WEEKS)]
        drawn = pd.concat(weeks, ignore_index=True)
        source = drawn["example_id"].astype(str)
        drawn["example_id"] = source + "-" + drawn.index.astype(str)
        answers = retold(said, source, drawn)
        usual = said[said["example_id"].isin(pool["example_id"].astype(str))].assign(split="val")
        examples[task.name] = pd.concat([known, drawn], ignore_index=True)
        predictions[task.name] = pd.concat([usual, answers], ignore_index=True)
    return replace(world, examples=examples, predictions=predictions)


def _bootstrap(
    pool: pd.DataFrame, cluster: str, rows: pd.DataFrame, week: int, rng: np.random.Generator
) -> pd.DataFrame:
    """As many rows of ``pool`` as a week had, cluster by cluster, at that week's moments."""
    test = rows[rows["split"] == "test"]
    inside = test["event_timestamp"].between(START + week * WEEK, week_end(week), inclusive="left")
    moments = test.loc[inside, "event_timestamp"].to_numpy()
    clusters = list(pool.groupby(cluster).indices.values())
    chosen: list[int] = []
    while len(chosen) < len(moments):
        chosen.extend(clusters[rng.integers(len(clusters))])
    drawn = pool.iloc[chosen[: len(moments)]]
    return drawn.assign(event_timestamp=moments, label_end=moments, split="test")


def changed(shop: Shop, kind: str, start: int, folder: Path) -> World:
    """The world in which a change of some kind begins in week ``start``; changed rows are predicted anew."""
    change = CHANGES[kind]
    world, task = shop.world.only(change.task), shop.world.suite.task(change.task)
    rows, said = world.examples[task.name], world.predictions[task.name]
    reference, current = rows[rows["split"] != "test"], rows[rows["split"] == "test"]
    current = current[current["event_timestamp"] < week_end(start + PATIENCE)]
    begins = START + start * WEEK
    after = change.apply(current, Setting(begins, reference, shop.foreign)).reset_index(drop=True)
    fresh = after[after["event_timestamp"] >= begins].reset_index(drop=True)
    unchanged = said[said["event_timestamp"].lt(begins) | said["split"].ne("test")]
    answers = predict(shop.predictor, task, fresh, folder / "predictions" / f"{task.name}.parquet")
    return world.with_rows(
        task.name,
        pd.concat([reference, after], ignore_index=True),
        pd.concat([unchanged, answers], ignore_index=True),
    )


def injected(shop: Shop, kind: str, start: int, patience: int = PATIENCE) -> dict[str, Any]:
    """Inject one change and watch until it is seen.

    It is seen in the first window whose report names one of its causes, where the report of the same week without the
    change does not: the year moves by itself, too.

    Returns:
        ``delay`` in windows (0: in the window in which the change began; None: missed), the ``place`` of its first
        right cause in the report (1: first), its place among the ``news`` (what the week without the change does not
        name), the ``action`` of that pass and what the report ``named``.
    """
    folder = shop.work / f"{kind}-{start:02}"
    kept = folder / "found.json"
    if kept.is_file():
        return read_json(kept)
    change = CHANGES[kind]
    found: dict[str, Any] = {"kind": kind, "start": start, "delay": None, "place": None, "news": None}
    weeks = range(start, min(start + patience, NUM_WEEKS))
    clean = watch(shop.world.only(change.task), weeks, shop.work / f"clean-{change.task}")
    for one, without in zip(watch(changed(shop, kind, start, folder), weeks, folder), clean, strict=True):
        told = one.named.get(change.task, [])
        news = news_of(told, without.named.get(change.task, []))
        seen = next((cause for cause in news if change.causes & set(cause)), None)
        found |= {"action": one.action, "named": told[:5]}
        if seen is not None:
            found |= {"delay": one.week - start, "place": told.index(seen) + 1, "news": news.index(seen) + 1}
            break
    write_json(kept, found)
    return found


def news_of(told: list[list[str]], clean: list[list[str]]) -> list[list[str]]:
    """What a report names that another does not, or not as broken."""
    before = {cause[0]: set(cause) for cause in clean}
    return [
        cause for cause in told if cause[0] not in before or ("quality" in cause and "quality" not in before[cause[0]])
    ]


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all injections: seen, median delay (a missed one counts `PATIENCE` weeks), cause first."""
    delays = [PATIENCE if one["delay"] is None else one["delay"] for one in found]
    return {
        "injections": len(found),
        "seen": sum(one["delay"] is not None for one in found),
        "median_delay": float(np.median(delays)),
        "first": sum(one["place"] == 1 for one in found),
        "first_news": sum(one["news"] == 1 for one in found),
    }
