"""Training: tables, features, one multi-task model, gates, registry, bento, probe, promotion."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.evaluate_suite.component import evaluate_suite
from components.gate_release.component import gate_release
from components.gate_suite.component import gate_suite
from components.prepare_tables.component import prepare_tables
from components.retrieve_features.component import retrieve_features
from components.train_suite.component import train_suite
from components.validate_tables.component import validate_tables
from pipelines.tasks import configure
from pipelines.training.release import release as build_release
from pipelines.training.rivals import rivals as build_rivals
from polymart.config import Cluster


class Outputs(NamedTuple):
    """What a run leaves for the run page and for monitoring, whether or not the gates opened."""

    tables: dsl.Dataset
    examples: dsl.Dataset
    log: dsl.Artifact
    plot: dsl.Artifact
    evaluation: dsl.Artifact
    predictions: dsl.Dataset
    verdict: str
    """Where the final verdict lies: kfp lets branches share a parameter, not an artifact."""


def training(cluster: Cluster) -> GraphComponent:
    """The training pipeline as ``cluster`` runs it."""
    rivals, release = build_rivals(cluster), build_release(cluster)

    @dsl.pipeline(name="polymart-training", description="From archives to a promoted release of one multi-task model.")
    def training(
        suite: str,
        data_version: str,
        code_version: str,
        tracking_uri: str = "",
        repository: str = "",
        environment: str = "local",
        override: str = "",
    ) -> Outputs:
        """Train, gate and release a suite.

        Args:
            suite: the suite as JSON (`polymart compile` and `polymart submit` fill it in).
            data_version: digest of the data; part of every cache key, so that fresh data is never hidden by the cache.
            code_version: digest of the library's source; part of every cache key.
            tracking_uri: MLflow server; empty means the pod's POLYMART_MLFLOW_URI.
            repository: deployment git repository; empty means the pod's POLYMART_DEPLOY_REPO.
            environment: overlay that a passing release is promoted to.
            override: ``<who>: <why>``, to release a candidate that does not pass; empty for nobody.
        """
        versions = {"suite": suite, "data_version": data_version, "code_version": code_version}
        prepared = prepare_tables(**versions)
        configure(prepared, cluster, "data", retry=True, archives=True)
        tables = prepared.outputs["tables"]
        validated = configure(validate_tables(tables=tables, code_version=code_version), cluster)
        retrieved = retrieve_features(tables=tables, suite=suite, code_version=code_version).after(validated)
        configure(retrieved, cluster, "data")
        examples = retrieved.outputs["examples"]
        trained = train_suite(examples=examples, suite=suite, code_version=code_version)
        configure(trained, cluster, "training", retry=True, work=True, archives=True)
        checkpoint = trained.outputs["checkpoint"]
        candidate = {"examples": examples, "checkpoint": checkpoint, "suite": suite, "code_version": code_version}
        deployment = {"tracking_uri": tracking_uri, "repository": repository, "environment": environment}
        evaluated = evaluate_suite(**candidate, **rivals(**candidate, **deployment).outputs)
        configure(evaluated, cluster, "training", work=True, archives=True)
        evaluation = evaluated.outputs["evaluation"]
        gated = gate_suite(evaluation=evaluation, suite=suite, code_version=code_version, override=override)
        verdict = configure(gated, cluster).outputs["verdict"]

        with dsl.If(gated.outputs["Output"] == "release", name="suite-passed"):
            released = release(
                tables=tables,
                examples=examples,
                checkpoint=checkpoint,
                log=trained.outputs["log"],
                evaluation=evaluation,
                predictions=evaluated.outputs["predictions"],
                verdict=verdict,
                **versions,
                **deployment,
            )
        with dsl.Else(name="suite-kept"):
            kept = configure(gate_release(verdict=verdict, suite=suite, code_version=code_version), cluster)

        return Outputs(
            tables=tables,
            examples=examples,
            log=trained.outputs["log"],
            plot=trained.outputs["plot"],
            evaluation=evaluation,
            predictions=evaluated.outputs["predictions"],
            verdict=dsl.OneOf(released.output, kept.outputs["place"]),
        )

    return training
