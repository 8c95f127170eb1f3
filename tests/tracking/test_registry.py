"""Runs, tags, aliases and the production history in a real MLflow on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.evaluations import made_evaluation, made_verdict
from fixtures.registered import LOG, make_registry, mood_suite, register
from mlflow import MlflowClient

from polymart.data.example_index import read_examples_index
from polymart.errors import ReleaseError
from polymart.files import digest_text
from polymart.release.history import Deployment
from polymart.tracking import read_version, record_production

DAY = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 6)]
CARD = {"model_card.md": "# Model card", "model_card.html": "<h1>Model card</h1>"}


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return make_registry(tmp_path)


def deployed(version: str, day: int, action: str = "promote") -> Deployment:
    return Deployment(
        commit=f"{day}0ddba11c0ffee", at=DAY[day], author="Ada", action=action, release="r", checkpoint="c",
        overall="pass", override="", model_version=version,
    )  # fmt: skip


def alias(uri: str, model: str, name: str) -> str | None:
    """The version number that carries an alias."""
    found = MlflowClient(uri).get_registered_model(model).aliases.get(name)
    return None if found is None else str(found)


def test_a_version_leads_back_to_data_code_and_verdict(registry: str, tmp_path: Path) -> None:
    suite = mood_suite()
    verdict = made_verdict(
        made_evaluation(suite),
        {("champion", "mood"): ("fail", "mood fell"), ("size", ""): ("inconclusive", "no size")},
        override="Ada: the old model is broken",
    )
    version = register(tmp_path, registry, suite, checkpoint="a", verdict=verdict)
    found = read_version(registry, version)
    examples = read_examples_index(tmp_path / "a" / "examples")
    assert (found.version, found.aliases) == ("polymart-tiny/1", ("challenger",))
    assert found.tags == {
        "suite": suite.digest,
        "checkpoint": digest_text("a"),
        "data_version": "tables-1",
        "code_version": digest_text("source"),
        "code_commit": "c0ffee" * 6,
        "verdict": "fail",
        "gates_not_passed": "champion: mood; size",
        "override": "Ada: the old model is broken",
        "champion": "shop-0123456789ab",
        "training_seconds": "12.5",
        "training_cpu_seconds": "20.2",
        "examples.mood": examples.tasks["mood"].digest,
        "feature_service.mood": "churn",
    }
    run = MlflowClient(registry).get_run(found.run_id)
    assert found.tags.items() <= run.data.tags.items()
    assert "test_mood_accuracy_over_champion" in run.data.metrics
    history = MlflowClient(registry).get_metric_history(found.run_id, "train_loss_mood")
    assert len(history) == len(LOG["loss"])


def test_registration_alone_makes_no_champion(registry: str, tmp_path: Path) -> None:
    for checkpoint in "ab":
        register(tmp_path, registry, mood_suite(), checkpoint=checkpoint)
    assert alias(registry, "polymart-tiny", "challenger") == "2"
    assert alias(registry, "polymart-tiny", "champion") is None


def test_the_champion_follows_promotions_and_rollbacks(registry: str, tmp_path: Path) -> None:
    first, second = (register(tmp_path, registry, mood_suite(), checkpoint=name) for name in "ab")
    promoted = [deployed(second, 1), deployed(first, 0)]
    rolled_back = [deployed(first, 2, "rollback"), *promoted]
    for past, champion in [(promoted, "2"), (promoted, "2"), (rolled_back, "1"), (rolled_back, "1")]:
        assert record_production(registry, "staging", past, CARD) == []
        assert alias(registry, "polymart-tiny", "champion") == champion
        assert alias(registry, "polymart-tiny", "champion-staging") == champion
    assert read_version(registry, first).tags["served.staging"] == (
        "2026-11-03T00:00:00Z to now (rollback 20ddba11c0ff); "
        "2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z (promote 00ddba11c0ff)"
    )
    assert read_version(registry, second).tags["served.staging"].startswith("2026-11-02T00:00:00Z to 2026-11-03")


def test_environments_have_histories_of_their_own(registry: str, tmp_path: Path) -> None:
    first, second = (register(tmp_path, registry, mood_suite(), checkpoint=name) for name in "ab")
    record_production(registry, "production", [deployed(first, 0)], {})
    record_production(registry, "staging", [deployed(second, 1)], {})
    assert alias(registry, "polymart-tiny", "champion-production") == "1"
    assert alias(registry, "polymart-tiny", "champion-staging") == "2"
    assert "served.staging" not in read_version(registry, first).tags


def test_another_suite_takes_the_environment_over(registry: str, tmp_path: Path) -> None:
    first = register(tmp_path, registry, mood_suite(), checkpoint="a")
    other = register(tmp_path, registry, mood_suite("other"), checkpoint="b")
    record_production(registry, "staging", [deployed(first, 0)], {})
    record_production(registry, "staging", [deployed(other, 1), deployed(first, 0)], {})
    assert alias(registry, "polymart-tiny", "champion-staging") is None
    assert alias(registry, "polymart-other", "champion-staging") == "1"


def test_the_card_is_kept_in_the_run(registry: str, tmp_path: Path) -> None:
    version = register(tmp_path, registry, mood_suite(), checkpoint="a")
    record_production(registry, "staging", [deployed(version, 0)], CARD)
    record_production(registry, "staging", [deployed(version, 0)], {"model_card.md": "later"})
    folder = MlflowClient(registry).download_artifacts(read_version(registry, version).run_id, "")
    assert {name: (Path(folder) / name).read_text() for name in CARD} == CARD


def test_versions_that_were_deleted_are_told(registry: str, tmp_path: Path) -> None:
    first, second = (register(tmp_path, registry, mood_suite(), checkpoint=name) for name in "ab")
    MlflowClient(registry).delete_model_version("polymart-tiny", "1")
    assert record_production(registry, "staging", [deployed(second, 1), deployed(first, 0)], {}) == [first]
    with pytest.raises(ReleaseError, match="holds no model version polymart-tiny/1, which staging runs"):
        record_production(registry, "staging", [deployed(first, 2)], {})
    with pytest.raises(ReleaseError, match="holds no model version polymart-tiny/1"):
        read_version(registry, first)


def test_a_release_without_a_version_moves_nothing(registry: str, tmp_path: Path) -> None:
    version = register(tmp_path, registry, mood_suite(), checkpoint="a")
    assert record_production(registry, "staging", [deployed("", 1), deployed(version, 0)], CARD) == []
    assert alias(registry, "polymart-tiny", "champion-staging") is None


@pytest.mark.parametrize("version", ["polymart-tiny/7", "nothing/1", "3", "polymart-tiny/x"])
def test_unknown_versions_are_named(registry: str, version: str) -> None:
    with pytest.raises(ReleaseError, match=f"holds no model version {version}"):
        read_version(registry, version)


def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'absent.db'}"
    with pytest.raises(ReleaseError, match="there is no model registry at"):
        record_production(uri, "staging", [deployed("polymart-tiny/1", 0)], {})
    assert not (tmp_path / "absent.db").exists()


def test_an_unreachable_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ReleaseError, match=r"MLflow at http://\*\*\*@127.0.0.1:9 refused") as caught:
        read_version("http://ada:secret@127.0.0.1:9", "polymart-tiny/1")
    assert "secret" not in str(caught.value)
