"""Component `validate_tables`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate_tables(tables: dsl.Input[dsl.Dataset], report: dsl.Output[dsl.Artifact], code_version: str) -> None:
    """Check every table against its schema and stop the run on the first broken one.

    Args:
        tables: folder written by `prepare_tables`.
        report: JSON with each table's rules and rows checked.
        code_version: digest of the library's source; a cache key.

    Raises:
        TableError: naming the table, the rule, the count and three example rows.
    """
    from pathlib import Path

    from polymart.data.validate import validate_tables
    from polymart.errors import shown_to_user
    from polymart.files import write_json

    with shown_to_user():
        checked = validate_tables(Path(tables.path))
    write_json(report.path, checked)
