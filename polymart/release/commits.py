"""One change of an environment as one commit: write, commit, push; after a lost race, again from the new head.

A rollback waits for this module's imports: none of them may load torch, pandas or mlflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from polymart.errors import ReleaseError
from polymart.files import atomic_path
from polymart.release.gate_lines import GateLine
from polymart.release.git import redact
from polymart.release.history import running_release
from polymart.release.manifest import ReleaseManifest, load_manifest, write_manifest
from polymart.release.overlay import write_environment
from polymart.release.repository import Clone, PushRace, clone

if TYPE_CHECKING:
    from polymart.release.card import Card

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
    branch: str = ""
    """The branch that waits to be merged; empty where the environment runs the release."""
    text: str = ""
    """The commit's message, which is the text of the merge request, too; empty if nothing was to be committed."""


def commit_environment(
    repository: str, environment: str, action: str, choose: Choose, author: str, *, merge_request: bool = False
) -> Promotion:
    """Make ``environment`` run what ``choose`` picks from the newest head; ``action`` is promote or rollback.

    With ``merge_request`` the commit is pushed to a branch of its own, which people merge.

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
            for attempt in retrying:
                with attempt:
                    if attempt.retry_state.attempt_number > 1:
                        work.refresh()
                    return _attempt(work, environment, action, choose, author, merge_request)
        except RetryError as error:
            raise ReleaseError(
                f"the push to {redact(repository)} lost {PUSH_ATTEMPTS} races: {error.last_attempt.exception()}",
                remedy="nothing was changed; try again when fewer promotions run at once",
            ) from error
    raise AssertionError("tenacity ends with a result or an error")


def _attempt(work: Clone, environment: str, action: str, choose: Choose, author: str, merge_request: bool) -> Promotion:
    previous = running_release(work, environment)
    if merge_request and not work.head:
        raise ReleaseError(
            f"{redact(work.repository)} has no branch {work.branch} to merge into yet",
            remedy="promote a release to an environment without review first, e.g. staging",
        )
    manifest = choose(work)
    write_environment(work.folder / "environments" / environment, manifest)
    text = _message(action, manifest, environment, previous)
    if not work.commit(text, author=author):
        return Promotion(environment, manifest.release, previous, work.head, changed=False)
    if merge_request:
        branch = f"{action}/{environment}/{manifest.release}"
        new = work.push_branch(branch)
        return Promotion(environment, manifest.release, previous, work.head, new, branch, text)
    work.push()
    return Promotion(environment, manifest.release, previous, work.head, changed=True, text=text)


def keep_manifest(work: Clone, manifest: ReleaseManifest, card: Card | None) -> ReleaseManifest:
    """Write manifest and model card unless they are there already: the first packaging time stays.

    A new signature replaces an older one.

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
    if manifest.signature and manifest.signature != kept.signature:
        kept = kept.model_copy(update={"signature": manifest.signature})
        write_manifest(path, kept)
    return kept


def require_compared(work: Clone, environment: str, candidate: ReleaseManifest, compared_with: str) -> None:
    """Refuse a candidate that was never compared with the release that it is about to replace.

    Args:
        work: the deployment repository at its newest head.
        environment: lower-case name, e.g. ``staging``.
        candidate: what is to be promoted.
        compared_with: the release that its verdict compared it with; empty where there was none.

    Raises:
        ReleaseError: another release runs, which is not of the candidate's own checkpoint either.
    """
    running = running_release(work, environment)
    if not running or running == compared_with:
        return
    current = load_manifest(work.folder / "releases" / f"{running}.json")
    if current.checkpoint_digest != candidate.checkpoint_digest:
        raise ReleaseError(
            f"{environment} runs {current.release}, but {candidate.release} was compared with "
            f"{compared_with or 'no release'}",
            remedy="it was released in between: run again, which compares with it; an earlier release comes back with "
            "`polymart deploy rollback --to`",
        )


def _message(action: str, manifest: ReleaseManifest, environment: str, previous: str) -> str:
    verb = {"promote": "Promote", "rollback": "Roll back"}[action]
    override = [f"OVERRIDE: {manifest.override}"] if manifest.override else []
    images = [f"{name}: {reference}" for name, reference in sorted(manifest.images.items())]
    causes = [f"{gate.outcome} {gate.gate}: {gate.cause}" for gate in manifest.gates if gate.cause]
    rows = [
        f"| {gate.task} | {gate.gate} | {gate.outcome} | {_number(gate)} | {gate.rule} |" for gate in manifest.gates
    ]
    return "\n".join([
        f"{verb} {environment} to {manifest.release}", "",
        f"Verdict: {manifest.overall}", *override, *causes, "",
        f"Replaces: {previous or 'nothing'}", f"Bento: {manifest.bento_tag} ({manifest.bento_digest})", *images,
        f"Signed: {manifest.signature.partition(':')[0] or 'no'}", "",
        "| task | gate | outcome | number | rule |", "|---|---|---|---|---|", *rows, "",
        f"Polymart-Action: {action}", f"Polymart-Environment: {environment}",
        f"Polymart-Release: {manifest.release}", f"Polymart-Digest: {manifest.digest}",
    ])  # fmt: skip


def _number(gate: GateLine) -> str:
    interval = "" if gate.low is None or gate.high is None else f" [{gate.low:.4g}, {gate.high:.4g}]"
    return "not computable" if gate.number is None else f"{gate.number:.4g}{interval}"
