"""A training on several machines: a TrainJob of Kubeflow Trainer that the training step submits and waits for.

Its pods run `polymart.training.worker` under torchrun with the image, the resources, the settings and the volume of
the work folder of the step's own pod; through that volume they get the examples and hand the checkpoint back.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client

from components.cluster import GROUP, VERSION, Place, TrainJobs, own_cluster, own_place
from polymart.config import Suite
from polymart.errors import TrainingError
from polymart.training.distributed import Job, read_result, write_job
from polymart.training.log import TrainingLog

RUNTIME = "polymart-torch"
"""The TrainingRuntime of k8s/training; its job and its container are both called ``node``."""


def train_job(name: str, folder: Path, suite: Suite, place: Place) -> dict[str, Any]:
    """The manifest: ``training.distributed`` machines and processes that train the job of ``folder``."""
    distributed = suite.training.distributed
    pod = {
        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": place.claim}}],
        "containers": [{"name": "node", "volumeMounts": [{"name": "work", "mountPath": place.mount}]}],
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "namespace": place.namespace,
            "labels": {"app.kubernetes.io/part-of": "polymart", "polymart/suite": suite.name},
        },
        "spec": {
            "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": RUNTIME},
            "trainer": {
                "image": place.image,
                # The runtime tells torchrun of machines, processes and the meeting point (PET_ variables).
                "command": ["python", "-m", "torch.distributed.run", "-m", "polymart.training.worker"],
                "args": [str(folder)],
                "numNodes": distributed.nodes,
                "numProcPerNode": distributed.processes,
                "resourcesPerNode": dict(place.resources),
                "env": [{"name": name, "value": value} for name, value in sorted(place.environment.items())],
            },
            "runtimePatches": [
                {
                    "manager": "polymart/train-suite",
                    "trainingRuntimeSpec": {
                        "template": {
                            "spec": {
                                "replicatedJobs": [{"name": "node", "template": {"spec": {"template": {"spec": pod}}}}]
                            }
                        }
                    },
                }
            ],
        },
    }


def train_on_machines(
    examples: Path,
    encoder: Path,
    suite: Suite,
    out: Path,
    state: Path,
    *,
    api: client.ApiClient | None = None,
    poll_s: float = 10,
) -> tuple[str, TrainingLog]:
    """`polymart.training.distributed.train` on ``training.distributed.nodes`` machines.

    A TrainJob of the same name that runs or is complete is taken over: an attempt before this one has submitted it.

    Args:
        state: as of `train`, below the work folder; beside it lie the inputs and results of the job.
        api: the cluster; none for the one that the step runs in.

    Raises:
        SettingError: the step runs in no cluster, or its work folder lies on no volume that other pods could mount.
        TrainingError: the TrainJob failed; the same call goes on from the state.
        PolymartError: whatever the first process found wrong.
    """
    name, folder = _name_of(state), state.with_name(f"{state.name}-job")
    job = Job(
        examples=folder / "examples", encoder=folder / "encoder", suite=suite, out=folder / "checkpoint", state=state
    )
    api = api or own_cluster()
    with _refusals(name):
        place, jobs = own_place(api, state), TrainJobs(api, name, poll_s)
        if jobs.find() is None:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(examples, job.examples)
            shutil.copytree(encoder, job.encoder)
            write_job(job, folder)
            jobs.create(train_job(name, folder, suite, place))
        ended = jobs.wait()
        result = read_result(job, folder, f"{ended}; see kubectl -n {place.namespace} describe trainjob {name}")
        shutil.copytree(job.out, out, dirs_exist_ok=True)
        jobs.delete()
    shutil.rmtree(folder)
    return result


def _name_of(state: Path) -> str:
    """Short enough for the names of pods that are made of it."""
    return "polymart-" + re.sub("[^a-z0-9-]", "-", state.name)[-40:].lstrip("-")


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turn what the cluster refuses into an error of ours."""
    try:
        yield
    except client.ApiException as error:
        raise TrainingError(
            f"the cluster answered {error.status} {error.reason} about TrainJob {name}",
            remedy="install Kubeflow Trainer, and give the step's service account the role of k8s/training",
        ) from error
