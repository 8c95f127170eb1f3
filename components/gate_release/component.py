"""Component `gate_release`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_release(
    verdict: dsl.Input[dsl.Artifact],
    final: dsl.Output[dsl.Artifact],
    place: dsl.OutputPath(str),  # type: ignore[valid-type]  # as kfp wants it
    suite: str,
    code_version: str,
    probe: dsl.Input[dsl.Artifact] = None,
) -> str:
    """Judge the candidate with its started bento: the run's final verdict, which opens or closes the promotion.

    Args:
        verdict: JSON written by `gate_suite`.
        final: the same with the gates ``probe`` and ``latency`` added.
        place: where ``final`` lies, for whoever reads the run from outside.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.
        probe: JSON written by `probe_bento`; none where `gate_suite` kept the candidate, whose verdict is then final.

    Returns:
        ``release`` where the candidate passed or is overridden, else ``keep``.
    """
    from pathlib import Path

    from polymart.config import Suite
    from polymart.errors import shown_to_user
    from polymart.evaluation.records import Verdict
    from polymart.files import read_json
    from polymart.gates import explain, judge_release

    with shown_to_user():
        probed = read_json(probe.path) if probe else None
        judged = judge_release(Verdict.read(Path(verdict.path)), probed, Suite.from_json(suite))
    judged.write(Path(final.path))
    Path(place).write_text(final.uri)
    print(f"verdict: {judged.overall}", *explain(judged), sep="\n", flush=True)
    return "release" if judged.may_release else "keep"
