"""Component `materialize_features`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def materialize_features(
    tables: dsl.Input[dsl.Dataset], feature_store: dsl.Output[dsl.Artifact], code_version: str
) -> None:
    """Load the newest feature values into the online store that serving reads.

    Args:
        tables: folder written by `prepare_tables`.
        feature_store: folder with ``feature_store.yaml``, the registry and the SQLite online store.
        code_version: digest of the library's source; a cache key.

    Raises:
        TableError: a feature table is absent.
    """
    from pathlib import Path

    from feature_repo.retrieval import apply, materialize
    from polymart.errors import shown_to_user
    from polymart.files import atomic_folder

    with shown_to_user(FileNotFoundError, ValueError), atomic_folder(feature_store.path) as folder:
        apply(Path(tables.path), folder)
        feature_store.metadata["rows"] = str(materialize(folder))
