"""One process of a training, started by torchrun: ``python -m polymart.training.worker FOLDER`` (see `Job`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from polymart.errors import PolymartError
from polymart.training.distributed import JOB, Job, leave_error, leave_result
from polymart.training.world import joined


def main(folder: Path) -> int:
    """Take part in the training of ``folder``; the exit status."""
    job = Job.model_validate_json((folder / JOB).read_text())
    distributed = job.suite.training.distributed
    try:
        with joined(sharded=distributed.strategy == "fsdp2") as world:
            digest, log = job.train(world)
    except PolymartError as error:
        # Every process finds the same; one tells.
        if os.environ["RANK"] == "0":
            leave_error(folder, error)
        return 2
    if world.leads:
        leave_result(folder, digest, log)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
