"""Component `promote_release`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote_release(
    checkpoint: dsl.Input[dsl.Model],
    bento: dsl.Input[dsl.Model],
    feature_store: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    predictions: dsl.Input[dsl.Dataset],
    log: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    verdict: dsl.Input[dsl.Artifact],
    probe: dsl.Input[dsl.Artifact],
    manifest: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.Artifact],
    suite: str,
    data_version: str,
    code_version: str,
    model_version: str,
    repository: str = "",
    environment: str = "local",
    tracking_uri: str = "",
) -> str:
    """Write manifest and model card, commit them to the deployment repository and move the registry's champion.

    Args:
        checkpoint: folder written by `train_suite`.
        bento: folder written by `package_bento`.
        feature_store: folder written by `materialize_features`.
        examples: folder written by `retrieve_features`; the reference that monitoring compares with.
        predictions: folder written by `evaluate_suite`.
        log: JSON written by `train_suite`.
        evaluation: JSON written by `evaluate_suite`.
        verdict: JSON written by `gate_release`.
        probe: JSON written by `probe_bento`; a release that was not probed cannot be promoted.
        manifest: JSON with the digests of data, code, checkpoint, bento and verdict, and where they lie.
        card: folder with ``model_card.md`` and ``model_card.html``.
        suite: the suite as JSON.
        data_version: digest of the data.
        code_version: digest of the library's source.
        model_version: ``<model>/<number>`` in the registry.
        repository: deployment git repository; empty means the setting POLYMART_DEPLOY_REPO.
        environment: overlay to promote to.
        tracking_uri: MLflow server; empty means the setting POLYMART_MLFLOW_URI. Where it cannot be reached, the
            promotion stands and the log says how to repeat the rest.

    Returns:
        The release's name.

    Raises:
        ReleaseError: the verdict lets nothing be released, or the repository cannot be reached.
    """
    from pathlib import Path

    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.release.run import RunFiles, promote_run

    files = {"log": log, "examples": examples, "evaluation": evaluation, "verdict": verdict, "probe": probe}
    places = {"checkpoint": checkpoint, "bento": bento, "feature_store": feature_store, "examples": examples}
    places |= {"predictions": predictions}
    with shown_to_user():
        return promote_run(
            Suite.from_json(suite), RunFiles(**{name: Path(file.path) for name, file in files.items()}),
            manifest=Path(manifest.path), card=Path(card.path), data_version=data_version, code_version=code_version,
            model_version=model_version, repository=repository or Settings().deployment_repository,
            environment=environment, tracking_uri=tracking_uri or Settings().tracking_uri,
            bento_tag=bento.metadata["tag"], bento_digest=bento.metadata["digest"],
            locations={name: artifact.uri for name, artifact in places.items()},
        )  # fmt: skip
