"""Component `retrieve_features`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def retrieve_features(
    tables: dsl.Input[dsl.Dataset], examples: dsl.Output[dsl.Dataset], suite: str, code_version: str
) -> None:
    """Join features to label rows point-in-time and write one example table per task.

    Args:
        tables: folder written by `prepare_tables`.
        examples: folder with ``<task>.parquet`` (entity keys, event_timestamp, inputs, label, split) and
            ``examples.json``.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.

    Raises:
        TableError: rows out differ from rows in, or an input column is all missing.
        LabelError: a label stands outside its label map.
    """
    import tempfile
    from pathlib import Path

    from feature_repo.retrieval import apply, retrieve
    from polymart.config import Suite
    from polymart.data.examples import write_examples
    from polymart.errors import shown_to_user
    from polymart.files import digest_file

    with shown_to_user(FileNotFoundError, ValueError), tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        apply(Path(tables.path), store)
        write_examples(
            Path(tables.path),
            Suite.from_json(suite),
            Path(examples.path),
            retrieve=lambda service, rows: retrieve(store, service, rows),
        )
    examples.metadata["digest"] = digest_file(Path(examples.path) / "examples.json")
