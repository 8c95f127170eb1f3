"""Keeps the registry in step with the deployment repository, whose commits stay the truth about what ran."""

from __future__ import annotations

from polymart.errors import PolymartError
from polymart.release.history import read_history
from polymart.release.repository import Clone, clone

CARD = "model_card"
"""Stem of the card's files in the registry; the card's own module loads scipy, which a rollback must not wait for."""


def record_history(repository: str, environment: str, tracking_uri: str) -> list[str]:
    """Make the registry say which of its versions ``environment`` ran when, and runs now; may be repeated.

    Args:
        repository: the deployment repository.
        environment: lower-case name, e.g. ``staging``.
        tracking_uri: of the MLflow server.

    Returns:
        Versions of the history that the registry holds no more.

    Raises:
        ReleaseError: either cannot be reached, or the registry does not hold the version that runs now.
    """
    with clone(repository) as work:
        past = read_history(work, environment)
        card = _card(work, past[0].release) if past else {}
    if not any(deployment.model_version for deployment in past):
        return []  # no release of it was registered
    from polymart.tracking import record_production  # mlflow takes seconds to import

    return record_production(tracking_uri, environment, past, card)


def follow_with_registry(repository: str, environment: str, tracking_uri: str) -> str:
    """`record_history` after a commit; returns one line of warning, empty where all is well.

    Nothing is undone where the registry cannot be reached: the environment runs what the commit says.
    """
    try:
        gone = record_history(repository, environment, tracking_uri)
    except PolymartError as error:
        return (
            f"{environment} runs what was committed, but the model registry does not say so yet: {error.message}; "
            f"repeat with: polymart deploy record --environment {environment}"
        )
    return f"the model registry holds {', '.join(gone)} no more, which {environment} once ran" if gone else ""


def _card(work: Clone, release: str) -> dict[str, str]:
    files = work.folder.glob(f"releases/{release}.*")
    return {f"{CARD}{file.suffix}": file.read_text() for file in files if file.suffix in (".md", ".html")}
