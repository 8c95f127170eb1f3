"""The model card: one page about a release, made from the files that the gates read, as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from polymart.config import Suite
from polymart.data.example_index import ExamplesIndex
from polymart.evaluation.records import Evaluation, Score, SliceEvaluation, Verdict
from polymart.files import atomic_folder
from polymart.gates.verdict import SEVERITY
from polymart.release.cost import Cost
from polymart.release.manifest import ReleaseManifest

STEM = "model_card"
UNKNOWN = "not stated"
WORST_GROUPS = 5
"""Groups of each task that the card shows; the run page shows all."""


@dataclass(frozen=True)
class Card:
    """The two forms of a model card."""

    markdown: str
    html: str

    @property
    def files(self) -> dict[str, str]:
        """Suffix to text."""
        return {".md": self.markdown, ".html": self.html}

    def write(self, folder: Path) -> None:
        """Write ``model_card.md`` and ``model_card.html``; ``folder`` is replaced whole.

        Raises:
            StorageError: the disk is full, read-only or forbidden.
        """
        with atomic_folder(folder) as temporary:
            for suffix, text in self.files.items():
                (temporary / f"{STEM}{suffix}").write_text(text)


def render_card(
    manifest: ReleaseManifest,
    evaluation: Evaluation,
    verdict: Verdict,
    suite: Suite,
    *,
    examples: ExamplesIndex,
    cost: Cost | None,
) -> Card:
    """The model card of a release.

    Args:
        examples: origin, licence, rows and digest of each task's example table.
        cost: None where the training's time was not measured; the card then says so.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("polymart.release", "."), PackageLoader("polymart.evaluation", ".")]),
        autoescape=select_autoescape(["html.j2"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": _score, "cell": _cell}
    missed = [gate for gate in verdict.gates if gate.outcome != "pass"]
    known: dict[str, Any] = {
        "manifest": manifest,
        "evaluation": evaluation,
        "verdict": verdict,
        "missed": sorted(missed, key=lambda gate: -SEVERITY.index(gate.outcome)),
        "suite": suite,
        "tables": [(task, examples.tasks[task.task], suite.task(task.task)) for task in evaluation.tasks],
        "groups": {task.task: _worst_first(task.slices) for task in evaluation.tasks if task.slices},
        "shown": WORST_GROUPS,
        "cost": cost,
        "limits": _limits(evaluation, suite),
        "contents": _contents(manifest),
    }
    markdown, html = (environment.get_template(f"card.{form}.j2").render(**known) for form in ("md", "html"))
    return Card(markdown, html)


def _worst_first(groups: list[SliceEvaluation]) -> list[SliceEvaluation]:
    return sorted(groups, key=lambda group: group.gain.value)


def _limits(evaluation: Evaluation, suite: Suite) -> list[str]:
    lines = [f"{name}: left out. {why}" for name, why in sorted(evaluation.skipped.items())]
    foreign = [f"{task.task} ({task.data_origin})" for task in evaluation.tasks if task.data_origin != "real"]
    if foreign:
        lines.append(f"Not measured on a shop's own untouched data: {', '.join(foreign)}.")
    if not evaluation.champion:
        lines.append("No release came before, so nothing says whether a task fell behind one.")
    apart = [f"{task.name} ({task.own_layers})" for task in suite.tasks if task.own_layers]
    if apart:
        lines.append(f"Not all layers are shared: read through top layers of their own are {', '.join(apart)}.")
    return [
        *lines,
        f"Texts longer than {suite.encoder.max_tokens} tokens are cut.",
        "Measured offline on held-out periods; no online experiment has been run.",
    ]


def _contents(manifest: ReleaseManifest) -> Mapping[str, str]:
    parts = {
        "digest": manifest.digest, "suite": manifest.suite_digest, "data": manifest.data_version,
        "code": manifest.code_version, "commit of the code": manifest.code_commit,
        "checkpoint": manifest.checkpoint_digest, "bento": f"{manifest.bento_tag} {manifest.bento_digest}",
        "registry": manifest.model_version, "verdict": manifest.verdict_digest,
    }  # fmt: skip
    return {name: value or UNKNOWN for name, value in (parts | {str(n): i for n, i in manifest.images.items()}).items()}


def _score(score: Score | None) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]" if score else "none"


def _cell(text: str) -> str:
    """One line that breaks no table and starts no HTML in Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
