"""Part of the training pipeline: a candidate that may be released is packaged, started, registered and promoted."""

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.gate_release.component import gate_release
from components.materialize_features.component import materialize_features
from components.package_bento.component import package_bento
from components.probe_bento.component import probe_bento
from components.promote_release.component import promote_release
from components.register_model.component import register_model
from pipelines.tasks import configure
from polymart.config import Cluster


def release(cluster: Cluster) -> GraphComponent:
    """The part as ``cluster`` runs it."""

    @dsl.pipeline(name="release", description="Bento, probe, the final verdict, registry, promotion.")
    def release(
        tables: dsl.Input[dsl.Dataset],
        examples: dsl.Input[dsl.Dataset],
        checkpoint: dsl.Input[dsl.Model],
        log: dsl.Input[dsl.Artifact],
        evaluation: dsl.Input[dsl.Artifact],
        predictions: dsl.Input[dsl.Dataset],
        verdict: dsl.Input[dsl.Artifact],
        suite: str,
        data_version: str,
        code_version: str,
        tracking_uri: str,
        repository: str,
        environment: str,
    ) -> str:
        """Release a candidate that `gate_suite` let through, if its started bento passes too.

        Returns:
            Where the final verdict lies.
        """
        versions = {"suite": suite, "data_version": data_version, "code_version": code_version}
        stored = configure(materialize_features(tables=tables, code_version=code_version), cluster, "data")
        packaged = configure(package_bento(checkpoint=checkpoint, code_version=code_version), cluster, "data")
        started = {"bento": packaged.outputs["bento"], "feature_store": stored.outputs["feature_store"]}
        probed = probe_bento(checkpoint=checkpoint, examples=examples, **started, code_version=code_version)
        probe = configure(probed, cluster, "data").outputs["probe"]
        gated = configure(gate_release(verdict=verdict, probe=probe, suite=suite, code_version=code_version), cluster)
        final = gated.outputs["final"]
        registered = register_model(
            checkpoint=checkpoint,
            evaluation=evaluation,
            verdict=final,
            log=log,
            examples=examples,
            **versions,
            tracking_uri=tracking_uri,
            pipeline_run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        )
        configure(registered, cluster, retry=True, secrets=(cluster.secrets.mlflow,))

        with dsl.If(gated.outputs["Output"] == "release", name="release-passed"):
            promoted = promote_release(
                checkpoint=checkpoint,
                **started,
                examples=examples,
                predictions=predictions,
                log=log,
                evaluation=evaluation,
                verdict=final,
                probe=probe,
                **versions,
                model_version=registered.output,
                repository=repository,
                environment=environment,
                tracking_uri=tracking_uri,
            )
            keys = (cluster.secrets.git, cluster.secrets.mlflow, cluster.secrets.signing)
            configure(promoted, cluster, retry=True, secrets=keys)

        return gated.outputs["place"]

    return release
