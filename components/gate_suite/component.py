"""Component `gate_suite`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_suite(
    evaluation: dsl.Input[dsl.Artifact], verdict: dsl.Output[dsl.Artifact], suite: str, code_version: str
) -> str:
    """Judge every task against its floor; the overall outcome opens or closes the release branch.

    Args:
        evaluation: JSON written by `evaluate_suite`.
        verdict: JSON with each gate's outcome, number and rule (schema: ``polymart/evaluation/records.py``).
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.

    Returns:
        ``pass``, ``fail`` or ``inconclusive``.

    Raises:
        GateError: nothing was evaluated.
    """
    from pathlib import Path

    from polymart.config import Suite
    from polymart.errors import shown_to_user
    from polymart.evaluation.records import Evaluation
    from polymart.evaluation.verdict import gate_suite

    with shown_to_user():
        judged = gate_suite(Evaluation.read(Path(evaluation.path)), Suite.from_json(suite))
    judged.write(Path(verdict.path))
    return judged.overall
