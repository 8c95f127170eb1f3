"""Example tables for benchmarks: made once per suite and kept under ``<work>/bench``."""

from __future__ import annotations

from pathlib import Path

from feature_repo.retrieval import apply, retrieve
from polymart.config import Settings, Suite
from polymart.data.archives import fetch
from polymart.data.examples import write_examples
from polymart.data.sources import prepare_suite_tables, suite_data_version
from polymart.evaluation.checks import check_suite
from polymart.files import digest_text


def examples_of(suite: Suite) -> tuple[Path, Path]:
    """Folders of the example tables and of the pretrained encoder.

    Keyed by what the tables are made from, so that training settings may change without another join.
    """
    check_suite(suite)
    settings = Settings()
    parts = {
        "name",
        "source",
        "limits",
        "split",
        "inputs",
        "label",
        "cluster",
        "group",
        "items",
        "feature_service",
        "table",
        "slices",
    }
    data = [task.model_dump(mode="json", include=parts) for task in suite.tasks]
    key = digest_text(f"{data} {suite.seed} {suite_data_version(suite, settings)}").removeprefix("sha256:")[:12]
    folder = settings.work_dir / "bench" / f"{suite.name}-{key}"
    if not (folder / "examples" / "examples.json").is_file():
        prepare_suite_tables(suite, settings, folder / "tables")
        joins = any(task.feature_service for task in suite.tasks)
        if joins:
            apply(folder / "tables", folder / "store")
        write_examples(
            folder / "tables", suite, folder / "examples", retrieve=lambda s, rows: retrieve(folder / "store", s, rows)
        )
    return folder / "examples", fetch(suite.encoder.dataset, settings)
