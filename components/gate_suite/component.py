"""Component `gate_suite`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_suite(
    evaluation: dsl.Input[dsl.Artifact],
    verdict: dsl.Output[dsl.Artifact],
    suite: str,
    code_version: str,
    override: str = "",
) -> str:
    """Judge the candidate by everything but its started bento; the answer opens or closes the release branch.

    Args:
        evaluation: JSON written by `evaluate_suite`.
        verdict: JSON with each gate's outcome, number, interval, rule and cause (schema:
            ``polymart/evaluation/records.py``).
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.
        override: ``<who>: <why>``, to let a candidate through that does not pass; empty for nobody.

    Returns:
        ``release`` where the candidate passed or is overridden, else ``keep``.

    Raises:
        GateError: nothing was evaluated, or the override does not say who and why.
    """
    from pathlib import Path

    from polymart.config import Suite
    from polymart.errors import shown_to_user
    from polymart.evaluation.records import Evaluation
    from polymart.gates import explain, judge, parse_override

    with shown_to_user():
        judged = judge(Evaluation.read(Path(evaluation.path)), Suite.from_json(suite), parse_override(override))
    judged.write(Path(verdict.path))
    print(f"verdict: {judged.overall}", *explain(judged), sep="\n", flush=True)
    return "release" if judged.may_release else "keep"
