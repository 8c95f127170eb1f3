"""Component `package_bento`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package_bento(checkpoint: dsl.Input[dsl.Model], bento: dsl.Output[dsl.Model], code_version: str) -> None:
    """Build the bento that serves the checkpoint.

    Args:
        checkpoint: folder written by `train_suite`.
        bento: a BentoML bento folder (service code, checkpoint, requirements, Dockerfile).
        code_version: digest of the library's source; a cache key.

    Raises:
        ReleaseError: the build failed; holds its last lines.
        CheckpointError: the checkpoint does not match its manifest.
    """
    from pathlib import Path

    from polymart.errors import shown_to_user
    from serving.packaging import build_bento

    with shown_to_user():
        built = build_bento(Path(checkpoint.path), Path(bento.path))
    bento.metadata.update({"tag": built.tag, "digest": built.digest})
