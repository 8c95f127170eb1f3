"""From the decision to retrain to the answer of the new release, on one machine: suites/quick.yaml, kfp.local, a bento.

A release that was trained four weeks earlier runs. Its newest windows are changed (every number of the demand task is
worth half as much again), so the monitoring pass asks for a retraining; from there to the first answer of the new
release the clock runs. Nothing is taken from a cache: new data would not be there.

What is measured is the time, not the model: 300 steps rarely give one that is surely no worse than its champion, and
the gates say so. What they refuse is told, and an override lets it through, as an operator's would.
"""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from bench import claim
from monitoring.run import run_monitoring
from polymart.cli.job import run_job
from polymart.config import Settings, Suite, load_suite
from polymart.files import link_tree, read_json, write_json
from polymart.gates import parse_override
from polymart.release.manifest import ReleaseManifest
from polymart.release.promotion import current_manifest
from serving.server import running

QUICK = Path(__file__).parents[1] / "suites" / "quick.yaml"
TASK, FACTOR = "demand", 1.5
EARLIER = timedelta(weeks=4)
OVERRIDE = "bench.drift_drill: the time to a redeployed model is measured, not the model"


def redeploy(*, small: bool) -> dict[str, Any]:
    """Measure once; print the claim.

    Returns:
        Seconds of each stretch, the two releases, and the causes of the gates that the new one did not pass.
    """
    home = Settings().work_dir / "bench" / ("redeploy-small" if small else "redeploy")
    settings = Settings(work_dir=home / "work", mlflow_uri="", deploy_repo="")
    suite = _tiny(load_suite(QUICK)) if small else load_suite(QUICK)
    before = _released(earlier(suite), settings, home / "released.json")
    decision = _alarm(before, suite, home)
    started = time.monotonic()
    job = run_job(suite, QUICK, settings, cache=False, monitor=False, override=parse_override(OVERRIDE))
    trained = time.monotonic()
    found: dict[str, Any] = {
        "decision": decision,
        "before": before.release,
        "release": job.release,
        "train_to_promote_s": trained - started,
        "refused": [gate.cause for gate in job.verdict.gates if gate.outcome != "pass"],
    }
    if job.release:
        after = current_manifest(settings.deployment_repository, "local")
        places = {name: Path(place) for name, place in after.locations.items()}
        with running(places["bento"], places["feature_store"], timeout_s=300) as server:
            said = httpx.post(f"{server.url}/understand", json={"text": "where is my parcel"}, timeout=60).json()
            found["answered_by"] = said.get("checkpoint", "")
            found["serve_s"] = time.monotonic() - trained
    found["total_s"] = time.monotonic() - started
    answered = found.get("answered_by") == job.evaluation.checkpoint != before.checkpoint_digest
    claim("minutes from the alarm to the answer of the redeployed model", found["total_s"] / 60, "published",
          answered, 1)  # fmt: skip
    return found


def earlier(suite: Suite) -> Suite:
    """The suite as it stood four weeks ago: every split lies earlier."""
    tasks = [
        task.model_copy(
            update={
                "split": task.split.model_copy(
                    update={"val_from": task.split.val_from - EARLIER, "test_from": task.split.test_from - EARLIER}
                )
            }
        )
        if task.split
        else task
        for task in suite.tasks
    ]
    return suite.model_copy(update={"tasks": tasks})


def _released(suite: Suite, settings: Settings, kept: Path) -> ReleaseManifest:
    """The release that runs before the alarm; made once."""
    if not kept.is_file():
        job = run_job(suite, QUICK, settings, monitor=False)
        if not job.release:
            raise SystemExit("the first release stayed behind a gate: there is nothing to redeploy")
        write_json(kept, {"release": job.release})
    manifest = current_manifest(settings.deployment_repository, "local")
    if manifest.release != read_json(kept)["release"]:
        raise SystemExit(f"{settings.work_dir} was redeployed already: delete {kept.parent} to measure again")
    return manifest


def _alarm(release: ReleaseManifest, suite: Suite, home: Path) -> str:
    """Change the newest windows and let monitoring decide; it must ask for a retraining."""
    places = {name: Path(place) for name, place in release.locations.items()}
    for part in ("examples", "predictions"):
        shutil.rmtree(home / part, ignore_errors=True)
        link_tree(places[part], home / part)
    path = home / "examples" / f"{TASK}.parquet"
    rows = pd.read_parquet(path)
    numeric = suite.task(TASK).inputs.numeric
    rows.loc[rows["split"] == "test", numeric] *= FACTOR
    path.unlink()  # a second name of the release's own file
    rows.to_parquet(path)
    watched = Suite.from_json((places["checkpoint"] / "suite.json").read_text())
    decision = run_monitoring(home / "examples", home / "predictions", watched, home / "drift", {}, "")
    if decision.action != "retrain":
        raise SystemExit(f"monitoring says {decision.action}, no retraining: {'; '.join(decision.reasons)}")
    return decision.reasons[0]


def _tiny(suite: Suite) -> Suite:
    """A few rows and steps, and margins that nothing misses."""
    limits = {"train": 300, "val": 60, "test": 250}
    tasks = [task.model_dump(mode="json") | {"limits": limits, "margin": 1e6} for task in suite.tasks]
    training = suite.training.model_dump(mode="json") | {"max_steps": 2, "evaluate_every": 2}
    return Suite.model_validate(suite.model_dump(mode="json") | {"tasks": tasks, "training": training}, strict=False)
