"""Component `report_run`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report_run(status: dsl.PipelineTaskFinalStatus, pipeline: str, suite: str, run_id: str, page: str = "") -> str:
    """Say how a run ended, whatever happened in it; on a cluster this step runs last.

    A run that failed becomes an alert in the Alertmanager that POLYMART_ALERTMANAGER names; a later success of the
    same pipeline and suite ends it.

    Args:
        status: how the steps ended; Kubeflow fills it in.
        pipeline: training, monitoring or tuning.
        suite: the suite as JSON.
        run_id: the run's id.
        page: address of the user interface; empty where it is not known.

    Returns:
        ``SUCCEEDED``, ``FAILED`` or another final state of Kubeflow.

    Raises:
        PolymartError: the Alertmanager is named but does not take the alert.
    """
    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.outcome import Outcome, report

    outcome = Outcome(
        pipeline=pipeline, suite=Suite.from_json(suite).name, state=status.state, run_id=run_id,
        step=status.pipeline_task_name or "", words=status.error_message or "", page=page,
    )  # fmt: skip
    with shown_to_user():
        report(outcome, Settings().alertmanager)
    return status.state
