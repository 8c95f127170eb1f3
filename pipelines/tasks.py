"""One helper for what every pipeline task needs on a cluster: resources, retries, caching, secrets.

Running locally, kfp ignores resources and secrets; nothing here asks where it runs.
"""

from __future__ import annotations

from kfp import dsl, kubernetes

GIT_SECRET = "polymart-deploy-git"  # noqa: S105 - the name of a Kubernetes secret, not a secret
MLFLOW_SECRET = "polymart-mlflow"  # noqa: S105
KEYS = {
    GIT_SECRET: ("GIT_ASKPASS_TOKEN",),
    MLFLOW_SECRET: ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
}
"""The keys of each secret."""
WORK_CLAIM, WORK_MOUNT, SETTINGS = "polymart-work", "/polymart", "polymart-settings"
"""The claim of the work folder and the config map that tells of it; see k8s/training."""


def configure(
    task: dsl.PipelineTask,
    *,
    cpu: str = "1",
    memory: str = "4Gi",
    gpus: int = 0,
    retries: int = 0,
    secrets: tuple[str, ...] = (),
    work: bool = False,
) -> dsl.PipelineTask:
    """Set what ``task`` may use.

    Args:
        cpu: cores, as Kubernetes writes them.
        memory: limit, e.g. ``8Gi``.
        gpus: NVIDIA GPUs.
        retries: attempts after the first, 10 s apart and doubling; only for tasks that reach over a network and
            leave nothing half-done, since a broken table stays broken, and for those that go on from a saved state.
        secrets: names of Kubernetes secrets whose keys become environment variables of the same names.
        work: keep the work folder on a volume that outlives the pod.
    """
    task.set_cpu_limit(cpu).set_cpu_request(cpu).set_memory_limit(memory).set_memory_request(memory)
    if gpus:
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)
    if retries:
        task.set_retry(retries, backoff_duration="10s", backoff_factor=2.0, backoff_max_duration="120s")
    if work:
        kubernetes.mount_pvc(task, WORK_CLAIM, WORK_MOUNT)
        kubernetes.use_config_map_as_env(task, SETTINGS, {"POLYMART_WORK_DIR": "POLYMART_WORK_DIR"})
    for secret in secrets:
        kubernetes.use_secret_as_env(task, secret, {key: key for key in KEYS[secret]}, optional=True)
    return task
