"""The cluster that pipelines are compiled for and submitted to: a YAML file that POLYMART_CLUSTER names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from polymart.config.access import Access, NoAccess
from polymart.config.base import Frozen
from polymart.errors import SettingError
from polymart.files import canonical_json

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)$")]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$")]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Folder = Annotated[str, Field(pattern=r"^/[a-z0-9/_-]+$")]


class Toleration(Frozen):
    """A taint of nodes that a pod bears, as Kubernetes writes it."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Size(Frozen):
    """What a step may use, and where its pod may run."""

    cpu: float = Field(1, gt=0)
    """Cores, asked for and at most."""
    memory: Quantity = "4Gi"
    gpus: int = Field(0, ge=0)
    gpu_type: str = "nvidia.com/gpu"
    """Resource name of the accelerator, e.g. ``amd.com/gpu`` or ``nvidia.com/mig-3g.40gb``."""
    shared_memory: Quantity | None = None
    """Size of ``/dev/shm``, which counts as memory; loaders and nccl of several processes need more than 64 MiB."""
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    timeout_s: int = Field(7_200, ge=60)
    """A pod that runs longer is ended, and the step fails."""


class Sizes(Frozen):
    """The three kinds of steps."""

    light: Size = Size()
    """Reads and writes small files, or talks to a server."""
    data: Size = Size(cpu=2, memory="8Gi", timeout_s=14_400)
    """Goes over tables."""
    training: Size = Size(cpu=4, memory="16Gi", gpus=1, timeout_s=86_400)
    """Trains or evaluates a network."""


class Retries(Frozen):
    """Further attempts of steps that reach over a network, or that go on from a saved state."""

    attempts: int = Field(2, ge=0)
    backoff_s: int = Field(10, ge=1)
    factor: float = Field(2.0, ge=1)
    max_backoff_s: int = Field(120, ge=1)


class Volume(Frozen):
    """A PersistentVolumeClaim and where pods see it."""

    claim: ObjectName
    mount: Folder


class KeysOf(Frozen):
    """Some keys of a Secret or ConfigMap, each an environment variable of the same name."""

    name: ObjectName
    keys: list[Variable] = Field(min_length=1)


class Secrets(Frozen):
    """Secrets by name; their values are never read here. Where one is absent, its variables are unset."""

    git: KeysOf = KeysOf(name="polymart-deploy-git", keys=["GIT_ASKPASS_TOKEN"])
    """For steps that read or write the deployment repository."""
    signing: KeysOf = KeysOf(name="polymart-signing", keys=["POLYMART_SIGNING_KEY"])
    """For the step that promotes alone: the private key that signs releases."""
    mlflow: KeysOf = KeysOf(name="polymart-mlflow", keys=["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"])
    """For steps that talk to the registry."""
    storage: KeysOf | None = None
    """For every step, where large artifacts lie in object storage that asks for keys."""
    pull: list[ObjectName] = []
    """Secrets with which images are pulled."""


class Prices(Frozen):
    """What an hour of what a step asks for costs; a price that is not set is unknown, and so is the estimate."""

    currency: str = "EUR"
    core_hour: float | None = Field(None, ge=0)
    gib_hour: float | None = Field(None, ge=0)
    """Of a GiB of memory."""
    gpu_hour: float | None = Field(None, ge=0)


class Cluster(Frozen):
    """Where pipelines run, with what, and at which price."""

    host: str = ""
    """Kubeflow Pipelines API; POLYMART_KFP_HOST and ``--host`` come first."""
    page: str = ""
    """User interface, where it is not at the host's address: a port-forward of its own."""
    host_in_cluster: str = "http://ml-pipeline.kubeflow:8888"
    """The same API as the pods of a pipeline reach it; monitoring submits retrainings there."""
    ca_file: str | None = None
    """Certificates of the authority that signed the host's; none for those of the machine."""
    access: Access = NoAccess()
    """How the API is told who asks."""
    namespace: ObjectName = "kubeflow"
    """Where the pods run, and where the manifests of `polymart compile --manifests` belong."""
    multi_user: bool = False
    """Whether experiments and runs belong to ``namespace`` (Kubeflow with profiles)."""
    experiment: str = "polymart"
    service_account: str | None = None
    """Of the pods; none for the one that Kubeflow Pipelines takes."""
    image: str = ""
    """Image of every step, with digest; ``--image`` comes first."""
    artifacts: str | None = None
    """Object storage of the steps' files, e.g. ``s3://shop-artifacts/polymart``; none for Kubeflow's own place."""
    sizes: Sizes = Sizes()
    retries: Retries = Retries()
    work: Volume = Volume(claim="polymart-work", mount="/polymart")
    """The work folder: states of unfinished trainings outlive a pod, and the machines of one training share it."""
    data: Volume | None = None
    """Downloaded archives, kept between runs; none for a download in every run."""
    settings: KeysOf = KeysOf(
        name="polymart-settings", keys=["POLYMART_MLFLOW_URI", "POLYMART_DEPLOY_REPO", "POLYMART_ALERTMANAGER"]
    )
    """ConfigMap whose keys every step gets; a key that is absent is unset."""
    secrets: Secrets = Secrets()
    prices: Prices = Prices()


def load_cluster(path: Path | None) -> Cluster:
    """Read cluster settings from a YAML file; the defaults where there is none.

    Raises:
        SettingError: the file is absent, not YAML, or not valid.
    """
    if path is None:
        return Cluster()
    try:
        content = yaml.safe_load(path.read_text()) or {}
        return Cluster.model_validate_json(canonical_json(content))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise SettingError(
            f"cluster settings {path} cannot be read as YAML: {error}",
            remedy="give --cluster or POLYMART_CLUSTER a file like clusters/example.yaml",
        ) from error
    except ValidationError as error:
        wrong = "\n".join(
            f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False)
        )
        raise SettingError(
            f"cluster settings {path} are not valid:\n{wrong}",
            remedy="correct the named keys; `polymart schema cluster` prints every key with its meaning",
        ) from error
