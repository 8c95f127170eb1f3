"""One helper for what every pipeline task gets of a cluster: resources, volumes, retries, timeouts, secrets.

Running locally, kfp ignores all of it; nothing here asks where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from kfp import dsl, kubernetes

from polymart.config import Cluster, KeysOf, Size, Volume

Kind = Literal["light", "data", "training"]
"""Which of the cluster's sizes a step gets."""


def configure(
    task: dsl.PipelineTask,
    cluster: Cluster,
    kind: Kind = "light",
    *,
    retry: bool = False,
    work: bool = False,
    archives: bool = False,
    api: bool = False,
    secrets: Iterable[KeysOf] = (),
) -> dsl.PipelineTask:
    """Set what ``task`` may use.

    Args:
        cluster: where it will run.
        kind: how much it needs.
        retry: try again; only for tasks that reach over a network and leave nothing half-done, since a broken table
            stays broken, and for those that go on from a saved state.
        work: keep the work folder on a volume that outlives the pod.
        archives: keep downloaded archives, where the cluster has a volume for them.
        api: let it ask Kubeflow Pipelines; where users are kept apart, Kubeflow mounts a token into pods of this label.
        secrets: secrets whose keys become environment variables.
    """
    _size(task, getattr(cluster.sizes, kind))
    if retry and cluster.retries.attempts:
        wait = cluster.retries
        task.set_retry(
            wait.attempts,
            backoff_duration=f"{wait.backoff_s}s",
            backoff_factor=wait.factor,
            backoff_max_duration=f"{wait.max_backoff_s}s",
        )
    if work:
        _volume(task, cluster, cluster.work, "POLYMART_WORK_DIR")
    if archives and cluster.data:
        _volume(task, cluster, cluster.data, "POLYMART_DATA_DIR")
    if api and cluster.multi_user:
        kubernetes.add_pod_label(task, "access-ml-pipeline", "true")
    kubernetes.use_config_map_as_env(task, cluster.settings.name, _same(cluster.settings), optional=True)
    for secret in (*secrets, *([cluster.secrets.storage] if cluster.secrets.storage else [])):
        kubernetes.use_secret_as_env(task, secret.name, _same(secret), optional=True)
    kubernetes.set_security_context(task, run_as_non_root=True)
    if cluster.secrets.pull:
        kubernetes.set_image_pull_secrets(task, list(cluster.secrets.pull))
    return task


def _same(named: KeysOf) -> dict[str, str]:
    return {key: key for key in named.keys}


def _volume(task: dsl.PipelineTask, cluster: Cluster, volume: Volume, variable: str) -> None:
    kubernetes.mount_pvc(task, volume.claim, volume.mount)
    # By way of the config map: a variable set on the task would hold for a local run, too.
    kubernetes.use_config_map_as_env(task, cluster.settings.name, {variable: variable})


def _size(task: dsl.PipelineTask, size: Size) -> None:
    cpu = f"{size.cpu:g}"
    task.set_cpu_limit(cpu).set_cpu_request(cpu).set_memory_limit(size.memory).set_memory_request(size.memory)
    if size.gpus:
        task.set_accelerator_type(size.gpu_type).set_accelerator_limit(size.gpus)
    if size.shared_memory:
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", size.shared_memory)  # noqa: S108
    for label, value in size.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in size.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    kubernetes.set_timeout(task, size.timeout_s)
