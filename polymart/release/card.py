"""The model card: one page of Markdown about a release, made from the files that the gates read."""

from __future__ import annotations

from collections.abc import Mapping

from polymart.config import Suite
from polymart.evaluation.records import Evaluation, Score, TaskEvaluation
from polymart.release.manifest import ReleaseManifest

UNKNOWN = "not stated"


def render_card(
    manifest: ReleaseManifest, evaluation: Evaluation, suite: Suite, *, licences: Mapping[str, str] | None = None
) -> str:
    """The model card as Markdown.

    Args:
        licences: task name -> licence of the data that it learned from (`labels.json`, ``licence``).
    """
    return "\n\n".join([
        f"# Model card: {manifest.release}",
        suite.description or f"Suite {suite.name}.",
        _verdict(manifest),
        f"## Tasks\n\nIntervals: {evaluation.confidence:.0%}, bootstrap over clusters, "
        f"{evaluation.resamples} resamples. Gain is model minus floor; positive is better.",
        _table(evaluation, licences or {}),
        _limits(evaluation, suite),
        _contents(manifest),
    ]) + "\n"  # fmt: skip


def _verdict(manifest: ReleaseManifest) -> str:
    line = f"**Verdict: {manifest.overall}.** Packaged {manifest.created_at:%Y-%m-%d %H:%M %Z}."
    return f"{line}\n\n**Override:** {manifest.override}" if manifest.override else line


def _table(evaluation: Evaluation, licences: Mapping[str, str]) -> str:
    head = "| task | kind | metric | model | floor | gain | examples (clusters) | data | licence |\n" + "|---" * 9 + "|"
    return "\n".join([head, *(_row(task, licences.get(task.task, UNKNOWN)) for task in evaluation.tasks)])


def _row(task: TaskEvaluation, licence: str) -> str:
    cells = [
        task.task, task.kind, task.metric, _score(task.score), f"{task.floor}: {_score(task.floor_score)}",
        _score(task.gain), f"{task.num_examples} ({task.num_clusters})", task.data_origin, licence,
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _score(score: Score) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _limits(evaluation: Evaluation, suite: Suite) -> str:
    lines = [f"- {name}: left out. {' '.join(why.split())}" for name, why in sorted(evaluation.skipped.items())]
    named = [f"{task.task} ({task.data_origin})" for task in evaluation.tasks if task.data_origin != "real"]
    if named:
        lines.append(f"- Not measured on a shop's own untouched data: {', '.join(named)}.")
    lines.append(f"- Texts longer than {suite.encoder.max_tokens} tokens are cut.")
    lines.append("- Measured offline on held-out periods; no online experiment has been run.")
    return "## Limits\n\n" + "\n".join(lines)


def _contents(manifest: ReleaseManifest) -> str:
    parts: dict[str, str] = {
        "digest": manifest.digest, "suite": manifest.suite_digest, "data": manifest.data_version,
        "code": manifest.code_version, "checkpoint": manifest.checkpoint_digest,
        "bento": f"{manifest.bento_tag} {manifest.bento_digest}", "registry": manifest.model_version,
        "verdict": manifest.verdict_digest,
    }  # fmt: skip
    parts.update({str(name): image for name, image in manifest.images.items()})
    return "## Contents\n\n" + "\n".join(f"- {name}: `{value or UNKNOWN}`" for name, value in parts.items())
