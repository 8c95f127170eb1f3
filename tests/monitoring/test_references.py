"""References kept with a release, and the ranking of causes that they make possible."""

from __future__ import annotations

import pandas as pd
import pytest
from synthetic_shop import in_last

from monitoring.drift import detect_drift
from monitoring.impact import FLOOR, rank_causes
from monitoring.reference import profile_reference, read_reference, write_references
from monitoring.schema import ColumnDrift, QualityFinding, Signal, WindowReport
from polymart.errors import MonitoringError

BOUNDS = {"start": "2024-01-01T00:00:00", "end": "2024-01-15T00:00:00", "rows": 100}


def window(*columns, signals=(), quality=()):
    return WindowReport(**BOUNDS, columns=columns, signals=signals, quality=quality)


def column(name, strength, dependence, kind="numeric"):
    return ColumnDrift(name=name, kind=kind, psi=0.2 * strength, threshold=0.2, dependence=dependence)


def signal(kind, strength, column=""):
    return Signal(name=kind, kind=kind, task="units", column=column, value=strength, threshold=1)


def test_a_kept_reference_replaces_the_reference_rows(shop, suite, tmp_path):
    def change(table):
        table.loc[in_last(table, 14), "price"] *= 2.5

    examples, predictions = shop(change)
    whole = detect_drift(examples, predictions, suite, tmp_path / "a")
    write_references(examples, predictions, suite)
    assert (predictions / "profiles" / "units.json").is_file()
    rows = pd.read_parquet(examples / "units.parquet")
    rows[rows["split"] == "test"].to_parquet(examples / "units.parquet", coerce_timestamps="us")
    kept = detect_drift(examples, predictions, suite, tmp_path / "b")
    assert [task.moved[0].name for task in kept.tasks] == ["price"]
    assert kept.tasks[0].newest.columns == whole.tasks[0].newest.columns
    assert kept.inputs_digest != whole.inputs_digest


def test_dependence_tells_what_goes_with_the_score(shop, suite, tmp_path):
    def change(table):
        table["lag"] = table["label"]

    examples, predictions = shop(change)
    reference = profile_reference(suite.tasks[0], examples, predictions, suite)
    assert reference.dependence["lag"] > 0.6
    assert max(reference.dependence[name] for name in ("price", "aisle", "text_length")) < 0.05
    (predictions / "units.parquet").unlink()
    assert profile_reference(suite.tasks[0], examples, predictions, suite).dependence == {}


def test_words_of_a_single_campaign_tell_nothing_of_other_campaigns(shop, suite, tmp_path):
    def change(table):
        table.loc[table["split"] == "val", "event_timestamp"] = pd.Timestamp("2024-04-02")
        table.loc[in_last(table, 14), "title"] = "unheard novel words"

    reference = profile_reference(suite.tasks[0], *shop(change), suite)
    column = reference.profile.columns["text_unseen_share"]
    assert reference.correlations["text_unseen_share"] == 1
    assert reference.observations("text_unseen_share", column) == 1
    assert reference.observations("price", reference.profile.columns["price"]) > 1000


def test_a_torn_reference_is_refused(tmp_path):
    (tmp_path / "units.json").write_text('{"version": 9}')
    with pytest.raises(MonitoringError, match="version 9"):
        read_reference(tmp_path / "units.json")


def test_a_column_that_the_scores_go_with_outranks_one_that_moved_further():
    causes = rank_causes(window(column("idle", 4, 0.0), column("price", 2, 0.5), column("calm", 0.9, 1.0)))
    assert [cause.column for cause in causes] == ["price", "idle"]
    assert causes[0].impact == pytest.approx(2 * (FLOOR + 0.5))


def test_broken_comes_before_moved_and_causes_before_effects():
    found = QualityFinding(column="lag", rule="range", failed=True, message="lag: unit changed?")
    doubt = QualityFinding(column="aisle", rule="unseen categories", failed=False, message="aisle: 5% unseen")
    causes = rank_causes(
        window(
            column("price", 2, 0.1),
            column("score", 50, None, kind="score"),
            signals=(signal("performance", 9), signal("label", 1.5), signal("frozen", 1.2, "lag")),
            quality=(doubt, found),
        )
    )
    assert [cause.kinds[0] for cause in causes] == ["quality", "label", "numeric", "score", "performance"]
    assert causes[0].names == ("lag: unit changed?", "frozen of lag")
    assert causes[0].broken


def test_all_that_is_told_of_a_text_is_one_cause():
    causes = rank_causes(
        window(column("text_unseen_share", 3, 0.0, kind="text"), signals=(signal("text", 2, column="title"),))
    )
    assert [(cause.column, cause.kinds) for cause in causes] == [("title", ("text", "text"))]


def test_nothing_moved_has_no_cause():
    assert rank_causes(window(column("price", 0.5, 1.0), signals=(signal("mix", 0.3),))) == ()
