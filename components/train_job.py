"""A training on several machines: a TrainJob of Kubeflow Trainer that the training step submits and waits for.

Its pods run `polymart.training.worker` under torchrun with the image, the resources, the settings and the volume of
the work folder of the step's own pod; through that volume they get the examples and hand the checkpoint back.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from polymart.config import Suite
from polymart.errors import SettingError, TrainingError
from polymart.training.distributed import Job, read_result, write_job
from polymart.training.log import TrainingLog

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
RUNTIME = "torch-distributed"
"""The ClusterTrainingRuntime that Kubeflow Trainer brings; its job and its container are both called ``node``."""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Place:
    """What the pods of a TrainJob share with the step that submits it."""

    namespace: str
    image: str
    claim: str
    """PersistentVolumeClaim of the work folder; every machine must be able to mount it (ReadWriteMany)."""
    mount: str
    resources: Mapping[str, Any]
    environment: Mapping[str, str]


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
            "runtimeRef": {"apiGroup": GROUP, "kind": "ClusterTrainingRuntime", "name": RUNTIME},
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
        place, jobs = own_place(api, state), _TrainJobs(api, name, poll_s)
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


def own_cluster() -> client.ApiClient:
    """The API server of the cluster that this process runs in.

    Raises:
        SettingError: it runs in none.
    """
    try:
        config.load_incluster_config()
    except config.ConfigException as error:
        raise SettingError(
            f"training on several machines submits a TrainJob, but this step runs in no cluster: {error}",
            remedy="submit the pipeline to Kubeflow with `polymart submit`, or set training.distributed.nodes to 1",
        ) from error
    return client.ApiClient()


def own_place(api: client.ApiClient, work: Path) -> Place:
    """Read the step's own pod.

    Raises:
        SettingError: ``work`` lies on no claim that the pod mounts.
    """
    namespace = _namespace()
    pod = client.CoreV1Api(api).read_namespaced_pod(os.environ["HOSTNAME"], namespace)
    main = next(c for c in pod.spec.containers if c.name == "main")
    claims = {v.name: v.persistent_volume_claim.claim_name for v in pod.spec.volumes if v.persistent_volume_claim}
    mounts = [m for m in main.volume_mounts if m.name in claims and work.is_relative_to(m.mount_path)]
    if not mounts:
        raise SettingError(
            f"training on several machines needs the work folder on a volume that all can mount; {work} is on none",
            remedy="set POLYMART_WORK_DIR to where the claim polymart-work is mounted (k8s/training)",
        )
    mount = max(mounts, key=lambda m: len(m.mount_path))
    settings = {name: value for name, value in os.environ.items() if name.startswith("POLYMART_")}
    resources = api.sanitize_for_serialization(main.resources) or {}
    return Place(namespace, main.image, claims[mount.name], mount.mount_path, resources, settings)


def _namespace() -> str:
    return (ACCOUNT / "namespace").read_text().strip()


class _TrainJobs:
    """One TrainJob of the cluster."""

    def __init__(self, api: client.ApiClient, name: str, poll_s: float) -> None:
        self.api, self.poll_s = client.CustomObjectsApi(api), poll_s
        self.where = {"group": GROUP, "version": VERSION, "namespace": _namespace(), "plural": PLURAL}
        self.one = {**self.where, "name": name}

    def find(self) -> dict[str, Any] | None:
        """The job that runs or is complete; a failed one is deleted, so that it can be tried again."""
        found = self._get()
        if found is not None and _end_of(found).startswith("Failed"):
            self.delete()
            found = None
        return found

    def create(self, manifest: dict[str, Any]) -> None:
        self.api.create_namespaced_custom_object(**self.where, body=manifest)

    def wait(self) -> str:
        """How the job ended."""
        while (found := self._get()) is not None and not _end_of(found):
            time.sleep(self.poll_s)
        return f"TrainJob {self.one['name']}: {_end_of(found) if found else 'somebody deleted it'}"

    def delete(self) -> None:
        """Delete it and wait until it is gone."""
        self.api.delete_namespaced_custom_object(**self.one)
        while self._get() is not None:
            time.sleep(self.poll_s)

    def _get(self) -> dict[str, Any] | None:
        try:
            return self.api.get_namespaced_custom_object(**self.one)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise


def _end_of(job: Mapping[str, Any]) -> str:
    """``Complete`` or ``Failed`` with the cluster's words; empty while the job runs."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return f"{condition['type']} {condition.get('message', '')}".strip()
    return ""


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
