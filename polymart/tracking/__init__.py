"""Runs, model versions and who served when, in MLflow; the only room that imports mlflow."""

import os

# Before mlflow is imported: it reads them once. Its own patience with a server that is gone is minutes, and a
# rollback must not wait for that.
for name, value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}.items():
    os.environ.setdefault(name, value)

from polymart.tracking.production import record_production  # noqa: E402
from polymart.tracking.runs import register_run  # noqa: E402
from polymart.tracking.versions import RegisteredVersion, read_version  # noqa: E402

__all__ = ["RegisteredVersion", "read_version", "record_production", "register_run"]
