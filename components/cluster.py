"""What the training step asks of the cluster that it runs in: its own pod, and TrainJobs."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from polymart.errors import SettingError

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
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


class TrainJobs:
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
        """Submit it."""
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
