"""Training: tables, features, one multi-task model, gates, registry, bento, probe, promotion."""

from typing import NamedTuple

from kfp import dsl

from components.evaluate_suite.component import evaluate_suite
from components.gate_suite.component import gate_suite
from components.materialize_features.component import materialize_features
from components.package_bento.component import package_bento
from components.prepare_tables.component import prepare_tables
from components.probe_bento.component import probe_bento
from components.promote_release.component import promote_release
from components.register_model.component import register_model
from components.retrieve_features.component import retrieve_features
from components.train_suite.component import train_suite
from components.validate_tables.component import validate_tables
from pipelines.tasks import GIT_SECRET, MLFLOW_SECRET, configure


class Outputs(NamedTuple):
    """What a run leaves for the run page and for monitoring, whether or not the gate opened."""

    tables: dsl.Dataset
    examples: dsl.Dataset
    log: dsl.Artifact
    plot: dsl.Artifact
    evaluation: dsl.Artifact
    predictions: dsl.Dataset
    verdict: dsl.Artifact
    outcome: str


@dsl.pipeline(name="polymart-training", description="From archives to a promoted release of one multi-task model.")
def training(
    suite: str,
    data_version: str,
    code_version: str,
    tracking_uri: str = "",
    repository: str = "",
    environment: str = "local",
) -> Outputs:
    """Train, gate and release a suite.

    Args:
        suite: the suite as JSON (`polymart compile` and `polymart submit` fill it in).
        data_version: digest of the data; part of every cache key, so that fresh data is never hidden by the cache.
        code_version: digest of the library's source; part of every cache key.
        tracking_uri: MLflow server; empty means the pod's POLYMART_MLFLOW_URI.
        repository: deployment git repository; empty means the pod's POLYMART_DEPLOY_REPO.
        environment: overlay that a passing release is promoted to.
    """
    versions = {"suite": suite, "data_version": data_version, "code_version": code_version}
    prepared = prepare_tables(**versions)
    configure(prepared, cpu="2", memory="8Gi", retries=2)
    tables = prepared.outputs["tables"]
    validated = configure(validate_tables(tables=tables, code_version=code_version))
    retrieved = retrieve_features(tables=tables, suite=suite, code_version=code_version).after(validated)
    configure(retrieved, cpu="2", memory="8Gi")
    examples = retrieved.outputs["examples"]
    trained = train_suite(examples=examples, suite=suite, code_version=code_version)
    configure(trained, cpu="4", memory="16Gi", gpus=1, retries=2, work=True)
    checkpoint = trained.outputs["checkpoint"]
    evaluated = evaluate_suite(examples=examples, checkpoint=checkpoint, suite=suite, code_version=code_version)
    configure(evaluated, cpu="4", memory="16Gi", gpus=1)
    evaluation = evaluated.outputs["evaluation"]
    gated = configure(gate_suite(evaluation=evaluation, suite=suite, code_version=code_version))
    verdict = gated.outputs["verdict"]

    with dsl.If(gated.outputs["Output"] == "release", name="gate-passed"):
        registered = register_model(
            checkpoint=checkpoint,
            evaluation=evaluation,
            verdict=verdict,
            log=trained.outputs["log"],
            examples=examples,
            **versions,
            tracking_uri=tracking_uri,
            pipeline_run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        )
        configure(registered, retries=2, secrets=(MLFLOW_SECRET,))
        stored = configure(materialize_features(tables=tables, code_version=code_version), cpu="2", memory="8Gi")
        packaged = configure(package_bento(checkpoint=checkpoint, code_version=code_version), cpu="2", memory="8Gi")
        bento = packaged.outputs["bento"]
        probed = probe_bento(
            bento=bento,
            checkpoint=checkpoint,
            examples=examples,
            feature_store=stored.outputs["feature_store"],
            code_version=code_version,
        )
        configure(probed, cpu="2", memory="4Gi")
        promoted = promote_release(
            checkpoint=checkpoint,
            bento=bento,
            feature_store=stored.outputs["feature_store"],
            examples=examples,
            predictions=evaluated.outputs["predictions"],
            log=trained.outputs["log"],
            evaluation=evaluation,
            verdict=verdict,
            probe=probed.outputs["probe"],
            **versions,
            model_version=registered.output,
            repository=repository,
            environment=environment,
            tracking_uri=tracking_uri,
        )
        configure(promoted, retries=2, secrets=(GIT_SECRET, MLFLOW_SECRET))

    return Outputs(
        tables=tables,
        examples=examples,
        log=trained.outputs["log"],
        plot=trained.outputs["plot"],
        evaluation=evaluation,
        predictions=evaluated.outputs["predictions"],
        verdict=verdict,
        outcome=gated.outputs["Output"],
    )
