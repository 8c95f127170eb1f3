"""Component `train_suite`."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_suite(
    examples: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Output[dsl.Model],
    log: dsl.Output[dsl.Artifact],
    plot: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    suite: str,
    code_version: str,
) -> None:
    """Train one encoder with one head per task and write the best checkpoint.

    An attempt after a failed one goes on from the state in ``training/`` of the work folder. Where the suite asks for
    several machines, a TrainJob of Kubeflow Trainer trains and this step waits for it.

    Args:
        examples: folder written by `retrieve_features`.
        checkpoint: folder with ``model.safetensors``, tokenizer, ``suite.json``, ``tasks.json``, ``manifest.json``.
        log: JSON with the losses per step, the validations, further curves of each task, precision, speed, memory.
        plot: PNG with those curves.
        metrics: best step, seconds, examples per second, peak memory in GB.
        suite: the suite as JSON.
        code_version: digest of the library's source; a cache key.

    Raises:
        TrainingError: a task has no rows, a loss became NaN, or a process of the training died.
    """
    from dataclasses import asdict
    from pathlib import Path

    from components.train_job import train_on_machines
    from polymart.config import Settings, Suite
    from polymart.data.archives import fetch
    from polymart.errors import shown_to_user
    from polymart.files import write_json
    from polymart.training.distributed import train
    from polymart.training.loop import training_key
    from polymart.training.plots import plot_training

    config, settings = Suite.from_json(suite), Settings()
    with shown_to_user():
        key = training_key(Path(examples.path), config).removeprefix("sha256:")
        state = settings.work_dir / "training" / f"{config.name}-{key[:12]}"
        encoder = fetch(config.encoder.dataset, settings)
        run = train_on_machines if config.training.distributed.nodes > 1 else train
        digest, history = run(Path(examples.path), encoder, config, Path(checkpoint.path), state)
        plot_training(history, Path(plot.path))
    write_json(log.path, asdict(history))
    checkpoint.metadata["digest"] = digest
    metrics.log_metric("best_step", history.best_step)
    metrics.log_metric("seconds", round(history.seconds, 1))
    metrics.log_metric("examples_per_s", round(history.examples_per_s, 1))
    metrics.log_metric("peak_memory_gb", round(history.peak_memory_gb, 2))
    write_json(metrics.path, metrics.metadata)  # an artifact without a file is never found in the local cache
