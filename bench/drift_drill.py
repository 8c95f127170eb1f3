"""Thirty weeks of the shop through the monitoring pass: what is it to be alarmed by, and what not?

completejourney is replayed week by week, 2017-06-05 to 2017-12-31, with the predictions of a real model that was
trained on the weeks before (suites/replay.yaml), or of ``--checkpoint``. Every week `monitoring.run` sees the tables as
they lay at its end: no later row, no label that had not arrived. The reference is 2017-01-02 to 2017-06-04.

1. Nothing injected: the year as it was, with its seasons, and weeks drawn from the reference by households, which are
   like it by construction. How often is a retraining asked for?
2. Eight kinds of change (`bench._replay_changes`), each begun in three weeks: when is it seen, and does its cause
   stand first among what the report newly names?

With ``--redeploy`` it measures instead how long it takes from the decision to retrain to the answer of the new model.

What was done lies under ``<work>/bench/drift_drill``, and the same command goes on with the rest. The full form writes
bench/results/drift_drill.json; ``--small`` trains a few steps, watches three weeks and injects every kind once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench import claim, machine
from bench._examples import examples_of
from bench._replay_changes import CHANGES
from bench._replay_drill import PATIENCE, STARTS, Clock, Shop, injected, quiet_weeks, resampled, summary
from bench._replay_world import NUM_WEEKS, START, build_world, week_end
from bench.quality import shrunk
from polymart.config import Settings, Suite, load_suite
from polymart.data.archives import fetch
from polymart.files import digest_text, read_json, write_json
from polymart.model.predictor import Predictor
from polymart.training.checkpoint import checkpoint_digest
from polymart.training.loop import train_suite, training_key

REPLAY = Path(__file__).parents[1] / "suites" / "replay.yaml"
RESULTS = Path(__file__).parent / "results" / "drift_drill.json"


def main() -> None:
    """Do what is missing, print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--checkpoint", type=Path, help="watch this model of suites/shop.yaml instead")
    parser.add_argument("--redeploy", action="store_true")
    options = parser.parse_args()
    if options.redeploy:
        from bench._replay_redeploy import redeploy  # the orchestrator takes seconds to import

        keep({"redeploy": {"machine": machine(), **redeploy(small=options.small)}}, options.small)
        return
    shop = open_shop(options.checkpoint, options.small)
    clock = Clock(shop.work / "seconds.json")
    num_weeks, starts, patience = (3, STARTS[:1], 1) if options.small else (NUM_WEEKS, STARTS, PATIENCE)
    found: dict[str, Any] = {
        "year": quiet_weeks(shop.world, num_weeks, shop.work / "year", clock.tick),
        "resampled": quiet_weeks(resampled(shop.world), num_weeks, shop.work / "resampled", clock.tick),
        "injected": [],
    }
    for start in starts:
        for kind in CHANGES:
            found["injected"].append(injected(shop, kind, start, patience))
            clock.tick()
    for one in found["injected"]:
        print(
            f"{one['kind']:18} week {one['start']:2} delay {one['delay']} place {one['place']} "
            f"news {one['news']} {one['named'][:3]}",
            flush=True,
        )
    claims(found, clock.seconds)
    weeks = [f"{START:%Y-%m-%d}", f"{week_end(num_weeks - 1):%Y-%m-%d}"]
    keep({"machine": machine(), "weeks": weeks, "seconds": clock.seconds, **found}, options.small)


def open_shop(checkpoint: Path | None, small: bool) -> Shop:
    """Example tables, model and predictions; all of it is made once."""
    suite = load_suite(REPLAY)
    if small:
        suite = few(suite)
    examples, encoder = examples_of(suite)
    key = training_key(examples, suite)
    if checkpoint:
        key = digest_text(f"{key} {checkpoint_digest(checkpoint)}")
    work = Settings().work_dir / "bench" / "drift_drill" / key.removeprefix("sha256:")[:12]
    if checkpoint is None:
        checkpoint = work / "checkpoint"
        train_suite(examples, encoder, suite, checkpoint, state=work / "state")
    predictor = Predictor.load(checkpoint)
    world = build_world(suite, examples, predictor, work / "predictions")
    return Shop(world, predictor, foreign_reviews(), work)


def few(suite: Suite) -> Suite:
    """A few steps of training, and some hundred rows a week: fewer could tell nothing."""
    content = shrunk(suite).model_dump(mode="json")
    tasks = [task | {"limits": {"train": 1500, "val": 400, "test": 9000}} for task in content["tasks"]]
    return Suite.model_validate(content | {"tasks": tasks}, strict=False)


def foreign_reviews() -> tuple[str, ...]:
    """Reviews of Chinese shoppers, as they are."""
    folder = fetch("zh_reviews", Settings())
    lines = [line.strip() for name in ("neg.txt", "pos.txt") for line in (folder / name).read_text().splitlines()]
    return tuple(dict.fromkeys(line for line in lines if line))


def claims(found: dict[str, Any], seconds: float) -> None:
    """Print one line for each claim."""
    for name in ("year", "resampled"):
        quiet = found[name]
        false = len(quiet["retrained"])
        claim(f"false retrainings, {name}", false, "<= 1", false <= 1, quiet["weeks"])
        claim(f"weeks in which anything is named, {name}", quiet["weeks_with_a_name"], "stated", True, quiet["weeks"])
    told = summary(found["injected"])
    every = told["injections"]
    claim("injected changes seen", told["seen"], f"{every}", told["seen"] == every, every)
    claim("median delay in windows", told["median_delay"], "<= 2", told["median_delay"] <= 2, every)
    for name, text in (
        ("first", "injected changes whose cause stands first in the report"),
        ("first_news", "injected changes whose cause stands first among what that week names only because of them"),
    ):
        claim(text, told[name], f"{every}", told[name] == every, every)
    claim("minutes of the drill", seconds / 60, "< 30", seconds < 1800, 1)


def keep(part: dict[str, Any], small: bool) -> None:
    """Write a part of the results beside the parts that are there; a small run writes nothing."""
    if not small:
        before = read_json(RESULTS) if RESULTS.is_file() else {}
        write_json(RESULTS, before | part)


if __name__ == "__main__":
    main()
