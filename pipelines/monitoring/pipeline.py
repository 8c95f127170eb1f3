"""Monitoring: import the newest examples and predictions, detect drift, decide."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.detect_drift.component import detect_drift
from pipelines.tasks import configure
from polymart.config import Cluster


class Outputs(NamedTuple):
    """The drift report folder and the decision."""

    drift: dsl.HTML
    action: str


def monitoring(cluster: Cluster) -> GraphComponent:
    """The monitoring pipeline as ``cluster`` runs it."""

    @dsl.pipeline(
        name="polymart-monitoring", description="Windows of served predictions against the training reference."
    )
    def monitoring(
        suite: str, examples_uri: str, predictions_uri: str, code_version: str, submit_command: str = ""
    ) -> Outputs:
        """Compare, report, decide.

        Args:
            suite: the suite as JSON.
            examples_uri: folder of example tables (a path or an object-storage URI).
            predictions_uri: folder of predictions in the same columns as `evaluate_suite` writes.
            code_version: digest of the library's source; a cache key.
            submit_command: shown in the report as the way to start a retraining.
        """
        examples = dsl.importer(artifact_uri=examples_uri, artifact_class=dsl.Dataset, reimport=True)
        predictions = dsl.importer(artifact_uri=predictions_uri, artifact_class=dsl.Dataset, reimport=True)
        detected = detect_drift(
            examples=examples.output,
            predictions=predictions.output,
            suite=suite,
            code_version=code_version,
            submit_command=submit_command,
        )
        configure(detected, cluster, "data", retry=True)
        return Outputs(drift=detected.outputs["drift"], action=detected.outputs["Output"])

    return monitoring
