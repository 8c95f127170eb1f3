"""Component `register_model`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_model(
    checkpoint: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    verdict: dsl.Input[dsl.Artifact],
    log: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    suite: str,
    data_version: str,
    code_version: str,
    tracking_uri: str = "",
    pipeline_run: str = "",
) -> str:
    """Record the run in MLflow and register the checkpoint as a model version.

    Args:
        checkpoint: folder written by `train_suite`.
        evaluation: JSON written by `evaluate_suite`.
        verdict: JSON written by `gate_release`.
        log: JSON written by `train_suite`.
        examples: folder written by `retrieve_features`; its digests become tags.
        suite: the suite as JSON.
        data_version: digest of the data.
        code_version: digest of the library's source.
        tracking_uri: MLflow server; empty means the setting POLYMART_MLFLOW_URI.
        pipeline_run: id of the pipeline run, stored as a tag.

    Returns:
        The model version, e.g. ``polymart-quick/3``, with the alias ``challenger``.

    Raises:
        ReleaseError: the tracking server cannot be reached.
    """
    from pathlib import Path

    from feature_repo.services import SERVICES
    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.tracking import register_run
    from polymart.version import code_commit

    asked = Suite.from_json(suite)
    services = {task.name: SERVICES.get(task.feature_service or "", []) for task in asked.tasks}
    with shown_to_user():
        return register_run(
            uri=tracking_uri or Settings().tracking_uri,
            suite=asked,
            checkpoint=Path(checkpoint.path),
            evaluation=Path(evaluation.path),
            verdict=Path(verdict.path),
            log=Path(log.path),
            examples=Path(examples.path),
            tags={
                "data_version": data_version,
                "code_version": code_version,
                "code_commit": code_commit(),
                "pipeline_run": pipeline_run,
                **{f"feature_tables.{task}": ", ".join(tables) for task, tables in services.items()},
            },
        )
