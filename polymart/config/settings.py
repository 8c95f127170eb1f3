"""Where things lie on this machine; read from the environment."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things lie on this machine. Each field is read from ``POLYMART_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="POLYMART_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    data_dir: Path = Field(default_factory=lambda: user_cache_path("polymart"))
    """Downloaded archives and the parquet tables converted from them."""
    extra_data: Path | None = None
    """A folder with datasets of your own (``banking77/``, ``goemotions/``); used where present."""
    work_dir: Path = Path("work")
    """Runs, the MLflow database, the feature store, the deployment repository."""
    mlflow_uri: str = ""
    """MLflow tracking URI; empty means SQLite in the work folder."""
    deploy_repo: str = ""
    """Deployment git repository (path or URL); empty means a bare repository in the work folder."""
    reviewed: str = "production"
    """Environments, separated by commas, whose releases change by merge requests that people merge."""
    signing_key_file: Path | None = None
    """File with the private Ed25519 key that signs releases; without a key they are unsigned."""
    signing_key: SecretStr = SecretStr("")
    """That key itself, for a pod that gets it from a secret."""
    release_keys: Path | None = None
    """File with the public keys of those who may sign releases; where it is set, no other release starts."""
    commit_key_file: Path | None = None
    """SSH key that signs commits in the deployment repository; without one they are unsigned."""
    commit_signers: Path | None = None
    """File of the SSH keys that may sign commits, in ssh-keygen's ``allowed_signers`` form; history checks them."""
    kfp_host: str = ""
    """Kubeflow Pipelines API endpoint for `polymart submit`."""
    code_commit: str = ""
    """Git commit that an image was built from; empty asks git in the checkout."""
    cluster: Path | None = None
    """YAML file with the cluster's settings; `polymart schema cluster` prints every key."""
    alertmanager: str = ""
    """Alertmanager that hears of runs that failed; empty for none."""
    kfp_token_file: Path | None = None
    """File that holds the bearer token for ``kfp_host``; secrets are given by reference only."""

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{(self.work_dir / 'mlflow.db').resolve()}"

    @property
    def reviewed_environments(self) -> set[str]:
        return {name.strip() for name in self.reviewed.split(",") if name.strip()}

    @property
    def deployment_repository(self) -> str:
        return self.deploy_repo or str((self.work_dir / "deployment.git").resolve())
