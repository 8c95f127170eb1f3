"""Makes the release of a pipeline run: manifest and model card, the commit that promotes it, then the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from polymart.config import Settings, Suite
from polymart.config.rates import Rates
from polymart.data.example_index import read_examples_index
from polymart.evaluation.records import Evaluation, Verdict
from polymart.files import digest_file, read_json
from polymart.release.card import render_card
from polymart.release.cost import training_cost
from polymart.release.manifest import build_manifest, write_manifest
from polymart.release.production import follow_with_registry
from polymart.release.promotion import promote_release
from polymart.release.signing import sign, signing_key
from polymart.version import code_commit


@dataclass(frozen=True)
class RunFiles:
    """What the steps of a run wrote."""

    log: Path
    """JSON of the training."""
    examples: Path
    """Folder with ``examples.json``."""
    evaluation: Path
    verdict: Path
    probe: Path


def promote_run(
    suite: Suite,
    files: RunFiles,
    *,
    manifest: Path,
    card: Path,
    data_version: str,
    code_version: str,
    model_version: str,
    repository: str,
    environment: str,
    tracking_uri: str,
    bento_tag: str,
    bento_digest: str,
    locations: Mapping[str, str],
) -> str:
    """Make a run the release that ``environment`` runs, and its model version the champion; returns its name.

    The setting POLYMART_SIGNING_KEY_FILE signs it. Where people decide (POLYMART_REVIEWED), it waits in a branch.

    Args:
        suite: what was trained.
        files: what the steps wrote.
        manifest: the release's manifest is written here.
        card: folder for the model card, replaced whole.
        model_version: ``<model>/<number>`` in the registry.
        tracking_uri: of the MLflow server; where it cannot be reached, the promotion stands and a line says so.
        locations: where checkpoint, bento and the like lie; outside the digest.

    Raises:
        ReleaseError: the verdict is not a pass and nobody overrides it, another release than the one compared with
            runs now, or the repository refuses.
        StorageError: a file is absent or the disk refuses.
    """
    found, verdict, settings = Evaluation.read(files.evaluation), Verdict.read(files.verdict), Settings()
    unsigned = build_manifest(
        suite=suite, data_version=data_version, code_version=code_version, code_commit=code_commit(),
        checkpoint_digest=found.checkpoint, bento_tag=bento_tag, bento_digest=bento_digest, verdict=verdict,
        created_at=datetime.now(UTC), model_version=model_version,
        probe_digest=digest_file(files.probe), locations=locations,
    )  # fmt: skip
    made = sign(unsigned, signing_key(settings))
    write_manifest(manifest, made)
    cost = training_cost(read_json(files.log), Rates())
    drawn = render_card(made, found, verdict, suite, examples=read_examples_index(files.examples), cost=cost)
    drawn.write(card)
    compared_with = found.champion if suite.gates.champion else None
    done = promote_release(
        repository, made, environment, card=drawn, compared_with=compared_with,
        merge_request=environment in settings.reviewed_environments,
    )  # fmt: skip
    if done.branch:
        print(f"{made.release} waits in branch {done.branch} to be merged:\n\n{done.text}", flush=True)
        return made.release
    if warning := follow_with_registry(repository, environment, tracking_uri):
        print(f"warning: {warning}", flush=True)
    return made.release
