"""Component `detect_drift`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def detect_drift(
    examples: dsl.Input[dsl.Dataset],
    predictions: dsl.Input[dsl.Dataset],
    drift: dsl.Output[dsl.HTML],
    place: dsl.OutputPath(str),  # type: ignore[valid-type]  # as kfp wants it
    suite: str,
    code_version: str,
    submit_command: str = "",
    environment: str = "",
    repository: str = "",
) -> str:
    """Compare the newest windows with the training reference, report, and decide.

    Args:
        examples: folder written by `retrieve_features`.
        predictions: folder written by `evaluate_suite`, or the prediction log in the same columns.
        drift: folder with ``report.html``, ``report.json``, ``decision.json`` and the Evidently reports.
        place: where ``drift`` lies, for whoever reads the run from outside.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.
        submit_command: the command that would submit a retraining, shown in the report.
        environment: whose release is watched, with the history in its store; empty compares the tables alone.
        repository: deployment git repository; empty means the setting POLYMART_DEPLOY_REPO.

    Returns:
        ``keep``, ``watch``, ``retrain`` or ``rollback``.

    Raises:
        MonitoringError: no window can be compared.
    """
    from pathlib import Path

    from monitoring.run import run_monitoring
    from monitoring.watch import Watch
    from polymart.config import Settings, Suite
    from polymart.data.example_index import read_examples_index
    from polymart.errors import shown_to_user

    read, out = Suite.from_json(suite), Path(drift.path)
    origins = {name: task.data_origin for name, task in read_examples_index(Path(examples.path)).tasks.items()}
    tables = (Path(examples.path), Path(predictions.path))
    with shown_to_user():
        if environment:
            decision = Watch.over(environment, Settings(), repository, read).look(*tables, out)
        else:
            decision = run_monitoring(*tables, read, out, origins, submit_command)
    Path(place).write_text(drift.path)
    return decision.action
