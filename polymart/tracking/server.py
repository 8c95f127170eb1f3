"""A client of the tracking server, and its refusals in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from polymart.errors import ReleaseError

SQLITE = "sqlite:///"
_PASSWORD = re.compile(r"://[^/@\s]+@")


@contextmanager
def refusals(uri: str, what: str, remedy: str) -> Iterator[None]:
    """Turn what MLflow raises into a `ReleaseError`.

    Args:
        what: what was asked of it, e.g. ``the run``.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise ReleaseError(
            f"MLflow at {shown(uri)} refused {what}: {shown(said[0])}",
            remedy=f"check POLYMART_MLFLOW_URI and that the server runs; {remedy}",
        ) from error


def existing_registry(uri: str) -> MlflowClient:
    """A client of a registry that is there already.

    Raises:
        ReleaseError: ``uri`` names a SQLite file that does not exist; MLflow would make an empty one.
    """
    if uri.startswith(SQLITE) and not sqlite_file(uri).is_file():
        raise ReleaseError(
            f"there is no model registry at {shown(uri)}",
            remedy="name it with POLYMART_MLFLOW_URI, or run where POLYMART_WORK_DIR is the folder of the training",
        )
    return MlflowClient(uri)


def sqlite_file(uri: str) -> Path:
    """The file of a SQLite address."""
    return Path(uri.removeprefix(SQLITE))


def shown(text: str) -> str:
    """``text`` without the user and password of any address in it."""
    return _PASSWORD.sub("://***@", text)
