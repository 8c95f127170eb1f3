"""Budget-matched random search over task weights and learning rates.

Tuned static weights match specialised multi-task optimisers (Xin et al. 2022; Kurin et al. 2022, 2201.04122), so the
search is the default way to weights. The first trial is the suite as written; every trial gets the same steps, data
and seed, and none is cut short by what another one reached. The study lies in one append-only journal and the trial
that runs keeps its training state beside it: a search that was stopped goes on inside the trial that it stopped in.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from polymart.config import Suite
from polymart.errors import TrainingError
from polymart.files import storage_errors, write_json
from polymart.training.loop import TrainingLog, train_suite
from polymart.training.state import delete_states

SPREAD = 4.0
"""Weights are searched log-uniformly between 1/SPREAD and SPREAD of the suite's own, learning rates alike."""
RATES = ("learning_rate", "head_learning_rate")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)

Report = Callable[[int, int, str], None]
"""Called with (trial, step in the trial, line about the best so far)."""


class Trial(BaseModel):
    """One finished trial."""

    model_config = ConfigDict(frozen=True)

    number: int
    factors: dict[str, float]
    """What each task's weight and each learning rate was multiplied by; empty for the suite as written."""
    losses: dict[str, float]
    """Validation loss of each task at the trial's best step; empty if it diverged."""
    score: float | None
    """Mean over tasks of log(validation loss): lower is better, and no task counts more for its scale."""
    error: str = ""


class Tuning(BaseModel):
    """``tuning.json``: every trial, and the best."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    suite: str
    suite_digest: str
    steps: int
    trials: list[Trial]
    best: int

    def gain(self) -> float:
        """How much lower the best trial's losses are than those of the suite as written, as a geometric mean."""
        first = next(trial for trial in self.trials if not trial.factors)
        best = next(trial for trial in self.trials if trial.number == self.best)
        if first.score is None or best.score is None:
            return math.nan
        return 1 - math.exp(best.score - first.score)


def tune_suite(
    examples: Path, encoder: Path, suite: Suite, out: Path, *, trials: int, steps: int, report: Report | None = None
) -> tuple[Suite, Tuning]:
    """Search, and return the suite with the best weights and learning rates, and the record.

    Args:
        examples: folder with ``<task>.parquet`` and ``examples.json``.
        encoder: folder with the pretrained encoder.
        suite: where the search starts.
        out: folder of the journal, of the running trial's state and of ``tuning.json``; no checkpoint is kept.
        trials: finished trials wanted in all, those of earlier calls included; the first is the suite as written.
        steps: optimiser steps of each trial.
        report: progress callback.

    Raises:
        TrainingError: no trial ended with finite losses, or ``out`` holds the search of another suite.
        StorageError: the disk refuses.
    """
    settings = suite.training.model_copy(
        update={"max_steps": steps, "evaluate_every": min(suite.training.evaluate_every, steps)}
    )
    base = suite.model_copy(update={"training": settings})
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        study = _open_study(base, out)
    while (done := sum(trial.state in DONE for trial in study.trials)) < trials:
        _run_trial(study, base, examples, encoder, out, report if report is None else _told(report, study, done))
    shutil.rmtree(out / "trial", ignore_errors=True)
    record = _record(study, base)
    best = apply_factors(suite, study.best_trial.params)
    write_json(out / "tuning.json", record.model_dump(mode="json"))
    return best, record


def apply_factors(suite: Suite, factors: Mapping[str, float]) -> Suite:
    """``suite`` with each task's weight and each learning rate multiplied by its factor (1 where none is given)."""
    tasks = [
        task.model_copy(update={"weight": task.weight * factors.get(f"weight.{task.name}", 1.0)})
        for task in suite.tasks
    ]
    rates = {name: getattr(suite.training, name) * factors.get(name, 1.0) for name in RATES}
    return suite.model_copy(update={"tasks": tasks, "training": suite.training.model_copy(update=rates)})


def _open_study(suite: Suite, out: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out / "journal.log")))
    study = optuna.create_study(study_name="weights", storage=storage, load_if_exists=True, direction="minimize")
    found = study.user_attrs.get("suite")
    if found is None:
        study.set_user_attr("suite", suite.digest)
        study.enqueue_trial({})
    elif found != suite.digest:
        raise TrainingError(
            f"{out} holds the search of another suite or of other steps: {found}, not {suite.digest}",
            remedy="give another folder, or delete this one",
        )
    for trial in study.trials:
        if trial.state == TrialState.RUNNING:  # cut off: the same factors once more
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
    return study


def _run_trial(
    study: optuna.Study, suite: Suite, examples: Path, encoder: Path, out: Path, report: Callable[[int], None] | None
) -> None:
    # A stream of its own for every trial: a resumed search draws what the uninterrupted one would have drawn.
    study.sampler = optuna.samplers.RandomSampler(seed=suite.seed + sum(t.state in DONE for t in study.trials))
    trial = study.ask()
    factors = _draw(trial, suite) if any(t.state in DONE for t in study.trials) else {}
    try:
        _, log = train_suite(
            examples,
            encoder,
            apply_factors(suite, factors),
            out / "trial",
            report and (lambda step, *_: report(step)),
            state=out / "state",
        )
    except TrainingError as error:
        delete_states(out / "state")  # it would only diverge again
        trial.set_user_attr("error", error.message)
        study.tell(trial, state=TrialState.PRUNED)
        return
    losses = best_losses(log)
    trial.set_user_attr("losses", losses)
    study.tell(trial, score(losses))


def _draw(trial: optuna.Trial, suite: Suite) -> dict[str, float]:
    names = [f"weight.{task.name}" for task in suite.tasks] + list(RATES)
    return {name: trial.suggest_float(name, 1 / SPREAD, SPREAD, log=True) for name in names}


def best_losses(log: TrainingLog) -> dict[str, float]:
    """Each task's validation loss at the step whose weights were kept."""
    row = next(row for row in log.validation if row["step"] == log.best_step)
    return {name: value for name, value in row.items() if name not in ("step", "mean")}


def score(losses: Mapping[str, float]) -> float:
    """Mean over tasks of log(loss); the floor keeps a task that is solved from outweighing all others."""
    return sum(math.log(max(loss, 1e-3)) for loss in losses.values()) / len(losses)


def _told(report: Report, study: optuna.Study, done: int) -> Callable[[int], None]:
    finished = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    first = next((t for t in finished if not t.params), None)
    best = min(finished, key=lambda t: t.value or 0.0, default=None)
    line = "" if first is None or best is None else f"best trial {best.number}, losses x{_ratio(best, first):.3f}"
    return lambda step: report(done, step, line)


def _ratio(best: FrozenTrial, first: FrozenTrial) -> float:
    return math.exp((best.value or 0.0) - (first.value or 0.0))


def _record(study: optuna.Study, suite: Suite) -> Tuning:
    finished = [trial for trial in study.trials if trial.state in DONE]
    if not any(trial.state == TrialState.COMPLETE for trial in finished):
        raise TrainingError(
            f"none of {len(finished)} trials of suite {suite.name!r} ended with finite losses",
            remedy="lower training.learning_rate and head_learning_rate in the suite",
        )
    return Tuning(
        suite=suite.name,
        suite_digest=suite.digest,
        steps=suite.training.max_steps,
        best=study.best_trial.number,
        trials=[
            Trial(
                number=trial.number,
                factors=trial.params,
                losses=trial.user_attrs.get("losses", {}),
                score=trial.value,
                error=trial.user_attrs.get("error", ""),
            )
            for trial in finished
        ],
    )
