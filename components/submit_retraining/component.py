"""Component `submit_retraining`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def submit_retraining(suite: str, cluster: str, environment: str, repository: str = "", after: str = "") -> None:
    """Follow the retraining in flight, then start the one that the environment's newest decision asks for.

    It runs ``polymart monitor retrain``, as a person or a CronJob would: the ledger in the work folder sees to it that
    one run is started, whoever asks and however often.

    Args:
        suite: the suite as JSON.
        cluster: settings of the cluster as JSON; ``host`` is the Kubeflow Pipelines API as pods reach it.
        environment: whose release is watched.
        repository: deployment git repository; empty means the setting POLYMART_DEPLOY_REPO.
        after: what was decided; only orders the steps.

    Raises:
        PolymartError: the server cannot be asked; the next pass goes on from there.
        RuntimeError: the retraining in flight was found to have failed.
    """
    import os
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.yaml" for name in ("suite", "cluster")}
        files["suite"].write_text(suite)  # JSON is YAML
        files["cluster"].write_text(cluster)
        named = ["--environment", environment, "--repository", repository, "--suite", str(files["suite"])]
        command = [sys.executable, "-m", "polymart.cli.main", "monitor", "retrain", *named]
        done = subprocess.run(command, env=os.environ | {"POLYMART_CLUSTER": str(files["cluster"])}, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
