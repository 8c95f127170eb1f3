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
    evaluation: dsl.Input[dsl.Artifact],
    verdict: dsl.Input[dsl.Artifact],
    probe: dsl.Input[dsl.Artifact],
    manifest: dsl.Output[dsl.Artifact],
    suite: str,
    data_version: str,
    code_version: str,
    model_version: str,
    repository: str = "",
    environment: str = "local",
) -> str:
    """Write the release manifest and commit it to the deployment repository.

    Args:
        checkpoint: folder written by `train_suite`.
        bento: folder written by `package_bento`.
        feature_store: folder written by `materialize_features`.
        examples: folder written by `retrieve_features`; the reference that monitoring compares with.
        predictions: folder written by `evaluate_suite`.
        evaluation: JSON written by `evaluate_suite`.
        verdict: JSON written by `gate_suite`.
        probe: JSON written by `probe_bento`; a release that was not probed cannot be promoted.
        manifest: JSON with the digests of data, code, checkpoint, bento and verdict, and where they lie.
        suite: the suite as JSON.
        data_version: digest of the data.
        code_version: digest of the library's source.
        model_version: version in the registry.
        repository: deployment git repository; empty means the setting POLYMART_DEPLOY_REPO.
        environment: overlay to promote to.

    Returns:
        The release's name.

    Raises:
        ReleaseError: the verdict is not a pass, or the repository cannot be reached.
    """
    from pathlib import Path

    from polymart.config import Settings, Suite
    from polymart.errors import shown_to_user
    from polymart.release.promotion import promote_run

    with shown_to_user():
        return promote_run(
            Suite.from_json(suite),
            manifest=Path(manifest.path),
            evaluation=Path(evaluation.path),
            verdict=Path(verdict.path),
            probe=Path(probe.path),
            data_version=data_version,
            code_version=code_version,
            model_version=model_version,
            repository=repository or Settings().deployment_repository,
            environment=environment,
            bento_tag=bento.metadata["tag"],
            bento_digest=bento.metadata["digest"],
            locations={
                "checkpoint": checkpoint.uri,
                "bento": bento.uri,
                "feature_store": feature_store.uri,
                "examples": examples.uri,
                "predictions": predictions.uri,
            },
        )
