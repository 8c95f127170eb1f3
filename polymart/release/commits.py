"""One change of an environment as one commit: write, commit, push; after a lost race, again from the new head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from polymart.errors import ReleaseError
from polymart.files import atomic_path
from polymart.release.card import Card
from polymart.release.gate_lines import GateLine
from polymart.release.history import read_history
from polymart.release.manifest import ReleaseManifest, load_manifest, write_manifest
from polymart.release.overlay import write_environment
from polymart.release.repository import Clone, PushRace, clone, redact

PUSH_ATTEMPTS = 25
"""Tries before a push that keeps losing races gives up (about 40 s)."""

Choose = Callable[[Clone], ReleaseManifest]
"""Picks, and if need be writes, the manifest that an environment is to run."""


@dataclass(frozen=True)
class Promotion:
    """What a promotion or rollback did."""

    environment: str
    release: str
    previous: str
    """The release that ran before; empty if none did."""
    commit: str
    """Head of the deployment repository that carries the release."""
    changed: bool
    """False if the environment already ran exactly this release, so no commit was made."""


def commit_environment(repository: str, environment: str, action: str, choose: Choose, author: str) -> Promotion:
    """Make ``environment`` run what ``choose`` picks from the newest head; ``action`` is promote or rollback.

    Raises:
        ReleaseError: the repository is unreachable, refuses, or was pushed to by others at every attempt.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(PushRace),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_attempt(PUSH_ATTEMPTS),
    )
    with clone(repository) as work:
        try:
            return retrying(_attempt, work, environment, action, choose, author)
        except RetryError as error:
            raise ReleaseError(
                f"the push to {redact(repository)} lost {PUSH_ATTEMPTS} races: {error.last_attempt.exception()}",
                remedy="nothing was changed; try again when fewer promotions run at once",
            ) from error


def _attempt(work: Clone, environment: str, action: str, choose: Choose, author: str) -> Promotion:
    work.refresh()
    past = read_history(work, environment)
    manifest = choose(work)
    write_environment(work.folder / "environments" / environment, manifest)
    changed = work.commit(_message(action, manifest, environment), author=author)
    if changed:
        work.push()
    return Promotion(environment, manifest.release, past[0].release if past else "", work.head, changed)


def keep_manifest(work: Clone, manifest: ReleaseManifest, card: Card | None) -> ReleaseManifest:
    """Write manifest and model card unless they are there already: the first packaging time stays.

    Raises:
        ReleaseError: the repository holds another manifest under this name.
    """
    path = work.folder / "releases" / f"{manifest.release}.json"
    if not path.exists():
        write_manifest(path, manifest)
        for suffix, text in card.files.items() if card else ():
            with atomic_path(path.with_suffix(suffix)) as temporary:
                temporary.write_text(text)
    kept = load_manifest(path)
    if kept.digest != manifest.digest:
        raise ReleaseError(
            f"releases/{path.name} already holds digest {kept.digest}, not {manifest.digest}",
            remedy="two releases share a short name; change any input (e.g. the suite's description) and package again",
        )
    return kept


def _message(action: str, manifest: ReleaseManifest, environment: str) -> str:
    verb = {"promote": "Promote", "rollback": "Roll back"}[action]
    override = [f"OVERRIDE: {manifest.override}"] if manifest.override else []
    causes = [f"{gate.outcome} {gate.gate}: {gate.cause}" for gate in manifest.gates if gate.cause]
    rows = [
        f"| {gate.task} | {gate.gate} | {gate.outcome} | {_number(gate)} | {gate.rule} |" for gate in manifest.gates
    ]
    return "\n".join([
        f"{verb} {environment} to {manifest.release}", "",
        f"Verdict: {manifest.overall}", *override, *causes, "",
        "| task | gate | outcome | number | rule |", "|---|---|---|---|---|", *rows, "",
        f"Polymart-Action: {action}", f"Polymart-Environment: {environment}",
        f"Polymart-Release: {manifest.release}", f"Polymart-Digest: {manifest.digest}",
    ])  # fmt: skip


def _number(gate: GateLine) -> str:
    interval = "" if gate.low is None or gate.high is None else f" [{gate.low:.4g}, {gate.high:.4g}]"
    return "not computable" if gate.number is None else f"{gate.number:.4g}{interval}"
