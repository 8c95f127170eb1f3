"""Component `tune_suite`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune_suite(
    examples: dsl.Input[dsl.Dataset],
    tuned: dsl.Output[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    suite: str,
    code_version: str,
    trials: int = 12,
    steps: int = 200,
) -> None:
    """Search task weights and learning rates by budget-matched random search and write the tuned suite.

    A search that was stopped goes on inside the trial that it stopped in: journal and state lie in the work folder.

    Args:
        examples: folder written by `retrieve_features`.
        tuned: the suite as YAML, with the best weights and learning rates.
        record: JSON of every trial (`polymart.tuning.Tuning`).
        metrics: trials, the best trial, and how much lower its losses are than the suite's own.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.
        trials: trials in all; the first is the suite as written.
        steps: optimiser steps of each trial.

    Raises:
        TrainingError: no trial ended with finite losses.
    """
    from pathlib import Path

    from polymart.config import Settings, Suite, dump_suite
    from polymart.data.archives import fetch
    from polymart.data.example_index import read_examples_index
    from polymart.errors import shown_to_user
    from polymart.files import atomic_path, digest_text, write_json
    from polymart.progress import Progress
    from polymart.tuning import tune_suite

    config, settings = Suite.from_json(suite), Settings()
    progress = Progress("tune_suite", trials * steps, "steps")
    with shown_to_user():
        key = digest_text(f"{config.digest} {read_examples_index(Path(examples.path)).digest} {code_version} {steps}")
        best, found = tune_suite(
            Path(examples.path),
            fetch(config.encoder.dataset, settings),
            config,
            settings.work_dir / "tuning" / f"{config.name}-{key.removeprefix('sha256:')[:12]}",
            trials=trials,
            steps=steps,
            report=lambda trial, step, line: progress(trial * steps + step, line),
        )
        with atomic_path(Path(tuned.path)) as path:
            path.write_text(dump_suite(best))
    write_json(record.path, found.model_dump(mode="json"))
    metrics.log_metric("trials", len(found.trials))
    metrics.log_metric("best_trial", found.best)
    metrics.log_metric("gain", round(found.gain(), 4))
    write_json(metrics.path, metrics.metadata)  # an artifact without a file is never found in the local cache
