"""Component `detect_drift`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def detect_drift(
    examples: dsl.Input[dsl.Dataset],
    predictions: dsl.Input[dsl.Dataset],
    drift: dsl.Output[dsl.HTML],
    suite: str,
    code_version: str,
    submit_command: str = "",
) -> str:
    """Compare the newest windows with the training reference, report, and decide.

    Args:
        examples: folder written by `retrieve_features`.
        predictions: folder written by `evaluate_suite`, or the prediction log in the same columns.
        drift: folder with ``report.html``, ``report.json``, ``decision.json`` and the Evidently reports.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.
        submit_command: the command that would submit a retraining, shown in the report.

    Returns:
        ``keep``, ``watch``, ``retrain`` or ``rollback``.

    Raises:
        MonitoringError: no window can be compared.
    """
    from pathlib import Path

    from monitoring.run import run_monitoring
    from polymart.config import Suite
    from polymart.data.examples import read_examples_index
    from polymart.errors import shown_to_user

    origins = {name: task.data_origin for name, task in read_examples_index(Path(examples.path)).tasks.items()}
    with shown_to_user():
        decision = run_monitoring(
            Path(examples.path),
            Path(predictions.path),
            Suite.from_json(suite),
            Path(drift.path),
            data_origin=origins,
            submit_command=submit_command,
        )
    return decision.action
