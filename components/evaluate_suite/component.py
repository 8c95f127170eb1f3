"""Component `evaluate_suite`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_suite(
    examples: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Input[dsl.Model],
    champion: dsl.Input[dsl.Model],
    baselines: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    predictions: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    suite: str,
    code_version: str,
) -> None:
    """Score the checkpoint on every task's test period, with intervals, floors and baselines.

    Classical baselines are fitted once and kept in ``classical/`` of the work folder.

    Args:
        examples: folder written by `retrieve_features`.
        checkpoint: folder written by `train_suite`.
        champion: folder written by `fetch_champion`; its checkpoint is scored on the same test rows.
        baselines: folder written by `train_baselines`; its checkpoints are scored on the same test rows.
        evaluation: JSON (schema: ``polymart/evaluation/records.py``).
        predictions: folder with ``<task>.parquet``: example_id, cluster, event_timestamp, split, label,
            prediction, score; and ``profiles/<task>.json``: what monitoring compares with.
        metrics: one value per task.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.

    Raises:
        DataError: a task has no test rows.
        CheckpointError: the checkpoint does not match its manifest.
        MonitoringError: an example table cannot be profiled.
    """
    from pathlib import Path

    from monitoring.reference import write_references
    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.evaluation.evaluate import evaluate_suite
    from polymart.evaluation.rivals import read_champion
    from polymart.files import write_json
    from polymart.progress import Progress

    def report(task: str, done: int, total: int) -> None:
        bars.setdefault(task, Progress("evaluate_suite", total, f"{task} rows"))(done)

    bars: dict = {}
    with shown_to_user():
        result = evaluate_suite(
            Path(examples.path),
            Path(checkpoint.path),
            Suite.from_json(suite),
            Path(predictions.path),
            report,
            champion=read_champion(Path(champion.path)),
            baselines=Path(baselines.path),
            kept=Settings().work_dir / "classical",
        )
        write_references(Path(examples.path), Path(predictions.path), Suite.from_json(suite))
    result.write(Path(evaluation.path))
    for task in result.tasks:
        metrics.log_metric(f"{task.task}_{task.metric}".replace("@", "_at_"), task.score.value)
    write_json(metrics.path, metrics.metadata)  # an artifact without a file is never found in the local cache
