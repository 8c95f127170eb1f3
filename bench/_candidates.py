"""Candidates for the gate drill: good ones by one recipe, and those that learned the wrong thing.

A maker writes a checkpoint below a folder of its own and says with which examples and suite it is to be judged, and
what the verdict must name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bench._heads import Workbench
from feature_repo.retrieval import apply, retrieve
from feature_repo.services import SERVICES
from polymart.config import Suite, Task
from polymart.data.examples import read_examples, read_examples_index, write_examples
from polymart.evaluation.metrics import metric_of
from polymart.evaluation.records import Verdict
from polymart.files import digest_file, write_json
from polymart.model.multitask import MultiTaskModel
from polymart.tasks import kind_of
from polymart.training.checkpoint import save_checkpoint

CHAMPION_SEED = 1000
BEYOND = 1.25
"""A regressed head is worse than it was by this many margins, on validation rows."""
HINT = "handled_by"
"""A column that is written after the event, as a routing code is, and tells the label."""
SPREAD = 1e-3
"""Noise on a leaked number, relative."""


@dataclass(frozen=True)
class Cause:
    """What a verdict must name: one of these gates did not pass, for this task, with these words."""

    gates: tuple[str, ...]
    task: str = ""
    words: str = ""

    def named(self, verdict: Verdict) -> bool:
        """Whether it does."""
        missed = [gate for gate in verdict.gates if gate.outcome != "pass" and gate.gate in self.gates]
        return any(self.task in ("", gate.task) and self.words in gate.cause for gate in missed)


@dataclass(frozen=True)
class Candidate:
    """What is judged."""

    checkpoint: Path
    examples: Path
    suite: Suite
    cause: Cause | None
    """None of a good one."""


@dataclass(frozen=True)
class Shop:
    """What all candidates of a drill are made from."""

    tables: Path
    examples: Path
    encoder: Path
    suite: Suite
    work: Path
    depth: int = 10
    """How many times as many layers a slow encoder has."""

    @cached_property
    def bench(self) -> Workbench:
        return self.workbench(self.examples, self.suite)

    def workbench(self, examples: Path, suite: Suite) -> Workbench:
        """Other examples on the same encoder; texts that are known keep their vectors."""
        return Workbench(examples, self.encoder, suite, self.work / "vectors")

    @cached_property
    def champion(self) -> Path:
        """One more good candidate."""
        folder = self.work / "champion"
        if not folder.is_dir():
            save_checkpoint(self.bench.checkpoint(self.bench.trained(CHAMPION_SEED)), folder)
        return folder

    def task(self, number: int, wanted: Callable[[Task], object] = lambda task: True) -> Task:
        """The tasks take turns."""
        tasks = [task for task in self.bench.suite.tasks if wanted(task)]
        return tasks[number % len(tasks)]

    def saved(self, model: MultiTaskModel, folder: Path, cause: Cause | None) -> Candidate:
        """``model`` as a candidate on the honest examples."""
        save_checkpoint(self.bench.checkpoint(model), folder / "checkpoint")
        return Candidate(folder / "checkpoint", self.examples, self.suite, cause)


def good(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """The recipe with another seed."""
    return shop.saved(shop.bench.trained(seed), folder, None)


def shuffled(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """One head learned from shuffled labels."""
    task = shop.task(number).name
    return shop.saved(shop.bench.trained(seed, shuffled=task), folder, Cause(("floor", "champion"), task))


def regressed(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """Noise on the last layer of one head, just enough to be worse by a little more than the margin."""
    task, bench, model = shop.task(number), shop.bench, shop.bench.trained(seed)
    weight = model.head(task.name).get_parameter("out.weight")
    learned, sign = weight.detach().clone(), 1 if metric_of(task.metric, task.kind).greater_is_better else -1
    noise = torch.randn(learned.shape, generator=torch.Generator().manual_seed(seed)) * (learned.std() + 1e-3)
    whole = bench.validated(model, task.name)

    def enough(scale: float) -> bool:
        weight.data = learned + scale * noise
        return sign * (whole - bench.validated(model, task.name)) >= BEYOND * (task.regression_margin or 0)

    low, high = 0.0, 1.0
    while not enough(high):
        high *= 2
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    enough(high)
    return shop.saved(model, folder, Cause(("champion",), task.name))


def leaked(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """A column, or the newest event of a history, tells the label of every row."""
    task, random = shop.task(number), np.random.default_rng(seed)
    examples = Path(shutil.copytree(shop.examples, folder / "examples"))
    index, frame = read_examples_index(examples), read_examples(examples, task.name)
    if prefix := task.inputs.label_history:
        changed, column = _with_own_event(frame, task.label, prefix), f"{prefix}_ids"
    else:
        label = kind_of(task.kind).encode_labels(frame[task.label], index.tasks[task.name].labels, task.name)
        spread = SPREAD * label if task.kind in ("count", "regression") else 0.1
        changed, column = frame.assign(**{HINT: label + spread * random.standard_normal(len(label))}), HINT
        task = task.model_copy(
            update={"inputs": task.inputs.model_copy(update={"numeric": [*task.inputs.numeric, HINT]})}
        )
    path = examples / f"{task.name}.parquet"
    changed.to_parquet(path, coerce_timestamps="us")
    about = index.tasks[task.name].model_copy(update={"digest": digest_file(path)})
    index = index.model_copy(update={"tasks": {**index.tasks, task.name: about}})
    write_json(examples / "examples.json", index.model_dump(mode="json"))
    tasks = [task if task.name == other.name else other for other in shop.suite.tasks]
    suite = shop.suite.model_copy(update={"tasks": tasks})
    return _trained_on(shop, examples, suite, seed, folder, Cause(("leakage",), task.name, column))


def _with_own_event(frame: pd.DataFrame, label: str, prefix: str) -> pd.DataFrame:
    """The history counts the very event that it shall tell."""
    rows = zip(*(frame[f"{prefix}_{part}"] for part in ("ids", "count", "decayed", "gap")), frame[label], strict=True)
    made = []
    for ids, count, decayed, gap, own in rows:
        past = pd.DataFrame({"count": count, "decayed": decayed, "gap": np.asarray(gap) + 1}, index=ids)
        event = pd.DataFrame({"count": 1.0, "decayed": 1.0, "gap": 0.0}, index=own)
        both = past.add(event, fill_value=0)
        both.loc[own, "gap"] = 0.0
        made.append([both.index.to_numpy(), *(both[part].to_numpy(np.float32) for part in both)])
    parts = zip(("ids", "count", "decayed", "gap"), zip(*made, strict=True), strict=True)
    return frame.assign(**{f"{prefix}_{part}": list(values) for part, values in parts})


def stale(shop: Shop, seed: int, number: int, folder: Path) -> Candidate:
    """One feature table got no new row in the last weeks before the newest label."""
    task = shop.task(number, lambda task: task.feature_service)
    views = SERVICES[task.feature_service or ""]
    view = views[number % len(views)]
    newest = read_examples(shop.examples, task.name, ["event_timestamp"])["event_timestamp"].max()
    tables = Path(shutil.copytree(shop.tables, folder / "tables", copy_function=os.link))
    path = tables / "features" / f"{view}.parquet"
    rows = pd.read_parquet(path)
    path.unlink()  # a link: writing through it would change the honest table
    days = int(np.random.default_rng(seed).integers(30, 50))
    rows[rows["event_timestamp"] <= newest - pd.Timedelta(days=days)].to_parquet(path, coerce_timestamps="us")
    apply(tables, folder / "store")
    write_examples(
        tables, shop.suite, folder / "examples", retrieve=lambda name, asked: retrieve(folder / "store", name, asked)
    )
    return _trained_on(shop, folder / "examples", shop.suite, seed, folder, Cause(("feature_age",), words=view))


def _trained_on(shop: Shop, examples: Path, suite: Suite, seed: int, folder: Path, cause: Cause) -> Candidate:
    bench = shop.workbench(examples, suite)
    save_checkpoint(bench.checkpoint(bench.trained(seed)), folder / "checkpoint")
    return Candidate(folder / "checkpoint", examples, suite, cause)
