"""Monitoring: import the newest examples and predictions, detect drift, decide, retrain where that is due."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.detect_drift.component import detect_drift
from components.submit_retraining.component import submit_retraining
from pipelines.tasks import configure
from polymart.config import Cluster, NoAccess, ServiceAccount


class Outputs(NamedTuple):
    """What a pass leaves, whether it watched an environment or only compared tables."""

    drift: str
    """Folder of the report: kfp lets branches share a parameter, not an artifact."""
    action: str


def seen_from_pods(cluster: Cluster) -> Cluster:
    """The same cluster with the API's address and the access that a pod has."""
    access = ServiceAccount(method="service_account") if cluster.multi_user else NoAccess()
    return cluster.model_copy(update={"host": cluster.host_in_cluster, "access": access, "ca_file": None})


def monitoring(cluster: Cluster) -> GraphComponent:
    """The monitoring pipeline as ``cluster`` runs it."""

    @dsl.pipeline(
        name="polymart-monitoring", description="Windows of served predictions against the training reference."
    )
    def monitoring(
        suite: str,
        examples_uri: str,
        predictions_uri: str,
        code_version: str,
        submit_command: str = "",
        environment: str = "",
        repository: str = "",
    ) -> Outputs:
        """Compare, report, decide; with an environment also follow its retraining and start the one that is due.

        Fit for a schedule: a second run over the same tables changes nothing, windows that were missed are caught up
        in order. Schedule either this or the CronJob of k8s/, since each keeps a store of its own.

        Args:
            suite: the suite as JSON.
            examples_uri: folder of example tables (a path or an object-storage URI).
            predictions_uri: folder of predictions in the same columns as `evaluate_suite` writes.
            code_version: digest of the library's source; a cache key.
            submit_command: shown in the report as the way to start a retraining.
            environment: whose release is watched; empty compares the tables alone, without history.
            repository: deployment git repository; empty means the pod's POLYMART_DEPLOY_REPO.
        """
        examples = dsl.importer(artifact_uri=examples_uri, artifact_class=dsl.Dataset, reimport=True)
        predictions = dsl.importer(artifact_uri=predictions_uri, artifact_class=dsl.Dataset, reimport=True)
        tables = {"examples": examples.output, "predictions": predictions.output}
        asked = {"suite": suite, "code_version": code_version, "submit_command": submit_command}

        with dsl.If(environment == "", name="tables-alone"):
            compared = detect_drift(**tables, **asked)
            configure(compared, cluster, "data", retry=True)
        with dsl.Else(name="environment-watched"):
            watched = detect_drift(**tables, **asked, environment=environment, repository=repository)
            # The store and the clock are no inputs of the step: a reused pass would have seen neither.
            keys = (cluster.secrets.git, cluster.secrets.mlflow)
            configure(watched, cluster, "data", retry=True, work=True, secrets=keys).set_caching_options(False)
            pursued = submit_retraining(
                suite=suite,
                cluster=seen_from_pods(cluster).model_dump_json(),
                environment=environment,
                repository=repository,
                after=watched.outputs["Output"],
            )
            configure(pursued, cluster, work=True, api=True, secrets=(cluster.secrets.git,)).set_caching_options(False)

        return Outputs(
            drift=dsl.OneOf(compared.outputs["place"], watched.outputs["place"]),
            action=dsl.OneOf(compared.outputs["Output"], watched.outputs["Output"]),
        )

    return monitoring
