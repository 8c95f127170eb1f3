"""Part of the training pipeline: a candidate that may be released is packaged, started, registered and promoted."""

from kfp import dsl

from components.gate_release.component import gate_release
from components.materialize_features.component import materialize_features
from components.package_bento.component import package_bento
from components.probe_bento.component import probe_bento
from components.promote_release.component import promote_release
from components.register_model.component import register_model
from pipelines.tasks import GIT_SECRET, MLFLOW_SECRET, configure


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
    stored = configure(materialize_features(tables=tables, code_version=code_version), cpu="2", memory="8Gi")
    packaged = configure(package_bento(checkpoint=checkpoint, code_version=code_version), cpu="2", memory="8Gi")
    started = {"bento": packaged.outputs["bento"], "feature_store": stored.outputs["feature_store"]}
    probed = probe_bento(checkpoint=checkpoint, examples=examples, **started, code_version=code_version)
    probe = configure(probed, cpu="2", memory="4Gi").outputs["probe"]
    gated = configure(gate_release(verdict=verdict, probe=probe, suite=suite, code_version=code_version))
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
    configure(registered, retries=2, secrets=(MLFLOW_SECRET,))

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
        configure(promoted, retries=2, secrets=(GIT_SECRET, MLFLOW_SECRET))

    return gated.outputs["place"]
