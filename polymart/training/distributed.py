"""Train in one process, or in several of this machine (torchrun); `polymart.training.worker` is one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from polymart import errors
from polymart.config import Suite
from polymart.errors import PolymartError, TrainingError
from polymart.files import read_json, write_json
from polymart.progress import Progress
from polymart.training.log import TrainingLog
from polymart.training.loop import train_suite
from polymart.training.world import ALONE, World

JOB, RESULT, ERROR = "job.json", "result.json", "error.json"


class Job(BaseModel):
    """What every process of a training must know; lies as ``job.json`` in a folder that all of them see.

    The first process leaves ``result.json`` (digest and log) or ``error.json`` there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: Path
    encoder: Path
    suite: Suite
    out: Path
    state: Path
    step: str = "train_suite"
    """The pipeline step that shows the progress."""
    unit: str = "steps"

    def train(self, world: World = ALONE) -> tuple[str, TrainingLog]:
        """Take part, telling of the progress on the output."""
        progress = Progress(self.step, self.suite.training.max_steps, self.unit)

        def report(step: int, _: int, losses: dict[str, float]) -> None:
            progress(step, " ".join(f"{name} {loss:.2f}" for name, loss in losses.items()))

        return train_suite(self.examples, self.encoder, self.suite, self.out, report, state=self.state, world=world)


def train(
    examples: Path,
    encoder: Path,
    suite: Suite,
    out: Path,
    state: Path,
    *,
    step: str = "train_suite",
    unit: str = "steps",
) -> tuple[str, TrainingLog]:
    """Train ``suite`` in ``training.distributed.processes`` processes; arguments and result as of `train_suite`.

    Args:
        step: the pipeline step that shows the progress, in ``unit``.

    Raises:
        TrainingError: a process died; the same call goes on from the state.
        PolymartError: whatever the first process found wrong.
    """
    job = Job(examples=examples, encoder=encoder, suite=suite, out=out, state=state, step=step, unit=unit)
    if suite.training.distributed.processes == 1:
        return job.train()
    _require_gpus(suite.training.distributed.processes)
    with tempfile.TemporaryDirectory(prefix="polymart-training-") as folder:
        write_job(job, Path(folder))
        return _launch(job, Path(folder))


def write_job(job: Job, folder: Path) -> None:
    """Write ``job.json``."""
    write_json(folder / JOB, job.model_dump(mode="json"))


def read_result(job: Job, folder: Path, died: str) -> tuple[str, TrainingLog]:
    """The digest and the log that the first process left in ``folder``.

    Raises:
        TrainingError: it left nothing; ``died`` says how it ended.
        PolymartError: what it found wrong.
    """
    if (folder / RESULT).is_file():
        result = read_json(folder / RESULT)
        return result["digest"], TrainingLog(**result["log"])
    if (folder / ERROR).is_file():
        found = read_json(folder / ERROR)
        raise getattr(errors, found["kind"])(found["message"], remedy=found["remedy"])
    raise TrainingError(died, remedy=f"run the same command again; it goes on from the state in {job.state}")


def _launch(job: Job, folder: Path) -> tuple[str, TrainingLog]:
    count = job.suite.training.distributed.processes
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
    run = subprocess.run([*command, "-m", "polymart.training.worker", str(folder)], env=threads | os.environ)
    died = f"training in {count} processes ended with status {run.returncode}: a process died, its last words are above"
    return read_result(job, folder, died)


def _require_gpus(processes: int) -> None:
    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise TrainingError(
            f"training.distributed.processes is {processes}, but this machine has {torch.cuda.device_count()} GPUs",
            remedy="set it to the number of GPUs",
        )


def leave_result(folder: Path, digest: str, log: TrainingLog) -> None:
    """Write ``result.json``."""
    write_json(folder / RESULT, {"digest": digest, "log": asdict(log)})


def leave_error(folder: Path, error: PolymartError) -> None:
    """Write ``error.json``."""
    write_json(folder / ERROR, {"kind": type(error).__name__, "message": error.message, "remedy": error.remedy})
